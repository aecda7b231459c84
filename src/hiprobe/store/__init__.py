"""Hidden states and results on disk: written atomically, found by digest, resumable.

Knows no models and no video formats.
"""

from __future__ import annotations

from hiprobe.disk.atomic import write_atomic
from hiprobe.store.files import alone, place_also
from hiprobe.store.given_states import GivenStates, read_given_states
from hiprobe.store.manifest import MANIFEST, ManifestLine, Notes, note, read_manifest
from hiprobe.store.results import result_folder
from hiprobe.store.states import (
    delete_states,
    describe,
    find_states,
    kept_states,
    load_states,
    precision,
    save_states,
    state_files,
    states_folder,
)
from hiprobe.store.windows import Window, WindowsKey, find_windows, save_windows

__all__ = [
    "MANIFEST",
    "GivenStates",
    "ManifestLine",
    "Notes",
    "Window",
    "WindowsKey",
    "alone",
    "delete_states",
    "describe",
    "find_states",
    "find_windows",
    "kept_states",
    "load_states",
    "note",
    "place_also",
    "precision",
    "read_given_states",
    "read_manifest",
    "result_folder",
    "save_states",
    "save_windows",
    "state_files",
    "states_folder",
    "write_atomic",
]
