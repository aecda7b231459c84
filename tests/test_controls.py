"""Controls of a video: measured on what the model gets, kept with its states, joined over spans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support import fake_backbone
from tests.support.numbered_videos import noisy, steady, write

from hiprobe import pipeline, store, video
from hiprobe.errors import StoreError
from hiprobe.scale import spans
from hiprobe.types import Controls, HiddenStates, VideoFacts
from hiprobe.video.sampling import Span

MODEL, SITES = fake_backbone.load(), fake_backbone.constant_probe().sites
RECIPE = replace(fake_backbone.RECIPE, frames=4, size=(24, 40))
MEASURED = ("motion", "motion_p95", "brightness")


def states(path: str | Path, kept: Path | None = None) -> HiddenStates:
    return pipeline.states(path, MODEL, SITES, recipe=RECIPE, store=kept)


def by_hand(path: str | Path) -> list[list[float]]:
    """Motion, its percentile and brightness of each segment, by sorting instead of counting."""
    found = []
    for segment in video.segments(path, RECIPE):
        steps = np.abs(np.diff(segment.frames.astype(np.int64), axis=0))
        ordered = np.sort(steps.ravel())
        top = ordered[int(np.ceil(0.95 * len(ordered))) - 1]
        found.append([steps.mean(), top, segment.frames.astype(np.float64).mean()])
    return found


def measured(found: HiddenStates) -> np.ndarray:
    assert found.controls is not None
    return np.stack([getattr(found.controls, name) for name in MEASURED], 1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise that stands still for five seconds, then moves."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write(path, steady(110, 10), rate=10, pictures=lambda index: noisy(max(index, 50)))


def test_motion_and_brightness_are_those_of_the_frames_that_the_model_gets(clip: Path) -> None:
    found = measured(states(clip))
    np.testing.assert_allclose(found, by_hand(clip), rtol=1e-12)
    assert found[1, 0] < 2 < 20 < found[-2, 0]  # still, then moving
    assert len(set(found[:, 1])) > 1


def test_a_file_says_its_size_codec_and_bytes(clip: Path, tmp_path: Path) -> None:
    found = states(clip).controls
    assert found is not None
    assert found.facts == VideoFacts("h264", 64, 64, clip.stat().st_size)
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(20):
        Image.fromarray(noisy(index)[:48]).save(folder / f"{index}.png")
    pictures = states(f"{folder}@5fps").controls
    size = sum(one.stat().st_size for one in folder.iterdir())
    assert pictures is not None
    assert pictures.facts == VideoFacts("png", 64, 48, size)


def test_the_size_is_that_on_a_screen(tmp_path: Path) -> None:
    """Pixels twice as wide as high: 64 x 64 stored pixels are shown as 128 x 64."""
    from fractions import Fraction

    def wide(stream: object) -> None:
        stream.sample_aspect_ratio = Fraction(2, 1)  # type: ignore[attr-defined]

    path = write(tmp_path / "wide.mp4", steady(20, 10), rate=10, pictures=noisy, setup=wide)
    found = states(path).controls
    assert found is not None
    assert (found.facts.width, found.facts.height) == (128, 64)
    assert (video.info(path).width, video.info(path).height) == (128, 64)


def test_controls_are_kept_and_read_without_the_video(clip: Path, tmp_path: Path) -> None:
    first = states(clip, tmp_path)
    read = fake_backbone.load()
    read.read = None  # type: ignore[assignment,method-assign]
    again = pipeline.states(clip, read, SITES, recipe=RECIPE, store=tmp_path)
    assert np.array_equal(measured(first), measured(again))
    assert first.controls is not None
    assert again.controls is not None
    assert first.controls.facts == again.controls.facts


def test_controls_of_spans_join_to_those_of_the_video(clip: Path, tmp_path: Path) -> None:
    plan = (Span(0, 3), Span(3, None))
    parts = [spans.read_span(clip, "0" * 64, MODEL, SITES, RECIPE, span) for span in plan]
    for span, part in zip(plan, parts, strict=True):
        spans.save_span(tmp_path, span, part, "float32")
    kept = [spans.find_span(tmp_path, s, "0" * 64, RECIPE, SITES, "float32") for s in plan]
    joined, whole = spans.join_states([part for part in kept if part]), states(clip)
    assert np.array_equal(measured(joined), measured(whole))
    assert joined.controls is not None
    assert whole.controls is not None
    assert joined.controls.facts == whole.controls.facts
    first = parts[0].states
    assert first is not None
    unknown = replace(parts[0], states=replace(first, controls=None))
    assert spans.join_states([unknown, parts[1]]).controls is None


def test_a_repeated_segment_has_the_controls_of_the_one_it_repeats(tmp_path: Path) -> None:
    path = tmp_path / "still.y4m"
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W32 H32 F10:1 Ip A1:1 C420jpeg\n")
        for _ in range(48):
            file.write(b"FRAME\n" + bytes([90]) * 1024 + bytes([128]) * 512)
    found = states(path)
    assert found.sources == ("read", "repeated", "repeated")
    assert measured(found).tolist() == [[0.0, 0.0, measured(found)[0, 2]]] * 3
    assert 80 < measured(found)[0, 2] < 95


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"motion": np.full(7, np.nan)}, "pixel value must be a number from 0 to 255"),
        ({"brightness": np.full(7, 256.0)}, "pixel value must be"),
        ({"motion": np.zeros(2)}, "must have one length"),
    ],
)
def test_controls_that_cannot_be_true_are_refused(
    clip: Path, tmp_path: Path, change: dict[str, np.ndarray], words: str
) -> None:
    from safetensors.numpy import load, save

    states(clip, tmp_path)
    (path,) = store.state_files(tmp_path)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    import json

    header = json.loads(data[8 : 8 + length])["__metadata__"]
    path.write_bytes(save({**load(data), **change}, header))
    with pytest.raises(StoreError, match=words):
        store.load_states(path)


def test_states_of_an_earlier_version_are_refused_by_name(clip: Path, tmp_path: Path) -> None:
    states(clip, tmp_path)
    (path,) = store.state_files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"hiprobe.states/3", b"hiprobe.states/2"))
    with pytest.raises(StoreError, match=r"states/3.*got 'hiprobe.states/2'.*extract again") as got:
        states(clip, tmp_path)
    assert str(path) in str(got.value)


def test_states_need_as_many_controls_as_segments(clip: Path) -> None:
    found = states(clip)
    assert found.controls is not None
    short = Controls(found.controls.facts, *(np.zeros(2) for _ in MEASURED))
    with pytest.raises(ValueError, match="7 segments need as many controls"):
        replace(found, controls=short)
