"""Say a message in one line, for people. Knows no sink."""

from __future__ import annotations

from datetime import datetime

from hiprobe.errors import one_line
from hiprobe.sinks import ALERT_SCHEMA, Line

_BEGINS = {"new": "", "update": "Update: ", "end": "Over: ", "withdrawn": "Withdrawn: "}
_CHECKED = {
    "confirmed": "confirmed by the model",
    "rejected": "rejected by the model",
    "unsure": "the model is unsure",
    "not_checked": "not checked",
}


def sentence(line: Line) -> str:
    r"""Return one line about an event or an alert; the time of an alert is that of this machine.

    >>> sentence({"schema": "hiprobe.event/2", "video": {"name": "a.mp4"}, "start": 1.6, "end": 4.8,
    ...           "label": None, "explanation": "a person\nfalls", "peak_score": 0.934,
    ...           "threshold": 0.5, "verification": {"result": "confirmed"}})
    'a.mp4 from 1.6 to 4.8 s: a person falls (score 0.93, threshold 0.50, confirmed by the model)'
    """
    what = line["explanation"] or line["label"] or "something unusual"
    head = _alert_head(line) if line["schema"] == ALERT_SCHEMA else _event_head(line)
    text = f"{head}: {' '.join(what.split())} ({', '.join(_facts(line))})"
    if line["schema"] == ALERT_SCHEMA:
        moment = datetime.fromisoformat(line["start"]).astimezone()
        text = f"{_BEGINS[line['type']]}{text}, {moment:%Y-%m-%d %H:%M:%S}"
    return one_line(text)


def heading(line: Line) -> str:
    """Return a short heading: the camera or the video.

    >>> heading({"schema": "hiprobe.event/2", "video": {"name": "a.mp4"}})
    'hiprobe: a.mp4'
    """
    name = line["camera"] if line["schema"] == ALERT_SCHEMA else line["video"]["name"]
    return one_line(f"hiprobe: {name}")


def _alert_head(line: Line) -> str:
    return str(line["camera"])


def _event_head(line: Line) -> str:
    return f"{line['video']['name']} from {line['start']:.1f} to {line['end']:.1f} s"


def _facts(line: Line) -> list[str]:
    score = line["score"] if line["schema"] == ALERT_SCHEMA else line["peak_score"]
    facts = [] if score is None else [f"score {score:.2f}"]
    if line["threshold"] is not None:
        facts.append(f"threshold {line['threshold']:.2f}")
    return [*facts, _CHECKED[line["verification"]["result"]]]
