"""Which judgements the probe in use of a watcher has counted, kept for the next start.

One small file in the review folder. Knows no page and no refit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hiprobe.disk.atomic import write_atomic
from hiprobe.disk.regular import read_regular, refuse_links
from hiprobe.errors import StoreError

NAME, SCHEMA = "counted.json", "hiprobe.counted/1"
LARGEST = 16 << 20  # bytes


def note_counted(folder: Path, digest: str, judgements: Sequence[int]) -> None:
    """Save the ids of the judgements that a probe has counted; raises StoreError."""
    refuse_links(folder.parent, folder / NAME)
    values = {"schema": SCHEMA, "probe": digest, "judgements": list(judgements)}
    write_atomic(folder / NAME, json.dumps(values).encode())


def load_counted(folder: Path, digest: str) -> tuple[int, ...] | None:
    """Return the ids that were saved with this probe, or None if none were.

    Raises StoreError for a damaged file.
    """
    path = folder / NAME
    refuse_links(folder.parent, path)
    try:
        values = json.loads(read_regular(path, LARGEST))
        if values["schema"] != SCHEMA:
            raise ValueError("another schema")
        ids = tuple(int(one) for one in values["judgements"])
        return ids if values["probe"] == digest else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StoreError(
            f"not a valid list of counted judgements: {error}",
            where=path,
            cure="delete it: the probe is then refitted at the next start",
        ) from error
