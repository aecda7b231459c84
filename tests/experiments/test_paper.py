"""The paper's experiments on tiny stand-ins of both data sets: figures, resuming, and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiments.paper import Run, arguments, run, sources
from experiments.paper_reading import FIGURES
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from tests.support.fake_backbone import MeanColourBackbone
from tests.support.numbered_videos import encode

from experiments import paper, paper_parts, paper_reading, stand_ins
from hiprobe import datasets, video
from hiprobe.errors import LabelError
from hiprobe.evaluation import DrawSummary
from hiprobe.evaluation.benchmark import Benchmark
from hiprobe.evaluation.draws import evaluate_draws
from hiprobe.metrics import draw_videos
from hiprobe.pipeline import Reading
from hiprobe.types import Recipe, Segment, Site

DRAWS, SECONDS, SIZES, RESAMPLES = 2, 4.8, (8, 4), 20


class ThreeLayers(MeanColourBackbone):
    """A backbone whose layers are three statistics of the picture; it counts what it reads.

    Its heads cannot be read. `left` is the number of calls before it is interrupted, as by Ctrl-C.
    """

    head_layers = ()

    def __init__(self, left: int | None = None) -> None:
        self.segments, self.left = 0, left

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        if self.left is not None and segments:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
        self.segments += len(segments)
        frames = (
            np.stack([one.frames for one in segments]) if segments else np.empty((0, 2, 8, 8, 3))
        )
        made = frames[:, :, :8, :8].mean((1, 2, 3)), frames.mean((1, 2, 3)), frames.std((1, 2, 3))
        return np.stack([made[site.layer] for site in sites], axis=1).astype(np.float32)


def small(one: stand_ins.StandIn, path: Path) -> None:
    """Write a video of noise whose middle is brighter during an event."""
    rng = np.random.default_rng(one.plan.seed)
    shade, noise = int(rng.integers(60, 100)), rng.integers(0, 30, (one.frames, 3))
    spans = one.spans

    def picture(index: int) -> NDArray[np.uint8]:
        made = np.full((32, 32, 3), shade, np.uint8)
        made[4:28, 4:28] += noise[index].astype(np.uint8)
        if any(start <= index < end for start, end in spans):
            made[8:24, 8:24] += 25
        return made

    times = [index / one.rate for index in range(one.frames)]
    encode(path, times, pictures=picture, rate=one.rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both data sets, with eight training and four test videos of 4.8 s each."""
    made = tmp_path_factory.mktemp("stand_ins")
    stand_ins.make(made, SIZES, small, SECONDS)
    return made


def asked(folder: Path, out: Path, *more: str, sets: Sequence[str] = ("ucf", "xd")) -> Any:
    roots = [text for one in sets for text in (f"--{one}", str(folder / one))]
    return arguments([*roots, "--share", "50%", "--draws", str(DRAWS), "-o", str(out), *more])


def measure(
    folder: Path, out: Path, model: ThreeLayers, *more: str, sets: Sequence[str] = ("ucf", "xd")
) -> Run:
    given = asked(folder, out, *more, sets=sets)
    made = Run(given, model, sources(given, model))
    run(made)
    return made


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A finished run of everything but the slow MLP."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper_reading, "RESAMPLES", RESAMPLES)
        fast = {name: title for name, title in paper_parts.SCORERS.items() if name != "mlp"}
        patch.setattr(paper_parts, "SCORERS", fast)
        out = tmp_path_factory.mktemp("out")
        more = ("--method", "output_layer", "--prompt", "Is it?", "--prompt", "What is it?")
        yield measure(folder, out, ThreeLayers(), *more)


def test_stand_ins_are_read_by_the_loaders_as_they_were_made(folder: Path, done: Run) -> None:
    for name, short in (("ucf_crime", "ucf"), ("xd_violence", "xd")):
        truth = datasets.truth(name, folder / short)
        made = stand_ins.videos(short, "test", SIZES[1], SECONDS)
        assert len(truth) == len(made)
        for one in made:
            labels = truth[datasets.annotation_name(one.place)]
            spans = [(a, b) for a, b in one.spans]
            expected = np.zeros(one.frames, np.uint8)
            for start, end in spans:
                expected[start:end] = 1
            assert np.array_equal(labels, expected)
            path = folder / short / "videos" / one.place
            assert len(video.frame_times(path)) == one.frames
        train = list(datasets.load(name, folder / short, "train"))
        assert [bool(one.events) for one in train].count(True) == SIZES[0] // 2


def test_figures_are_those_of_evaluate(folder: Path, done: Run, tmp_path: Path) -> None:
    bench = Benchmark("xd_violence", folder / "xd")
    reading = Reading(ThreeLayers(), tmp_path)
    made = evaluate_draws(bench, reading, "hiprobe_c1", draws=DRAWS, share=0.5, seed=0).report
    assert isinstance(made, DrawSummary)
    found = done.measured["xd_violence"].parts["smoothing"]["sigma_1"]
    for number, report in enumerate(made.reports):
        row = report.rows[0]
        expected = (*row.pooled[:3], row.macro_auc)
        assert found[number, :, 0] == pytest.approx(expected, abs=1e-9)
    layers = [one["sites"] for one in made.draws]
    assert layers == [f"residual/layer{site}/prompt0" for site in done.data["xd_violence"].sites]


def test_transfer_is_what_scikit_learn_computes(folder: Path, done: Run) -> None:
    test, found = done.data["ucf_crime"].test, done.measured["ucf_crime"].parts["transfer"]
    truth = datasets.truth("ucf_crime", folder / "ucf")
    for draw, some in enumerate(done.data["xd_violence"].draws):
        x = np.concatenate([one.values[:, 2] for one in some.states]).astype(float)
        y = np.concatenate(
            [[int(bad)] * len(s.starts) for bad, s in zip(some.abnormal, some.states, strict=True)]
        )
        scale = StandardScaler().fit(x)
        model = LogisticRegression(
            solver="liblinear", C=1.0, class_weight="balanced", max_iter=2000
        )
        model.fit(scale.transform(x), y)
        scored, labels = [], []
        for name, states in zip(truth, test.footage.states, strict=True):
            p = model.predict_proba(scale.transform(states.values[:, 2].astype(float)))[:, 1]
            place = np.arange(len(p))
            weights = np.exp(-((place[:, None] - place) ** 2) / (2 * 1.5**2))
            frames = (np.arange(len(truth[name])) / 30 + 1e-6) // 1.6
            scored.append((weights @ p / weights.sum(1))[frames.astype(int)])
            labels.append(truth[name])
        flat, score = np.concatenate(labels), np.concatenate(scored)
        assert found["transfer_last"][draw, 0, 0] == pytest.approx(roc_auc_score(flat, score))
        expected = average_precision_score(flat, score)
        assert found["transfer_last"][draw, 1, 0] == pytest.approx(expected)


def test_a_bootstrap_column_is_that_of_the_drawn_videos(done: Run) -> None:
    test = done.data["xd_violence"].test
    scores = np.arange(len(test.footage.y)) % 7 / 7.0
    found, counts = test.figures(scores), draw_videos(len(test.labels), RESAMPLES, 0)
    assert found.shape == (len(FIGURES), 1 + RESAMPLES)
    pairs = test.frames(scores)
    for column in range(5):
        drawn = [pairs[i] for i, count in enumerate(counts[column]) for _ in range(count)]
        labels, values = (np.concatenate(part) for part in zip(*drawn, strict=True))
        if len(np.unique(labels)) == 2:
            assert found[0, 1 + column] == pytest.approx(roc_auc_score(labels, values))
            within = [roc_auc_score(*pair) for pair in drawn if len(np.unique(pair[0])) == 2]
            assert found[3, 1 + column] == pytest.approx(np.mean(within))


def test_rows_differ_in_one_thing_only(done: Run) -> None:
    one = done.measured["ucf_crime"]
    auc = one.curves("auc")
    same = np.asarray(one.parts["smoothing"]["sigma_1.5"])[:, 0]
    assert np.array_equal(auc["dlsp"], same, equal_nan=True)
    last = np.asarray(one.parts["layers"]["layers"])[:, 2, 0]
    assert np.array_equal(auc["last"], last, equal_nan=True)
    assert auc["best"][:, 0].mean() >= max(auc[rule][:, 0].mean() for rule in ("dlsp", "last"))
    for wording in ("prompt_0", "prompt_1"):  # this model reads the same whatever is asked
        assert np.array_equal(auc["dlsp"], auc[wording], equal_nan=True)
    data = done.data["ucf_crime"]
    assert [len(some) for some in data.draws] == [4, 4]
    assert [int(some.abnormal.sum()) for some in data.draws] == [2, 2]
    halves = [paper_parts.halved(some, seed) for seed, some in enumerate(data.draws)]
    assert [[len(one), int(one.abnormal.sum())] for one in halves] == [[2, 1], [2, 1]]


def _fail(*_: Any) -> None:
    raise AssertionError("this was computed before")


def test_an_interrupted_run_goes_on_without_reading_twice(
    folder: Path, done: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "PARTS", ("without_model",))
    monkeypatch.setattr(paper_reading, "RESAMPLES", RESAMPLES)

    def go_on(model: ThreeLayers) -> Run:
        return measure(folder, tmp_path, model, sets=("xd",))

    killed, rest, idle = ThreeLayers(left=9), ThreeLayers(), ThreeLayers(left=0)
    with pytest.raises(KeyboardInterrupt):
        go_on(killed)
    again = go_on(rest)
    data = again.data["xd_violence"]
    segments = len(data.every.y) + len(data.test.footage.y)
    assert killed.segments > 0
    assert killed.segments + rest.segments == segments + len(data.every)  # and whole videos
    for part in ("units", "without_model"):  # nothing is computed again either
        monkeypatch.setattr(paper_parts, part, _fail)
    assert go_on(idle).tables() == again.tables()
    assert idle.segments == 0
    for part in ("units", "without_model"):
        expected = done.measured["xd_violence"].parts[part]
        found = again.measured["xd_violence"].parts[part]
        assert all(np.array_equal(found[k], expected[k], equal_nan=True) for k in expected)


def test_the_page_says_what_it_is_and_what_is_missing(done: Run) -> None:
    out = done.given.out
    page, values = (
        (out / "paper.md").read_text("utf-8"),
        json.loads((out / "paper.json").read_text()),
    )
    assert page.startswith("# The paper's experiments on RENDERED STAND-INS")
    assert all("RENDERED STAND-INS" in table["title"] for table in values["tables"])
    rows = {row[0]: row for row in values["tables"][0]["rows"]}
    assert rows["scorer: MLP with 64 hidden units"][1:4] == [
        "87.25 c",
        "not measured",
        "",
    ]
    first = next(iter(rows.values()))
    assert first[1] == "86.72 a"
    assert first[4] == "82.15 a"
    mean = 100 * done.measured["ucf_crime"].curves("auc")["dlsp"][:, 0].mean()
    assert first[2].startswith(f"{mean:.2f} [")
    assert rows["`--method output_layer`"][2] != "not measured"
    for words in ("87.03 may be one of them", "What is not in it", "body could not be had"):
        assert words in page


def test_a_method_that_cannot_be_read_is_named_with_its_reason(
    folder: Path, done: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "PARTS", ())
    store = ["--store", str(done.given.store), "--method", "head_vote"]
    made = measure(folder, tmp_path, ThreeLayers(), *store)
    assert "head_vote" in made.measured["ucf_crime"].lost
    assert "### Not measured" in (tmp_path / "paper.md").read_text("utf-8")


def test_a_folder_of_test_videos_is_asked_for_where_frames_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "xd").mkdir()
    given = arguments(["--xd", str(tmp_path / "xd"), "-o", str(tmp_path / "out")])
    with pytest.raises(LabelError, match="give --xd-tests"):
        sources(given, ThreeLayers())


def test_a_missing_video_is_refused_or_counted(folder: Path, done: Run, tmp_path: Path) -> None:
    given = asked(folder, tmp_path, "--store", str(done.given.store))
    source = sources(given, ThreeLayers())["xd_violence"]
    path = next((folder / "xd" / "videos" / "test").glob("*_label_A.mp4"))
    path.rename(tmp_path / path.name)
    try:
        with pytest.raises(LabelError, match="1 of 4 test videos missing"):
            source.tested(done.plan())
        given.allow_missing = True
        left = sources(given, ThreeLayers())["xd_violence"].tested(done.plan())
        assert len(left.labels) == 3
        assert left.failed == (path.stem,)
    finally:
        (tmp_path / path.name).rename(path)
