"""`hiprobe runs`: the status of every video in a result folder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli import _ray
from hiprobe.cli._options import OUT, AsJson
from hiprobe.errors import counted

if TYPE_CHECKING:
    from hiprobe.store.index import StoredStates
    from hiprobe.store.leases import RunRecord, VideoRecord


def runs(
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="A folder that hiprobe detect wrote, or an address that detect --ray wrote to.",
        ),
    ] = str(OUT),
    retry: Annotated[
        bool,
        typer.Option(
            "--retry",
            help="Let the next detect try failed and quarantined videos again.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count the videos of a result folder by status, and list those that are not done, with why.

    The next detect tries a failed video again. A video that crashed its worker or its decoder twice
    is quarantined: it is not tried again until `--retry`, or until the file changes.
    """
    from hiprobe.cli import _terminal
    from hiprobe.errors import UsageError
    from hiprobe.store import index, leases, results

    folder = _ray.results_home(out)
    if not folder.is_dir():
        raise UsageError(
            "no such folder", where=out, cure="name the folder given to hiprobe detect -o"
        )
    if not (folder / ".store").is_dir() and not any(folder.glob(f"*/{results.NAME}")):
        raise UsageError(
            "this folder holds no run", where=out, cure="name the folder given to hiprobe detect -o"
        )
    back = leases.put_back(folder) if retry else 0
    found, items = leases.run_status(folder)
    kept = index.stored_states(folder / ".store")
    if as_json:
        for item in items:
            _terminal.emit(_line(item, found))
        return
    if retry:
        _terminal.say(f"{back} released; the next detect tries them again")
    for run in found:
        _terminal.standing(run, [item for item in items if item.run == run.run], time.time())
    _terminal.say(_stored(kept) if items or kept else f"no run in {_terminal.markup(out)}")


def _line(item: VideoRecord, found: list[RunRecord]) -> dict[str, Any]:
    """Return a video as JSON values; `lease_s` is in seconds, until its claim expires."""
    from hiprobe.cli._terminal import state

    (run,) = [run for run in found if run.run == item.run]
    left = round(max(0.0, item.lease - time.time()), 1) if item.status == "claimed" else None
    return {
        "name": item.name,
        "digest": item.digest or None,
        "status": state(item, time.time()),
        "reason": item.reason,
        "attempts_lost": item.lost,
        "lease_s": left,
        "folder": item.folder if item.status in ("done", "partial") else None,
        "settings": run.settings,
    }


def _stored(kept: list[StoredStates]) -> str:
    size, recipes = sum(one.bytes for one in kept) / 1e6, len({one.recipe for one in kept})
    videos = len({one.video for one in kept})
    return (
        f"hidden states of {counted(videos, 'video')} by {counted(recipes, 'recipe')}, "
        f"{size:.1f} MB"
    )
