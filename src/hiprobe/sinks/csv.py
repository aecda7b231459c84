"""Send events to a file that is a table for spreadsheets. Knows no result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiprobe.formats.csv import events_csv
from hiprobe.sinks import NO_OPTIONS, SCHEMA, Live, Target, TextFile
from hiprobe.sinks._settings import check_names

schemas = (SCHEMA,)
network = False


def open(
    target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None
) -> TextFile:
    """Open a sink that writes the file `target` when it is closed; it has no options."""
    check_names("option", options, ())
    return TextFile(target, events_csv)
