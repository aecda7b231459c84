"""The experiment on real clips: views, splits by source, controls, and the command as a whole."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experiments.real_footage_clips import SIX, VIEWS, Clips, load_clips
from experiments.real_footage_figures import (
    Sample,
    as_interval,
    cross_validated,
    draw_labelled,
    few_labels,
    of_layers,
    of_values,
    other_sources,
    zero_shot,
)
from experiments.real_footage_trivial import FILE, PIXELS, together, trivial_features
from tests.support.numbered_videos import encode

from experiments import real_footage, real_footage_figures
from experiments import real_footage_alarms as alarms
from hiprobe import video
from hiprobe.errors import LabelError
from hiprobe.types import Recipe, VideoFacts

RECIPE = Recipe("test", ("What happens?",), frames=4, size=(4, 6))


def picture(moving: bool, index: int) -> np.ndarray:
    """A picture of 64 x 64 pixels whose left half changes if it is moving."""
    made = np.full((64, 64, 3), 90, np.uint8)
    if moving:
        blocks = np.random.default_rng(index).integers(0, 255, (4, 2, 3), dtype=np.uint8)
        made[:, :32] = blocks.repeat(16, 0).repeat(16, 1)
    return made


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of 0.8 s, one fight and one normal clip of each of four sources."""
    folder = tmp_path_factory.mktemp("clips")
    lines = ["path,label,group"]
    for number in range(8):
        name, moving = f"{number}.mp4", number % 2 == 0
        times = [index / 10 for index in range(8 + (number == 0) * 10)]

        def drawn(index: int, seed: int = 100 * number, moving: bool = moving) -> np.ndarray:
            return picture(moving, seed + index)

        encode(folder / name, times, pictures=drawn, rate=10)
        lines.append(f"{name},{'fight' if moving else 'normal'},source{number // 2}")
    (folder / "groups.csv").write_text("\n".join(lines) + "\n")
    return folder / "groups.csv"


@pytest.fixture
def sample() -> Sample:
    """Forty clips of ten sources, with one to three segments each."""
    labels = np.arange(40) % 2
    return Sample(labels, np.arange(40) // 4, np.repeat(np.arange(40), 1 + np.arange(40) % 3))


def test_clips_are_decoded_once_and_as_the_product_does(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_clips(table, RECIPE, tmp_path)
    expected = list(video.segments(table.parent / "0.mp4", RECIPE))
    assert [len(expected), *np.bincount(first.clip)] == [2, 2, 1, 1, 1, 1, 1, 1, 1]
    for number, segment in enumerate(expected):
        assert np.array_equal(first.frames[number], segment.frames)
        again = first.segments("whole")[number]
        assert (again.start, again.end, again.index) == (segment.start, segment.end, number)
    monkeypatch.setattr(video, "segments", None)
    second = load_clips(table, RECIPE, tmp_path)
    assert np.array_equal(second.double, first.double)
    assert second.labels.tolist() == [1, 0] * 4
    assert second.source.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(TypeError):
        load_clips(table, replace(RECIPE, frames=5), tmp_path)


def test_a_clip_needs_a_source(tmp_path: Path, table: Path) -> None:
    bare = table.with_name("bare.csv")
    bare.write_text("path,label\n0.mp4,fight\n")
    with pytest.raises(LabelError, match="group of its source"):
        load_clips(bare, RECIPE, tmp_path)


def test_views_are_parts_of_the_picture_of_twice_the_size(table: Path, tmp_path: Path) -> None:
    clips = load_clips(table, RECIPE, tmp_path)
    double = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12)
    clips = replace(clips, double=np.broadcast_to(double[:, :, None], (*clips.double.shape[:4], 3)))
    shown = {name: clips.view(name)[0, 0, :, :, 0] for name in VIEWS}
    assert np.array_equal(shown["bottom left"], double[4:, :6])
    assert np.array_equal(shown["centre"], double[2:6, 3:9])
    assert np.array_equal(shown["right half"][0], double[0, 6:] + 6)  # rows differ by 12
    assert {one.shape for one in shown.values()} == {(4, 6)}


def test_trivial_features_tell_motion(table: Path, tmp_path: Path) -> None:
    clips = load_clips(table, RECIPE, tmp_path)
    found = trivial_features(clips)
    moving = clips.labels[clips.clip] == 1
    share = found["share of moving pixels"][:, 0]
    assert share[moving].min() > 0.1 > 0.01 > share[~moving].max()
    assert "resolution" not in found  # it is equal in all clips
    assert "codec" not in found
    assert together(found, PIXELS + FILE).shape == (len(clips.clip), len(found))


def test_a_clip_has_the_mean_score_and_views_are_joined(sample: Sample) -> None:
    rng = np.random.default_rng(0)
    odds = {view: rng.normal(size=len(sample.clip)) for view in SIX}
    odds["centre"] += 4.0 * sample.of_segments
    assert sample.by_clip(np.arange(len(sample.clip)))[:3].tolist() == [0.0, 1.5, 4.0]
    one, six = zero_shot(sample, odds, SIX[:1]), zero_shot(sample, odds, SIX)
    assert list(one) == [""]
    assert one[""][0] < 0.75 < six["mean"][0] < six["max"][0] + 0.2
    low, high = as_interval(six["mean"])[1:]
    assert low <= six["mean"][0] <= high
    assert len(six["mean"]) == 1 + real_footage_figures.DRAWS


def test_no_source_is_on_both_sides(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = sample.source[sample.clip]
    fit = real_footage_figures.logistic.fit
    seen: list[set[int]] = []

    def watched(values: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(set(values[:, 0, 0].astype(int).tolist()))
        return fit(values, labels)

    monkeypatch.setattr(real_footage_figures.logistic, "fit", watched)
    values = np.stack([groups, sample.of_segments * 3.0], 1).astype(float)
    assert cross_validated(sample, values, 1)[0] > 0.99
    assert [len(one) for one in seen] == [8] * 5
    assert all(sum(group in one for one in seen) == 4 for group in range(10))


def test_labelled_clips_are_tested_on_other_sources(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_footage_figures, "LABELLED", 3)
    labelled = draw_labelled(sample, 0)
    assert np.bincount(sample.labels[labelled]).tolist() == [3, 3]
    tested = other_sources(sample, labelled)
    assert not set(sample.source[labelled]) & set(sample.source[tested])
    states = np.random.default_rng(0).normal(size=(len(sample.clip), 3, 4)).astype(np.float32)
    states[:, 1] += 6.0 * sample.of_segments[:, None]
    scorers = of_layers(sample, states) | {"noise": of_values(sample, states[:, 0].astype(float))}
    found = {name: np.mean(one, 0)[0] for name, one in few_labels(sample, scorers, 5).items()}
    chosen, last, mean = (found[name] for name in real_footage_figures.LAYERS)
    assert chosen > 0.99
    assert mean > 0.9
    assert max(last, found["noise"]) < 0.75
    assert list(of_layers(sample, states, every=False)) == list(real_footage_figures.LAYERS[:2])


def test_clips_to_describe_are_spread_over_sources(sample: Sample) -> None:
    drawn = alarms.draw_over_sources(sample.source, 25)
    assert len(set(drawn)) == 25
    for first in (0, 10):  # each source once, then each a second time
        assert sorted(sample.source[drawn[first : first + 10]]) == list(range(10))
    assert len(alarms.draw_over_sources(sample.source, 99)) == 40


def test_share_of_clips_with_an_event(sample: Sample) -> None:
    alarm = (np.arange(40) % 4) == 1
    assert alarms.share(sample, alarm, 0).mean == 0.0
    assert alarms.share(sample, alarm, 1) == (0.5, 0.5, 0.5)
    assert math.isclose(alarms.rate_bound(0, 3600.0), 3.0, rel_tol=1e-2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer draws, seeds and labelled clips, so that eight clips are enough."""
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)  # other tests share it
    for name, value in (("DRAWS", 20), ("LABELLED", 1), ("REPEATS", 1)):
        monkeypatch.setattr(real_footage_figures, name, value)
    monkeypatch.setattr(real_footage, "SIZES", (1, 2))
    monkeypatch.setattr(real_footage, "RANDOM_SEEDS", (0,))


@pytest.mark.usefixtures("small")
def test_the_command_prints_a_page_and_one_line_a_model(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out = tmp_path / "store", tmp_path / "all.json"
    both = [str(table), "--store", str(store)]
    normal = tmp_path / "normal"
    normal.mkdir()
    (normal / "a.mp4").write_bytes((table.parent / "1.mp4").read_bytes())
    more = ["--captions", "2", "--normal", str(normal), "--json", str(out)]
    real_footage.main([*both, *more])
    page, found = capsys.readouterr().out, json.loads(out.read_text())
    assert page.startswith("# The model `embedded` on real clips")
    assert "4 clips with fights and 4 without, of 4 source" in page
    assert [len(found["layers"]), len(found["random"]["layers"])] == [8, 8]
    assert [row["views"] for row in found["zero_shot"]] == ["1", "6", "6", "3", "3"]
    assert found["trivial"]["share of moving pixels"]["value"] == 1.0
    assert found["alarms"]["videos"][0]["name"] == "a.mp4"
    assert len(found["captions"]) == 2
    readings = sorted(one.name for one in store.glob("readings/*/*.npz"))
    real_footage.main([*both, "--quick", "embedded"])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("embedded: asked ")
    assert "six views" in first
    assert not rest
    assert len(list(store.glob("readings/*/*.npz"))) == len(readings) + len(SIX)


def test_a_probe_of_another_model_is_not_measured(
    table: Path, tmp_path: Path, sample: Sample
) -> None:
    model = real_footage.load_model(str(real_footage.random_weights("embedded", 5, tmp_path)))
    given = real_footage.parser().parse_args([str(table)])
    assert "of another model" in real_footage.alarms_of(given, model, sample)["reason"]


def test_random_weights_follow_the_seed(tmp_path: Path) -> None:
    one, other = (real_footage.random_weights("embedded", seed, tmp_path) for seed in (0, 1))
    again = real_footage.random_weights("embedded", 0, tmp_path / "again")
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, other, again)]
    assert weights[0] == weights[2] != weights[1]


def test_facts_are_kept_beside_frames(table: Path, tmp_path: Path) -> None:
    clips: Clips = load_clips(table, RECIPE, tmp_path)
    size = (table.parent / "3.mp4").stat().st_size
    assert clips.facts[3] == VideoFacts("h264", 64, 64, size)
    assert math.isclose(clips.durations[3], 0.8, abs_tol=1e-6)
