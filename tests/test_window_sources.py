"""No pixels are read twice in a row: a repeated window takes the states of the one before it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.fake_backbone import RECIPE, MeanColourBackbone, constant_probe

from hiprobe import backbones, pipeline, report, store, video
from hiprobe.errors import StoreError
from hiprobe.scale import spans
from hiprobe.store import results
from hiprobe.types import HiddenStates, Recipe, Segment, Site
from hiprobe.video.joining import can_join
from hiprobe.video.sampling import Span

SITES = constant_probe().sites


class Counting(MeanColourBackbone):
    """Counts the windows that it is given."""

    def __init__(self, reads_times: tuple[str, ...] = ()) -> None:
        self.reads_times, self.count = reads_times, 0

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        self.count += len(segments)
        return super().read(segments, sites, recipe)


def y4m(path: Path, frames: int, grey: Callable[[int], int], fps: str = "10:1") -> Path:
    """Write uncompressed frames, so that equal pictures are equal in every bit."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W32 H32 F{fps} Ip A1:1 C420jpeg\n".encode())
        for index in range(frames):
            file.write(b"FRAME\n" + bytes([grey(index)]) * 1024 + bytes([128]) * 512)
    return path


def still(path: Path, seconds: int, fps: str = "10:1") -> Path:
    return y4m(path, round(seconds * 10), lambda _: 90, fps)


def states(path: Path, model: MeanColourBackbone) -> HiddenStates:
    return pipeline.states(path, model, SITES)


def test_a_still_picture_of_a_minute_is_read_once(tmp_path: Path) -> None:
    model = Counting()
    result = pipeline.detect(still(tmp_path / "a.y4m", 60), model, constant_probe(), explain=False)
    assert result.scores is not None
    assert model.count == 1
    assert result.scores.sources == ("read", *["repeated"] * 37)
    assert len(set(result.scores.raw.view(np.int64).tolist())) == 1
    assert result.status == "done"


def test_a_picture_that_moves_is_read_at_each_change(tmp_path: Path) -> None:
    """Changes at 8 s and at 16.8 s (inside a window): five windows, five, one of both, the rest."""
    grey = [90] * 80 + [120] * 88 + [90] * 72
    path, model = y4m(tmp_path / "a.y4m", 240, grey.__getitem__), Counting()
    found = states(path, model)
    read = [place for place, source in enumerate(found.sources) if source == "read"]
    assert read == [0, 5, 10, 11]
    assert model.count == len(read)
    whole = [model.read([one], SITES)[0] for one in video.segments(path, RECIPE)]
    assert np.array_equal(found.values, np.array(whole))


def test_times_count_if_the_model_gets_them(tmp_path: Path) -> None:
    """At 29.97 frames a second the frames of each window come at other times from its start."""
    path = still(tmp_path / "a.y4m", 30, "30000:1001")  # 300 frames: 10.01 s, 7 windows
    counts = {}
    for reads_times in ((), ("length",), ("moments",), ("length", "moments")):
        model = Counting(reads_times)
        states(path, model)
        counts[reads_times] = model.count
    assert counts[()] == 1
    assert counts["length",] == 2  # the last window is shorter
    assert counts["length", "moments"] >= counts["moments",] > 3


def test_a_model_that_says_nothing_is_taken_to_get_times(tmp_path: Path) -> None:
    members = {name: getattr(Counting(), name) for name in backbones.MEMBERS}
    silent = cast(MeanColourBackbone, SimpleNamespace(**members))
    found = states(still(tmp_path / "a.y4m", 60), silent)
    assert found.sources == ("read", *["repeated"] * 36, "read")  # the last window is shorter


PLANS = [
    (Span(0, 8), Span(8, 16), Span(24, None)),
    (Span(0, 8), Span(8, 8), Span(16, 8), Span(24, None)),
]


@pytest.mark.parametrize("plan", PLANS, ids=len)
@pytest.mark.parametrize("grey", [lambda _: 90, lambda n: 90 + n // 300, lambda n: 90 + n // 128])
def test_spans_join_to_the_same_bits_and_sources(
    tmp_path: Path, plan: Sequence[Span], grey: Callable[[int], int]
) -> None:
    path = remuxed(y4m(tmp_path / "a.y4m", 600, grey), tmp_path / "a.mkv")
    one, several = Counting(), Counting()
    whole = states(path, one)
    parts = [spans.read_span(path, whole.video_id, several, SITES, RECIPE, span) for span in plan]
    kept = [keep(tmp_path / "store", span, part) for span, part in zip(plan, parts, strict=True)]
    assert can_join([part.seam for part in kept])
    joined = spans.join_states(kept)
    assert joined.sources == whole.sources
    assert joined.values.tobytes() == whole.values.tobytes()
    assert several.count == one.count < 10


def keep(folder: Path, span: Span, part: spans.SpanStates) -> spans.SpanStates:
    """Store a span as a worker does, and read it back."""
    assert part.states is not None
    spans.save_span(folder, span, part, "float32")
    known = part.states.video_id, part.states.recipe
    found = spans.find_span(folder, span, *known, SITES, "float32")
    assert found is not None
    return found


def remuxed(path: Path, to: Path) -> Path:
    """Encode without loss in a container in which one can seek."""
    import av

    with av.open(str(path)) as given, av.open(str(to), "w") as output:
        stream = output.add_stream("ffv1", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for frame in given.decode(video=0):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return to


def test_sources_are_stored_and_shown(tmp_path: Path) -> None:
    path = still(tmp_path / "a.y4m", 8)
    pipeline.detect(path, Counting(), constant_probe(), explain=False, store=tmp_path / "s")
    (file,) = store.state_files(tmp_path / "s")
    sources = ("read", *["repeated"] * 4)
    assert store.load_states(file).sources == sources
    model = Counting()
    again = pipeline.detect(path, model, constant_probe(), explain=False, store=tmp_path / "s")
    assert model.count == 0
    report.report_video(again, tmp_path / "out")
    results.save_result(tmp_path / "out", again, {})
    loaded = results.read_result(tmp_path / "out")
    assert loaded.scores is not None
    assert loaded.scores.sources == sources
    assert json.loads((tmp_path / "out" / results.NAME).read_text())["windows"] == {
        "read": 1,
        "repeated": 4,
        "refined": 0,
        "verified": 0,
    }
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").open()))
    assert tuple(row["source"] for row in rows) == sources


@pytest.mark.parametrize("change", [["read"], ["read"] * 4 + ["guessed"], ["read"] * 4 + [3]])
def test_other_sources_are_refused(tmp_path: Path, change: list[object]) -> None:
    path = still(tmp_path / "a.y4m", 8)
    result = pipeline.detect(path, Counting(), constant_probe(), explain=False)
    results.save_result(tmp_path, result, {})
    values = json.loads((tmp_path / results.NAME).read_text())
    values["scores"]["sources"] = change
    (tmp_path / results.NAME).write_text(json.dumps(values))
    with pytest.raises(StoreError, match="sources"):
        results.read_result(tmp_path)


def test_the_embedded_model_reads_a_still_picture_once(tmp_path: Path) -> None:
    model = backbones.load("embedded", device="cpu", max_layer=1)
    recipe = replace(model.recipe, size=(32, 32))
    sites = (Site("residual", 1),)
    path = y4m(tmp_path / "a.y4m", 128, lambda n: 90 if n < 64 else 120)
    found = pipeline.states(path, model, sites, recipe=recipe)
    assert [place for place, one in enumerate(found.sources) if one == "read"] == [0, 4]
    assert len({row.tobytes() for row in found.values}) == 2
    alone = model.read([next(video.segments(path, recipe))], sites, recipe)
    assert np.allclose(found.values[3], alone[0], atol=1e-5)
