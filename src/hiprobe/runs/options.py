"""The options that the results of a folder were made with, as its `run.json` says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import StoreError, UsageError
from hiprobe.localize import Localization
from hiprobe.pipeline import ALL, WindowsToRead
from hiprobe.probe import Probe
from hiprobe.store import run_record
from hiprobe.video import NamePattern


@dataclass(frozen=True)
class RunOptions:
    """How events are found, the pattern by which names tell the time, and what is asked of events.

    The pattern is None where names tell no time of recording. `verify` says that events are
    checked, `where` that each gets a map of where in the picture its score comes from, `windows`
    which windows the model reads.
    """

    localization: Localization
    time_from_name: str | None = None
    verify: bool = True
    where: bool = False
    windows: WindowsToRead = ALL


def run_options(out: Path, probe: Probe) -> RunOptions:
    """Return the options of the last run in `out` with this probe; without one, the probe's own.

    Raises StoreError for a damaged record.
    """
    facts = run_record.load_run(out)
    if facts is None or facts.probe != probe.digest:
        return RunOptions(probe.localization)
    pattern, used = (facts.settings.get(name) for name in ("time_from_name", "localization"))
    try:
        if pattern is not None:
            NamePattern(pattern)
        return RunOptions(
            probe.localization if used is None else Localization.from_json(used),
            pattern,
            facts.settings.get("verify") is not False,
            facts.settings.get("where") is True,
            WindowsToRead.of_settings(facts.settings),
        )
    except (TypeError, ValueError, UsageError) as error:
        raise StoreError(
            f"not a valid record of a run: {error}",
            where=out / run_record.NAME,
            cure="delete it and run hiprobe detect again",
        ) from error
