"""What made the results of a folder: `OUT/probe.safetensors` and `OUT/run.json`.

Knows no model and no videos. The probe comes as the bytes of its file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.disk.atomic import write_atomic
from hiprobe.disk.regular import read_regular
from hiprobe.errors import StoreError

NAME = "run.json"
PROBE = "probe.safetensors"
SCHEMA = "hiprobe.run/1"
LARGEST = 1 << 20  # bytes


@dataclass(frozen=True)
class RunFacts:
    """The model and its revision, the digest of the probe, and the settings of the results.

    `model` is the id in the recipe: a hub id, or `sha256:...` of a folder's content.
    """

    model: str
    revision: str | None
    probe: str
    settings: Mapping[str, Any]


def save_run(out: Path, facts: RunFacts, probe: bytes) -> list[Path]:
    """Write both files, unless they are there and the same, and return those written.

    Raises StoreError.
    """
    text = json.dumps({"schema": SCHEMA, **vars(facts)}, indent=1, sort_keys=True)
    files = {out / PROBE: probe, out / NAME: text.encode() + b"\n"}
    changed = [path for path, data in files.items() if not _holds(path, data)]
    for path in changed:
        write_atomic(path, files[path])
    return changed


def load_run(out: Path) -> RunFacts | None:
    """Read `OUT/run.json`; None if there is none. Raises StoreError for a damaged one."""
    path = out / NAME
    try:
        values = json.loads(read_regular(path, LARGEST))
        if values.pop("schema") != SCHEMA:
            raise ValueError(f"the schema must be {SCHEMA!r}")
        return _checked(RunFacts(**values))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"not a valid record of a run: {error}",
            where=path,
            cure="delete it and run hiprobe detect again, or choose another -o",
        ) from error


def _checked(facts: RunFacts) -> RunFacts:
    texts = (facts.model, facts.probe, "" if facts.revision is None else facts.revision)
    if not all(isinstance(text, str) for text in texts) or not isinstance(facts.settings, dict):
        raise TypeError("model, revision and probe must be text, and settings an object")
    return facts


def _holds(path: Path, data: bytes) -> bool:
    try:
        return read_regular(path, len(data)) == data
    except OSError:
        return False  # writing it raises the error
