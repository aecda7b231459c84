"""A results folder with finished videos whose times, names and words are as odd as they come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.support.numbered_videos import noisy, write

from hiprobe import sinks, store, video
from hiprobe.formats import VideoClock, VideoEvents
from hiprobe.store import results
from hiprobe.types import Event, Result, Scores, Verification

ODD, QUIET = 'front/dé "1", a\'b.mp4', "quiet.mp4"
# A camera that slows down from 10 to 2 frames a second and then stalls.
TIMES = [*(index / 10 for index in range(20)), *(2 + index / 2 for index in range(8)), 8.5]
END = 9.0  # the last frame lasts for half a second
LABEL = 'fight, "loud"\n=1+1 <b> & é漢 --> x'
WORDS = "one person\r\n\r\nhits; another = #1 \\ {x}\x07"
EVENTS = (
    Event(0.45, 1.6, 0.8, 0.9, LABEL, WORDS, box=(0.25, 0.5, 0.5, 0.25)),
    Event(3.2, 4.75, 4.0, 0.6, None, None, "low", Verification("rejected", -1.5)),
    Event(8.0, END, 8.8, 0.75, "fall", "a person falls", "high"),
)


@dataclass(frozen=True)
class Finished:
    """The folder of the videos, that of the results, and the results by name."""

    cams: Path
    out: Path
    results: dict[str, Result]


def result_of(path: Path, name: str, events: tuple[Event, ...], duration: float) -> Result:
    """Make a result with a score for each 1.6 s, without a model."""
    starts = np.arange(0, duration, 1.6)
    ends = np.minimum(starts + 1.6, duration)
    raw = np.linspace(0, 1, len(starts))
    scores = Scores(starts, ends, raw, raw / 2, np.full(len(starts), 0.25))
    made_with = {"model": {"id": "m", "revision": None, "sites": []}, "probe": "5f" * 32}
    digest = video.digest(path)
    return Result(
        str(path), digest, "done", duration, scores, events, provenance=made_with, name=name
    )


def make(folder: Path) -> Finished:
    """Make two videos and their results, as `detect` writes them."""
    cams, out = folder / "cams", folder / "out"
    (cams / "front").mkdir(parents=True)
    write(cams / ODD, TIMES, last_s=0.5, rate=10, pictures=noisy)
    write(cams / QUIET, [index / 25 for index in range(50)], rate=25, pictures=noisy)
    made = [result_of(cams / ODD, ODD, EVENTS, END), result_of(cams / QUIET, QUIET, (), 2.0)]
    for one in made:
        results.save_result(store.result_folder(out, one), one, {"probe": "p"})
    store.note(out, made)
    return Finished(cams, out, {one.name: one for one in made})


def videos_of(finished: Finished, *, demoted: bool = True) -> list[VideoEvents]:
    """Return what a format gets, with the clock by which each video was made."""
    clocks = {
        ODD: VideoClock(len(TIMES) / END, 64, 64, np.array(TIMES)),
        QUIET: VideoClock(25.0, 64, 64, np.arange(50) / 25),
    }
    return [
        VideoEvents(
            one.name,
            one.duration,
            [sinks.event_line(one, event) for event in (one.events if demoted else one.alarms)],
            clocks[one.name],
        )
        for one in finished.results.values()
    ]


def as_json(text: str) -> object:
    """Parse JSON, and refuse what JSON has not: NaN and infinity."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)
