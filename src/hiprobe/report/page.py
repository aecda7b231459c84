"""The report page: one HTML file with player, curve, events and provenance. Knows no model."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from hiprobe import sinks, video
from hiprobe.disk.regular import read_regular
from hiprobe.errors import counted
from hiprobe.formats.csv import scores_csv
from hiprobe.formats.webvtt import events_webvtt
from hiprobe.report.caveats import about_probe, model_notice
from hiprobe.report.curves import (
    TICKS_S,
    curve,
    needed_scores,
    thin,
    unread_spans,
    value_range,
)
from hiprobe.report.heat import heat_map
from hiprobe.report.picture import Thumbnail, timeline_png
from hiprobe.report.templates import template
from hiprobe.report.texts import (
    FITTED_ON,
    check_words,
    clock,
    count,
    left_out,
    printable,
    says_normal,
    two,
    wall_clock,
)
from hiprobe.sinks.jsonl import events_jsonl
from hiprobe.store import place_also, write_atomic
from hiprobe.types import Event, Gap, Result, Scores, unicode

EMBED_BYTES = 64 << 20  # a larger video is a file beside the page
LONG_S = 600.0  # a browser copy of a longer video has half the height
POINTS = 4000  # of the curve in the page


def write_report(
    result: Result, video_path: Path | None, folder: Path, thumbnails: Sequence[Thumbnail] = ()
) -> None:
    """Write scores.csv, events.jsonl, events.vtt, timeline.png and, last, report.html.

    Subtitles and picture leave demoted events out and say how many there are; the others have them.

    Args:
        result: a result with scores, whose provenance names the model and the probe.
        video_path: the video, for the player in the page; None for a page without one.
        folder: created if it does not exist.
        thumbnails: (time in seconds, frame uint8 (height, width, 3)) pairs to show beside events.

    Raises:
        ValueError: the result has no scores.
        KeyError: the provenance lacks `model` or `probe`.
        StoreError: a file cannot be written.
        VideoError: no browser copy can be made of the video.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from hiprobe import Event, Result, Scores, report
        >>> starts = np.array([0.0, 1.6])
        >>> values = np.array([0.1, 0.9])
        >>> scores = Scores(starts, starts + 1.6, values, values, np.full(2, 0.5))
        >>> made_with = {"model": {"id": "m", "revision": None, "sites": []}, "probe": "p"}
        >>> result = Result(
        ...     "a.mp4", "0" * 64, "done", 3.2, scores, (Event(1.6, 3.2),), provenance=made_with
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report.write_report(result, None, Path(folder))
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['events.jsonl', 'events.vtt', 'report.html', 'scores.csv', 'timeline.png']
    """
    write_atomic(folder / "scores.csv", scores_csv(result).encode())
    lines = [sinks.event_line(result, event) for event in result.events]
    write_atomic(folder / "events.jsonl", events_jsonl(lines).encode())
    alarms = [sinks.event_line(result, event) for event in result.alarms]
    note = left_out(len(result.demoted), len(alarms))
    write_atomic(folder / "events.vtt", events_webvtt(alarms, note).encode())
    timeline_png(result, folder / "timeline.png", thumbnails=thumbnails)
    report_html(result, video_path, folder / "report.html", thumbnails=thumbnails)


def report_html(
    result: Result, video_path: Path | None, out: Path, *, thumbnails: Sequence[Thumbnail] = ()
) -> None:
    """Write one self-contained HTML file: player, curve, events, provenance. It loads nothing else.

    The page contains the video itself, or a copy if browsers cannot play it. A video over 64 MiB
    becomes `<page>.video.<suffix>` beside the page, by a hard link where the disk has them.

    Args:
        result: a result with scores.
        video_path: the video; None for a page without a player.
        out: the file to write.
        thumbnails: (time in seconds, frame uint8 (height, width, 3)) pairs to show beside events.

    Raises:
        ValueError: the result has no scores.
        StoreError: a file cannot be written.
        VideoError: no browser copy can be made of the video.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from hiprobe import Result, Scores, report
        >>> starts = np.array([0.0, 1.6])
        >>> values = np.array([0.1, 0.2])
        >>> scores = Scores(starts, starts + 1.6, values, values, np.full(2, 0.5))
        >>> result = Result("a.mp4", "0" * 64, "done", 3.2, scores)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report.report_html(result, None, Path(folder) / "a.html")
        ...     "No event was found." in (Path(folder) / "a.html").read_text()
        True
    """
    assets = Path(__file__).with_name("assets")
    style, script = ((assets / name).read_text("utf-8") for name in ("page.css", "page.js"))
    page = template("page").render(
        name=unicode(result.name),
        title=printable(unicode(result.name)),
        result=result,
        style=Markup(style),
        script=Markup(script),
        policy=content_policy(style, script),
        notice=model_notice(result),
        about_probe=about_probe(result),
        fitted_on=FITTED_ON if result.provenance.get("fitted_on_this_video") else None,
        summary=_summary(result),
        player=_player(video_path, out, result.duration),
        events=list(_rows(result, result.alarms, thumbnails)),
        demoted=list(_rows(result, result.demoted, thumbnails)),
        gaps=_gap_lines(result),
        unread=bool(needed_scores(result).unread),
        facts=list(_facts(result)),
        data=_data(result),
    )
    write_atomic(out, page.encode("utf-8", "replace"))


def content_policy(style: str, script: str) -> str:
    """Return a policy that lets a page use this style and script, and load nothing."""
    allowed = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    )
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        "media-src data: blob: 'self'; "
        "style-src 'sha256-{}'; script-src 'sha256-{}'"
    ).format(*allowed)


def _player(path: Path | None, out: Path, duration: float) -> dict[str, str] | None:
    """Prepare the video for the page: its data, or a link to a file beside the page."""
    if path is None:
        return None
    if not video.info(path).playable:
        height = 240 if duration > LONG_S else 480
        return _copied(video.browser_copy(path, out.with_suffix(".video.mp4"), height=height))
    if path.stat().st_size <= EMBED_BYTES:
        return _embedded(path)
    beside = out.with_suffix(f".video{path.suffix.lower()}")
    place_also(path, beside)
    return _linked(beside)


def _copied(copy: Path) -> dict[str, str]:
    """Embed a copy that was made beside the page, unless it is large."""
    if copy.stat().st_size > EMBED_BYTES:
        return _linked(copy)
    embedded = _embedded(copy)
    copy.unlink()
    return embedded


def _linked(path: Path) -> dict[str, str]:
    return {"link": quote(path.name), "file": path.name}


def _embedded(path: Path) -> dict[str, str]:
    kind = "video/webm" if path.suffix.lower() in (".webm", ".mkv") else "video/mp4"
    return {"data": _data_uri(kind, read_regular(path, EMBED_BYTES))}


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _rows(
    result: Result, events: Sequence[Event], thumbnails: Sequence[Thumbnail]
) -> Iterator[dict[str, Any]]:
    for event in events:
        near = [frame for time, frame in thumbnails if event.start <= time < event.end]
        yield {
            "clock": wall_clock(result.recorded, event.start),
            "start": clock(event.start),
            "end": clock(event.end),
            "score": two(event.score),
            "label": event.label,
            "explanation": event.explanation,
            "checked": check_words(event.verification),
            "heat": heat_map(event),
            "normal": says_normal(event.label, event.explanation),
            "picture": _jpeg(near[0]) if near else None,
        }


def _jpeg(frame: NDArray[np.uint8]) -> str:
    image, data = Image.fromarray(frame), io.BytesIO()
    image.thumbnail((160, 160))
    image.save(data, "JPEG", quality=82)
    return _data_uri("image/jpeg", data.getvalue())


def _gap_lines(result: Result) -> list[str]:
    gaps = needed_scores(result).lost
    lines = [f"{clock(gap.start)} – {clock(gap.end)}: {gap.reason}" for gap in gaps[:10]]
    more = counted(len(gaps) - 10, "more span")
    return lines + ([f"and {more}; scores.csv lists all"] if len(gaps) > 10 else [])


def _summary(result: Result) -> dict[str, str]:
    scores = needed_scores(result)
    found = count(len(result.alarms), len(result.demoted))
    lines = {"events": found, "length": clock(result.duration)}
    lines["recorded"] = wall_clock(result.recorded)
    lines["segments"] = _segments(scores)
    if len(scores.starts) and (scores.lost or result.status == "partial"):
        lines["scored"] = (
            f"{clock(scores.starts[0])} – {clock(scores.ends[-1])}, of which "
            f"{scores.scored_s:.1f} s"
        )
    if len(scores.starts):
        peak = int(np.argmax(scores.smoothed))
        lines["peak"] = (
            f"{scores.smoothed[peak]:.2f} at {clock((scores.starts[peak] + scores.ends[peak]) / 2)}"
        )
        limits = scores.threshold[np.isfinite(scores.threshold)]
        if len(limits):
            lines["threshold"] = f"{limits.min():.2f}" + (
                "" if np.ptp(limits) < 5e-3 else f" to {limits.max():.2f}"
            )
    return lines


def _segments(scores: Scores) -> str:
    """Count the segments with a score, and say where the scores come from."""
    count, unread = len(scores.starts), len(scores.unread)
    kinds = {"repeated": scores.repeated, "carried": scores.carried}
    first = f"{count} of {count + unread}, the others were not read" if unread else str(count)
    return first + "".join(f", {n} of them {kind}" for kind, n in kinds.items() if n)


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """List the provenance as name and text, nested names joined by a dot, the video first."""
    yield "video digest", result.video_id
    pending = [one for one in result.provenance.items() if one != ("recorded", None)]
    while pending:
        name, value = pending.pop(0)
        if isinstance(value, Mapping):
            pending[:0] = [(f"{name}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(map(str, value))
        else:
            yield name, "none" if value is None else _fact(value)


def _fact(value: Any) -> str:
    """Write a value of the provenance: a fraction with 3 decimals, anything else in full."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _span(span: Event | Gap) -> list[float | None]:
    return [sinks.number(span.start), sinks.number(span.end)]


def _data(result: Result) -> dict[str, Any]:
    """Collect what the page's script draws: times in seconds, null where there is no number."""
    times, values, run = curve(needed_scores(result))
    keep = thin(values[:, 1], POINTS)
    lists = [[sinks.number(value) for value in column] for column in values[keep].T]
    return {
        "duration": sinks.number(result.duration),
        "limits": [sinks.number(value) for value in value_range(values)],
        "ticks": TICKS_S,
        "t": np.round(times[keep], 3).tolist(),
        **dict(zip(("raw", "smoothed", "threshold"), lists, strict=True)),
        "run": run[keep].tolist(),
        "events": [_span(event) for event in result.alarms],
        "demoted": [_span(event) for event in result.demoted],
        "gaps": [_span(gap) for gap in needed_scores(result).lost],
        "unread": [list(span) for span in unread_spans(needed_scores(result))],
    }
