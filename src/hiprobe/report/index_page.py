"""The list of all videos of a results folder: `OUT/index.html`. Knows the manifest, no result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from hiprobe.report.page import content_policy
from hiprobe.report.templates import template
from hiprobe.report.texts import clock, count, printable, two, wall_clock
from hiprobe.store import ManifestLine, read_manifest, write_atomic

ROWS = 500  # on a page
FAILED = ("failed", "quarantined")
ORDER = (
    "Failed videos come first, then those with alarms, then the others; among these by the highest "
    "smoothed score above the threshold, which is that of an alarm if the video has one. "
    "Events that the model's own check rejected count as demoted."
)


def write_index(out: Path, title: str | None = None) -> list[Path]:
    """Write the list of all videos of the manifest to `OUT/index.html`, and return its pages.

    The order is that of `ORDER`, which the page states. A page has 500 rows; the next ones are
    `index-2.html`, ... The title is the folder's name unless it is given. Raises StoreError.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as out:
    ...     [page.name for page in write_index(Path(out))]
    ['index.html']
    """
    lines = sorted(read_manifest(out), key=_order)
    counts = [str(number) for number in _counts(lines)]
    pages = max(1, math.ceil(len(lines) / ROWS))
    written = []
    for number in range(1, pages + 1):
        some = lines[(number - 1) * ROWS : number * ROWS]
        text = _page(title or out.resolve().name, some, counts, (number, pages))
        write_atomic(out / page_name(number), text.encode("utf-8", "replace"))
        written.append(out / page_name(number))
    _remove_from(out, pages + 1)
    return written


def page_name(number: int) -> str:
    """Return the file name of a page; the first one is `index.html`."""
    return "index.html" if number == 1 else f"index-{number}.html"


def _order(line: ManifestLine) -> tuple[bool, bool, float, str]:
    below = math.inf if line.margin is None else -line.margin
    return line.status not in FAILED, not line.events, below, line.name


def _counts(lines: Sequence[ManifestLine]) -> Iterator[str]:
    """Yield how many videos there are, of each status, and the events in them."""
    yield f"{len(lines)} video{'s'[len(lines) == 1 :]}"
    for status in sorted({line.status for line in lines}):
        yield f"{sum(line.status == status for line in lines)} {status}"
    yield count(sum(line.events for line in lines), sum(line.demoted for line in lines))


def _page(
    title: str, lines: Sequence[ManifestLine], counts: Sequence[str], at: tuple[int, int]
) -> str:
    assets = Path(__file__).with_name("assets")
    style, script = ((assets / f"index.{kind}").read_text("utf-8") for kind in ("css", "js"))
    number, pages = at
    return template("index").render(
        title=printable(title),
        counts=counts,
        rows=[_row(line) for line in lines],
        order=ORDER,
        timed=any(line.recorded for line in lines),
        checked=any(line.demoted for line in lines),
        style=Markup(style),
        script=Markup(script),
        policy=content_policy(style, script),
        number=number,
        pages=pages,
        before=page_name(number - 1) if number > 1 else None,
        after=page_name(number + 1) if number < pages else None,
    )


def _row(line: ManifestLine) -> dict[str, Any]:
    scored = line.peak is not None
    return {
        "name": printable(line.name),
        "status": line.status,
        "failed": line.status in FAILED,
        "recorded": wall_clock(line.recorded),
        "peak": two(line.peak),
        "margin": "" if line.margin is None else f"{line.margin:+.2f}",
        "events": line.events if scored else "",
        "demoted": line.demoted or "",
        "length": clock(line.duration, 0) if scored else "",
        "gaps": line.gaps or "",
        "reason": printable(line.reason or ""),
        "link": f"{quote(line.folder)}/report.html" if line.folder else None,
    }


def _remove_from(out: Path, number: int) -> None:
    """Delete pages that an earlier, longer list had."""
    while (old := out / page_name(number)).is_file():
        old.unlink(missing_ok=True)
        number += 1
