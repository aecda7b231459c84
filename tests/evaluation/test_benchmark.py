"""`hiprobe evaluate` and `export` end to end with the embedded model on small folders."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as sk
from tests.conftest import Fitted

import hiprobe
from hiprobe import cli, datasets, embedded, store, video
from hiprobe.backbones import Backbone
from hiprobe.errors import LabelError, StoreError, UsageError
from hiprobe.evaluation import DrawSummary, Report, export, write_scores
from hiprobe.evaluation.benchmark import Benchmark, of_probe, of_scores
from hiprobe.evaluation.draws import draw, of_draws
from hiprobe.types import Event, Recipe, Segment, Site, Video

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store shared by the tests that do not check which videos are read."""
    return tmp_path_factory.mktemp("warm")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of embedded clips with a CSV of their true spans.

    Three clips of each class are for training and two others of each class for testing.
    """
    rows = list(csv.DictReader((embedded.CLIPS / "labels.csv").open()))
    names = {
        abnormal: sorted({row["path"] for row in rows if (row["label"] != "normal") == abnormal})
        for abnormal in (True, False)
    }
    folder, lines = tmp_path / "own", [["path", "label", "start", "end", "split"]]
    folder.mkdir()
    for some in names.values():
        for index, name in enumerate(some[4:9]):
            shutil.copy(embedded.CLIPS / name, folder)
            lines += [
                [
                    row["path"],
                    row["label"],
                    row["start"],
                    row["end"],
                    "train" if index < 3 else "test",
                ]
                for row in rows
                if row["path"] == name
            ]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


def relabel(folder: Path, *rows: str) -> None:
    """Add lines to the CSV."""
    with (folder / "labels.csv").open("a") as file:
        file.writelines(f"{row}\n" for row in rows)


@pytest.fixture
def ped(tmp_path: Path) -> Path:
    """UCSDped2 in its official layout: grey TIFF frames, three test clips of 20 to 24 frames.

    A bright block moves through the second half of each test clip.
    """
    part, rng = tmp_path / "UCSDped2", np.random.default_rng(0)
    lines = []
    for clip, count in (
        ("Train/Train001", 20),
        ("Test/Test001", 20),
        ("Test/Test002", 22),
        ("Test/Test003", 24),
    ):
        (part / clip).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(90, 110, (60, 90)).astype(np.uint8)
            if "Test" in clip and i >= count // 2:
                pixels[20:40, (7 * i) % 60 : (7 * i) % 60 + 20] = 220
            Image.fromarray(pixels).save(part / clip / f"{i + 1:03d}.tif")
        lines += [f"TestVideoFile{{end+1}}.gt_frame = [{count // 2 + 1}:{count}];\n"] * (
            "Test" in clip
        )
    (part / "Test" / "UCSDped2.m").write_text("".join(lines))
    return tmp_path


class Counting:
    """Wrap a model and count the segments it is asked to read."""

    def __init__(self, model: Backbone) -> None:
        self.model, self.segments = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> Any:
        self.segments += len(segments)
        return self.model.read(segments, sites, recipe)


def by_hand(
    path: Path,
    fitted: Fitted,
    shipped: Backbone,
    events: Sequence[tuple[float, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and smoothed scores of a video, computed one frame at a time."""
    result = hiprobe.detect(path, shipped, fitted.probe, explain=False)
    assert result.scores is not None
    labels, scores = [], []
    for time in video.frame_times(path):
        labels.append(int(any(start <= time < end for start, end in events)))
        scores.append(
            next(
                float(s)
                for a, b, s in zip(
                    result.scores.starts, result.scores.ends, result.scores.smoothed, strict=True
                )
                if a - 1e-9 <= time < b - 1e-9
            )
        )
    return np.array(labels), np.array(scores)


# A probe


def test_evaluation_of_a_probe_on_the_test_split_of_a_csv(
    own: Path, shipped: Backbone, fitted: Fitted, tmp_path: Path
) -> None:
    """The figures equal those by hand, nothing is read twice, and a score file gives them again."""
    model = Counting(shipped)
    made = of_probe(Benchmark("folder", own), model, fitted.probe, store=tmp_path / "kept")  # type: ignore[arg-type]
    assert isinstance(made.report, Report)
    tests = list(datasets.load("folder", own, "test"))
    pairs = [
        by_hand(Path(one.path), fitted, shipped, [(e.start, e.end) for e in one.events or ()])
        for one in tests
    ]
    labels, scores = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    assert (made.report.videos, made.report.frames, made.report.positives) == (
        4,
        len(labels),
        labels.sum(),
    )
    assert made.report.rows[0].pooled.auc == pytest.approx(sk.roc_auc_score(labels, scores))
    assert made.report.rows[0].name == "smoothed scores"
    assert made.report.events is not None
    assert made.report.events.counts["true"] == 2
    assert {row.name for row in made.report.classes} == {
        kind for one in tests for kind in one.categories
    } - {"normal"}
    assert made.report.provenance["probe"] == fitted.probe.digest
    read = model.segments
    again = of_probe(Benchmark("folder", own), model, fitted.probe, store=tmp_path / "kept")  # type: ignore[arg-type]
    assert (again.report, model.segments) == (made.report, read)
    for kind in ("npz", "json", "csv"):
        write_scores(tmp_path / f"s.{kind}", made.scores)
        back = of_scores(Benchmark("folder", own), tmp_path / f"s.{kind}")
        assert isinstance(back.report, Report)
        assert back.report.rows[0].figures() == made.report.rows[0].figures()
        assert back.report.rows[0].intervals == made.report.rows[0].intervals
        assert back.report.rows[1:] == made.report.rows[2:5]


def test_evaluation_on_folders_of_frames(
    ped: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    """UCSDped2 has 10 frames per second; every clip has both classes, so video AUC is undefined."""
    made = of_probe(Benchmark("ucsd_ped", ped), shipped, fitted.alarm, store=warm, bootstrap=50)
    assert isinstance(made.report, Report)
    assert (made.report.videos, made.report.frames, made.report.positives) == (3, 66, 33)
    assert made.report.rows[0].video_auc is None
    labels = np.concatenate([[0] * (n // 2) + [1] * (n // 2) for n in (20, 22, 24)])
    scores = np.concatenate([made.scores[f"Test00{i}"] for i in (1, 2, 3)])
    assert made.report.rows[0].pooled.auc == pytest.approx(sk.roc_auc_score(labels, scores))
    assert made.report.events is not None
    assert made.report.events.counts == {
        "true": 3,
        "detected": 3,
        "predicted": 3,
        "false_alarms": 0,
        "hours": pytest.approx(6.6 / 3600),
    }, "the alarm probe makes one event of each whole clip"
    assert made.report.events.figures["f1@0.5"] == 1.0, (
        "half of each clip is true, so the overlap is one half"
    )


def test_a_limit_leaves_videos_out_and_the_report_says_so(
    ped: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    bench = Benchmark("ucsd_ped", ped, limit=2)
    made = of_probe(bench, shipped, fitted.alarm, store=warm, bootstrap=0)
    assert isinstance(made.report, Report)
    assert sorted(made.scores) == sorted(made.truth) == ["Test001", "Test003"]
    assert (made.report.videos, made.report.missing) == (2, {})
    assert "a try, on at most: 2 videos of each split" in made.report.to_markdown()


def test_the_report_names_groups_that_are_in_both_splits(tmp_path: Path) -> None:
    rows = ["a.mp4,fall,,,train,cam1", "b.mp4,normal,,,test,cam1", "c.mp4,normal,,,test,cam2"]
    text = "\n".join(["path,label,start,end,split,group", *rows])
    (tmp_path / "labels.csv").write_text(text)
    said = "groups in training and test, so the figures are too good"
    assert Benchmark("folder", tmp_path).about()[said] == "cam1"
    (tmp_path / "labels.csv").write_text(text.replace("train,cam1", "train,cam0"))
    assert said not in Benchmark("folder", tmp_path).about()


def test_a_limit_takes_both_classes_of_each_split(tmp_path: Path) -> None:
    """The videos need not be there to be chosen."""
    rows = [
        f"{part}{i}.mp4,{'fall' if i < 6 else 'normal'},,,{part}"
        for part in ("train", "test")
        for i in range(9)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,start,end,split", *rows]))
    for part in ("train", "test"):
        chosen = Benchmark("folder", tmp_path, limit=4).part(part)
        assert list(chosen) == [f"{part}{i}" for i in (0, 5, 6, 8)]
    assert len(Benchmark("folder", tmp_path, limit=99).part("test")) == 9


def test_fps_sets_the_length_of_folders_of_frames(
    ped: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    made = of_probe(
        Benchmark("ucsd_ped", ped, fps=20), shipped, fitted.alarm, store=warm, bootstrap=0
    )
    assert isinstance(made.report, Report)
    assert made.report.events is not None
    assert made.report.events.counts["hours"] == pytest.approx(3.3 / 3600)


def test_the_i3d_rule_leaves_off_the_last_frames(
    tmp_path: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    """By the XD-Violence rule `i3d`, videos of 40 and 33 frames both count as 32 frames."""
    names = {"film__#1_label_B1-0-0": 40, "film__#2_label_A": 33}
    for name, count in names.items():
        (tmp_path / "videos" / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (32, 24), (5 * i, 0, 0)).save(tmp_path / "videos" / name / f"{i}.bmp")
    (tmp_path / "annotations.txt").write_text("film__#1_label_B1-0-0 8 20\n")
    (tmp_path / "frame_counts.csv").write_text(
        "video,frames\n" + "".join(f"{k}.mp4,{n}\n" for k, n in names.items())
    )
    for rule, frames in (("frames", 73), ("i3d", 64)):
        made = of_probe(
            Benchmark("xd_violence", tmp_path, rule=rule, fps=20),
            shipped,
            fitted.alarm,
            store=warm,
            bootstrap=0,
        )
        assert isinstance(made.report, Report)
        assert (made.report.frames, made.report.positives) == (frames, 12)
        assert made.report.events is not None
        assert made.report.events.counts["hours"] == pytest.approx(frames / 20 / 3600)
        assert made.report.events.figures["f1@0.3"] is not None


# Videos that are missing, broken or used for fitting


def test_missing_videos_are_an_error_before_any_video_is_read(
    own: Path, shipped: Backbone, fitted: Fitted, tmp_path: Path
) -> None:
    tests = sorted(Path(one.path) for one in datasets.load("folder", own, "test"))
    tests[0].unlink()
    model = Counting(shipped)
    with pytest.raises(
        LabelError, match=rf"1 of 4 test videos missing: {tests[0].stem}.*--allow-missing"
    ):
        of_probe(Benchmark("folder", own), model, fitted.probe, store=tmp_path / "kept")  # type: ignore[arg-type]
    assert model.segments == 0
    made = of_probe(
        Benchmark("folder", own, allow_missing=True),
        shipped,
        fitted.probe,
        store=tmp_path / "kept",
        bootstrap=0,
    )
    assert isinstance(made.report, Report)
    assert (made.report.videos, made.report.missing, made.unread) == (
        3,
        {tests[0].stem: "missing"},
        0,
    )
    assert "(1 of 4 videos and 0 frames missing)" in made.report.to_markdown()
    for path in tests[1:]:
        path.unlink()
    with pytest.raises(LabelError, match="4 of 4 test videos missing"):
        of_probe(
            Benchmark("folder", own, allow_missing=True),
            shipped,
            fitted.probe,
            store=tmp_path / "kept",
        )


def test_an_unreadable_video_is_named_and_counted(
    own: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    broken = sorted(Path(one.path) for one in datasets.load("folder", own, "test"))[0]
    broken.write_bytes(np.random.default_rng(0).bytes(4000))
    said: list[str] = []
    with pytest.raises(
        LabelError, match=rf"1 of 4 videos without scores: {broken.stem} \(CorruptVideo"
    ):
        of_probe(
            Benchmark("folder", own),
            shipped,
            fitted.probe,
            store=warm,
            failed=lambda _path, error: said.append(str(error)),
        )
    assert len(said) == 1
    made = of_probe(
        Benchmark("folder", own, allow_missing=True), shipped, fitted.probe, store=warm, bootstrap=0
    )
    assert isinstance(made.report, Report)
    assert (made.unread, made.report.videos) == (1, 3)
    assert made.report.missing[broken.stem].startswith("CorruptVideo: ")


def test_a_test_video_that_the_probe_was_fitted_on_is_found_by_its_content(
    own: Path, clips: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    shutil.copy(next(clips.glob("*.mp4")), own / "renamed.mp4")
    relabel(own, "renamed.mp4,fire,1,2,test")
    with pytest.raises(
        LabelError,
        match="1 test video with the content of videos that the probe was fitted on: rena",
    ):
        of_probe(Benchmark("folder", own), shipped, fitted.probe, store=warm)


def test_the_same_video_in_train_and_test_is_found_by_its_content(
    own: Path, shipped: Backbone, warm: Path
) -> None:
    one = next(datasets.load("folder", own, "train"))
    shutil.copy(one.path, own / "renamed.mp4")
    relabel(own, "renamed.mp4,fire,1,2,test")
    with pytest.raises(LabelError, match=r"1 test video .* would be fitted on: renamed"):
        of_draws(Benchmark("folder", own), shipped, "hiprobe", store=warm, draws=1, share=1.0)


def test_a_video_with_more_labels_than_frames_is_named(
    tmp_path: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    """The ShanghaiTech layout, with one mask that is one frame too long."""
    for name, count, mask in (("01_0001", 20, 20), ("01_0002", 20, 21)):
        (tmp_path / "testing" / "frames" / name).mkdir(parents=True)
        (tmp_path / "testing" / "test_frame_mask").mkdir(exist_ok=True)
        for i in range(count):
            Image.new("RGB", (32, 24), (i, 0, 0)).save(
                tmp_path / "testing" / "frames" / name / f"{i:03d}.jpg"
            )
        np.save(tmp_path / "testing" / "test_frame_mask" / f"{name}.npy", np.arange(mask) > 9)
    with pytest.raises(
        LabelError, match=r"01_0002 \(LabelError: the truth has 21 frames, the video 20\)"
    ):
        of_probe(Benchmark("shanghaitech", tmp_path), shipped, fitted.probe, store=warm)


def test_equal_file_names_in_two_folders_are_two_videos(own: Path) -> None:
    (own / "deeper").mkdir()
    one = next(datasets.load("folder", own, "test"))
    shutil.copy(one.path, own / "deeper")
    relabel(own, f"deeper/{Path(one.path).name},fire,1,2,test")
    stem = Path(one.path).stem
    assert {stem, f"deeper/{stem}"} <= set(Benchmark("folder", own).part("test"))


def test_an_event_between_two_frames_is_an_error(
    own: Path, shipped: Backbone, fitted: Fitted, warm: Path
) -> None:
    one = next(one for one in datasets.load("folder", own, "test") if one.events)
    text = (own / "labels.csv").read_text().splitlines()
    rest = [line for line in text if not line.startswith(Path(one.path).name)]
    (own / "labels.csv").write_text(
        "\n".join([*rest, f"{Path(one.path).name},fire,1.01,1.02,test"]) + "\n"
    )
    with pytest.raises(
        LabelError, match=r"no frame is shown during the event from 1\.01 to 1\.02 s"
    ):
        of_probe(Benchmark("folder", own), shipped, fitted.probe, store=warm)


# Draws


def test_a_draw_is_balanced_and_seeded() -> None:
    train = {f"a{i}": Video(f"a{i}", (Event(0, 1),)) for i in range(30)}
    train |= {f"n{i}": Video(f"n{i}", ()) for i in range(170)} | {"u": Video("u")}
    for seed in range(5):
        names = draw(train, 0.05, seed)
        assert (len(names), sum(name[0] == "a" for name in names), len(set(names))) == (10, 5, 10)
        assert draw(train, 0.05, seed) == names
    assert draw(train, 0.05, 0) != draw(train, 0.05, 1)
    assert len(draw(train, 0.001, 0)) == 2, "at least one of each class"
    assert sum(name[0] == "a" for name in draw(train, 1.0, 0)) == 30, (
        "all videos of the rarer class"
    )
    assert len(draw(train, 1.0, 0)) == 200, "all of the other class too"
    normal = {name: one for name, one in train.items() if name[0] == "n"}
    assert len(draw(normal, 0.1, 0)) == 17
    with pytest.raises(LabelError, match="no training video is labelled"):
        draw({"u": Video("u")}, 0.5, 0)


def test_mean_and_spread_over_draws(own: Path, shipped: Backbone, tmp_path: Path) -> None:
    """Test videos are read once for all draws, and equal seeds give equal draws and figures."""
    model = Counting(shipped)
    bench = Benchmark("folder", own)
    made = of_draws(bench, model, "hiprobe", store=tmp_path / "kept", draws=3, share=0.7)  # type: ignore[arg-type]
    assert isinstance(made.report, DrawSummary)
    assert (len(made.report.reports), [one["fitted on"] for one in made.report.draws]) == (
        3,
        [4, 4, 4],
    )
    assert len({one["videos"][0] + one["videos"][-1] for one in made.report.draws}) > 1
    every = [report.rows[0].pooled.auc for report in made.report.reports]
    assert made.report.figures()["smoothed scores"]["auc"]["mean"] == pytest.approx(np.mean(every))
    read, drawn = model.segments, {name for one in made.report.draws for name in one["videos"]}
    assert read >= 8 * (len(drawn) + 4), "12.8 s are 8 segments, and boundaries take more"
    again = of_draws(bench, model, "hiprobe", store=tmp_path / "kept", draws=3, share=0.7)  # type: ignore[arg-type]
    assert (again.report, model.segments) == (made.report, read)
    with pytest.raises(UsageError):
        of_draws(bench, shipped, "hiprobe", store=tmp_path / "kept", share=0)


def test_a_missing_training_video_is_an_error_once_it_is_drawn(
    own: Path, shipped: Backbone, warm: Path
) -> None:
    gone = next(datasets.load("folder", own, "train"))
    Path(gone.path).unlink()
    with pytest.raises(
        LabelError, match=f"1 of 6 drawn training videos missing: {Path(gone.path).stem}"
    ):
        of_draws(Benchmark("folder", own), shipped, "hiprobe", store=warm, draws=1, share=1.0)
    made = of_draws(
        Benchmark("folder", own, allow_missing=True),
        shipped,
        "hiprobe",
        store=warm,
        draws=1,
        share=1.0,
    )
    assert isinstance(made.report, DrawSummary)
    assert (made.report.draws[0]["fitted on"], made.report.draws[0]["missing"]) == (5, 1)


# Export


def test_export_of_hidden_states_as_plain_arrays(own: Path, fitted: Fitted, tmp_path: Path) -> None:
    """The file holds all that a program without this package needs: values, spans, a JSON index."""
    count = export.export_states(fitted.store, tmp_path / "states.npz")
    files = store.state_files(fitted.store)
    with np.load(tmp_path / "states.npz") as arrays:
        index = json.loads(str(arrays["index"]))["entries"]
        assert len(index) == count == len(files)
        for key, file in zip(sorted(index), files, strict=True):
            kept = store.load_states(file)
            assert np.array_equal(arrays[f"{key}/values"], kept.values)
            assert np.array_equal(arrays[f"{key}/starts"], kept.starts)
            assert (index[key]["video"], index[key]["dtype"]) == (kept.video_id, "float32")
            assert Recipe.from_json(index[key]["recipe"]) == kept.recipe
            assert tuple(Site.from_json(site) for site in index[key]["sites"]) == kept.sites
    first = (tmp_path / "states.npz").read_bytes()
    export.export_states(fitted.store, tmp_path / "states.npz")
    assert (tmp_path / "states.npz").read_bytes() == first
    with pytest.raises(StoreError, match="holds no hidden states"):
        export.export_states(own, tmp_path / "none.npz")
    with pytest.raises(UsageError, match=r"\.npz"):
        export.export_states(fitted.store, tmp_path / "states.json")
    assert {path.name for path in tmp_path.glob("*.npz")} == {"states.npz"}


def test_export_of_scores_from_stored_states_needs_no_model(
    own: Path, shipped: Backbone, fitted: Fitted, tmp_path: Path
) -> None:
    made = of_probe(
        Benchmark("folder", own), shipped, fitted.probe, store=tmp_path / "kept", bootstrap=0
    )
    videos = list(datasets.load("folder", own, "test"))
    for raw, expected in ((False, made.scores), (True, made.raw)):
        found = export.export_scores(videos, fitted.probe, tmp_path / "kept", raw=raw)
        assert expected is not None
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in found)
    more = list(datasets.load("folder", own, "train"))
    with pytest.raises(
        StoreError,
        match=r"without hidden states for this probe: 6 of 10 videos, .*run hiprobe detect",
    ):
        export.export_scores(videos + more, fitted.probe, tmp_path / "kept")


# The command line


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command line in this process; return the exit code and both outputs."""
    before = signal.getsignal(signal.SIGINT)

    def call(*args: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        signal.signal(signal.SIGINT, before)
        return (int(caught.value.code or 0), *capsys.readouterr())

    return call


def test_evaluate_writes_report_plots_and_scores(
    own: Path, fitted: Fitted, tmp_path: Path, run: Command, warm: Path
) -> None:
    asked = ("evaluate", "--dataset", "folder", "--root", own, "--bootstrap", 50, "--json")
    code, out, _ = run(*asked, "--probe", fitted.path, "--store", warm, "-o", tmp_path / "out")
    assert code == 0
    found = json.loads(out)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.json",
        "report.md",
        "scores.npz",
        "raw.npz",
        "roc.png",
        "pr.png",
        "histogram.png",
        "timelines.png",
        "froc.png",
    }
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == found
    assert f"{found['rows'][0]['auc']:.4f}" in (tmp_path / "out" / "report.md").read_text()
    code, out, _ = run(*asked, "--scores", tmp_path / "out" / "raw.npz")
    back = json.loads(out)["rows"][0]
    assert (code, back["auc"], back["intervals"]) == (
        0,
        found["rows"][1]["auc"],
        found["rows"][1]["intervals"],
    )
    threshold = fitted.probe.localization.threshold
    _, out, _ = run(*asked, "--scores", tmp_path / "out" / "scores.npz", "--threshold", threshold)
    assert json.loads(out)["events"]["counts"]["true"] == found["events"]["counts"]["true"]


def test_evaluate_names_missing_and_failed_videos(
    own: Path, fitted: Fitted, run: Command, warm: Path
) -> None:
    tests = sorted(Path(one.path) for one in datasets.load("folder", own, "test"))
    tests[0].unlink()
    asked = (
        "evaluate",
        "--dataset",
        "folder",
        "--root",
        own,
        "--probe",
        fitted.path,
        "--store",
        warm,
    )
    code, out, err = run(*asked)
    assert (code, out) == (3, "")
    assert f"LabelError: {own}: 1 of 4 test videos missing: {tests[0].stem}" in err
    code, out, _ = run(*asked, "--allow-missing", "--bootstrap", 0)
    assert code == 0
    assert "(1 of 4 videos and 0 frames missing)" in out
    tests[-1].write_bytes(b"no video at all")
    code, out, err = run(*asked, "--allow-missing", "--bootstrap", 0, "--json")
    assert (code, sorted(json.loads(out)["missing"])) == (3, [tests[0].stem, tests[-1].stem])
    assert "CorruptVideo" in err or "UnsupportedVideo" in err


@pytest.mark.parametrize(
    "extra",
    [
        (),
        ("--scores", "a.npz", "--seeds", "3"),
        ("--seeds", "3", "--share", "none"),
        ("--seeds", "2", "--share", "101%"),
        ("--seeds", "2", "--threshold", "0.5"),
        ("--scores", "a.npz", "--limit", "4"),
    ],
)
def test_evaluate_called_wrongly_exits_with_code_2(
    own: Path, run: Command, extra: Sequence[str]
) -> None:
    code, out, err = run("evaluate", "--dataset", "folder", "--root", own, *extra)
    assert (code, out) == (2, "")
    assert "UsageError" in err


def test_evaluate_with_seeds_reports_draws(
    own: Path, tmp_path: Path, run: Command, warm: Path
) -> None:
    code, out, _ = run(
        "evaluate",
        "--dataset",
        "folder",
        "--root",
        own,
        "--seeds",
        2,
        "--share",
        "70%",
        "--store",
        warm,
        "-o",
        tmp_path / "r.json",
    )
    assert code == 0
    assert "4 test videos, 2 draws of the training videos" in out
    assert len(json.loads((tmp_path / "r.json").read_text())["draws"]) == 2


def test_a_table_whose_labels_need_a_meaning_can_be_evaluated(own: Path) -> None:
    table = own / "labels.csv"
    table.write_text(table.read_text().replace(",normal,", ",no alarm,"))
    with pytest.raises(LabelError, match="'no alarm' may mean normal or an anomaly"):
        Benchmark("folder", own).part("test")
    found = Benchmark("folder", own, words=datasets.LabelWords(normal=("no alarm",))).part("test")
    assert sorted(bool(one.events) for one in found.values()) == [False, False, True, True]
