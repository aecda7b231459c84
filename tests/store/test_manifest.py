"""The manifest: one line per video, checked when it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.result_folders import folder_name

from hiprobe import store
from hiprobe.errors import StoreError
from hiprobe.types import Event, Result, Scores

DIGESTS = ("ab" * 32, "cd" * 32)


def a_result(name: str, digest: str, smoothed: list[float], threshold: list[float]) -> Result:
    starts = np.arange(len(smoothed)) * 1.6
    values = np.array(smoothed)
    scores = Scores(starts, starts + 1.6, values, values, np.array(threshold))
    found = (values >= np.array(threshold)).any()
    events = (Event(0.0, 1.6 * len(values)),) if found else ()
    return Result(f"/x/{name}", digest, "done", 1.6 * len(smoothed), scores, events, name=name)


def test_alarms_are_counted_and_a_demoted_event_lifts_no_video(tmp_path: Path) -> None:
    scored = a_result("a.mp4", DIGESTS[0], [0.1, 0.6, 0.1, 0.95], [0.5, 0.5, 0.5, 0.5])
    alarm, low = Event(1.6, 3.2, 2.4, 0.6), Event(4.8, 6.4, 5.6, 0.95, severity="low")
    made = [
        replace(scored, events=(alarm, low)),
        replace(scored, events=(low,), name="b.mp4", video_id=DIGESTS[1]),
    ]
    store.note(tmp_path, made)
    both, only = store.read_manifest(tmp_path)
    assert (both.events, both.demoted, both.margin, both.peak) == (1, 1, 0.1, 0.95)
    assert (only.events, only.demoted, only.margin) == (0, 1, 0.45)


def test_a_line_holds_the_score_and_how_far_it_is_above_the_threshold(tmp_path: Path) -> None:
    made = [
        # The highest score is not the one furthest above its threshold.
        a_result("front/0900.mp4", DIGESTS[0], [0.9, 0.8, 0.1], [1.0, 0.3, 0.3]),
        a_result("back/0900.mp4", DIGESTS[0], [0.25], [math.inf]),
        Result("/x/back/1000.mp4", DIGESTS[1], "failed", reason="x", name="back/1000.mp4"),
    ]
    store.note(tmp_path, made)
    front, back, failed = store.read_manifest(tmp_path)
    assert (front.name, front.digest, front.peak, front.margin) == (
        "front/0900.mp4",
        DIGESTS[0],
        0.9,
        0.5,
    )
    assert front.folder == folder_name("front/0900.mp4", DIGESTS[0])
    assert (back.peak, back.margin) == (0.25, None)  # JSON cannot hold minus infinity
    assert back.folder == folder_name("back/0900.mp4", DIGESTS[0]) != front.folder
    assert (failed.peak, failed.margin, failed.folder) == (None, None, None)
    store.note(tmp_path, made[:1])
    assert len(store.read_manifest(tmp_path)) == 3


def test_digests_that_agreed_in_eight_digits_have_two_folders(tmp_path: Path) -> None:
    """The old folder was named by eight digits: two such digests are found by birthday search."""
    one, other = "0123abcd" + "0" * 56, "0123abcd" + "f" * 56
    made = [a_result("v.mp4", digest, [0.5], [1.0]) for digest in (one, other)]
    folders = [store.result_folder(tmp_path, result).name for result in made]
    assert folders == [folder_name("v.mp4", one), folder_name("v.mp4", other)]
    assert len(set(folders)) == 2
    assert all(len(folder.rpartition("-")[2]) == 16 for folder in folders)
    # Nor does a name that ends like a digest make another video's key.
    assert store.result_folder(tmp_path, a_result("v", one, [0.5], [1.0])).name not in folders


LINE: Mapping[str, Any] = {
    "name": "a.mp4",
    "digest": DIGESTS[0],
    "status": "done",
    "duration": 1.6,
    "segments": 1,
    "events": 0,
    "gaps": 0,
    "peak": 0.5,
    "margin": -0.5,
    "reason": None,
    "folder": "a-0123456789abcdef",
}
WRONG = {
    "name": [None, 3, ["a"]],
    "digest": ["ab", "AB" * 32, 3],
    "status": [None, 3],
    "duration": [-1.0, math.inf, math.nan, "1.6", None],
    "segments": [-1, 1.5, "1", None],
    "events": [-1, 0.5, None],
    "gaps": [-1, [], None],
    "peak": [math.inf, math.nan, "0.5", []],
    "margin": [math.inf, math.nan, "0.5", {}],
    "reason": [3],
    "folder": ["../x", "a/b", "/etc", "..", ".", "", 3],
}


@pytest.mark.parametrize(("key", "value"), [(key, one) for key in WRONG for one in WRONG[key]])
def test_a_line_with_a_wrong_value_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / store.MANIFEST
    path.write_text(json.dumps(LINE) + "\n")
    assert len(store.read_manifest(tmp_path)) == 1
    path.write_text(json.dumps({**LINE, key: value}) + "\n")
    with pytest.raises(StoreError, match=r"manifest\.jsonl: not a valid manifest: .*delete it"):
        store.read_manifest(tmp_path)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*LINE, "more"]), st.none() | st.text() | st.integers()))
def test_any_line_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, line: Any) -> None:
    out = tmp_path_factory.getbasetemp()
    (out / store.MANIFEST).write_text(json.dumps({**LINE, **line}) + "\n")
    with suppress(StoreError):
        store.read_manifest(out)


def test_a_lost_key_is_named(tmp_path: Path) -> None:
    for key in LINE:
        (tmp_path / store.MANIFEST).write_text(
            json.dumps({name: value for name, value in LINE.items() if name != key}) + "\n"
        )
        with pytest.raises(StoreError, match=key):
            store.read_manifest(tmp_path)
