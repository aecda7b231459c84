"""Mistakes of a user, a file or an outside method: one named error, no made-up figure."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tests.conftest import Fitted
from tests.probe.test_probe import planted

from hiprobe import cli, datasets, embedded, video
from hiprobe.backbones import Backbone
from hiprobe.errors import LabelError, ProbeError, UsageError
from hiprobe.evaluation import DrawSummary, Report, evaluate, read_scores, write_scores
from hiprobe.evaluation.benchmark import Benchmark, of_probe, of_scores
from hiprobe.evaluation.frame_times import TIMES, kept_frame_times
from hiprobe.methods import Selection
from hiprobe.probe import fit
from hiprobe.types import Site

HEAD = "video,start_frame,end_frame,score\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line here: exit code, standard output, standard error without the notice."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*args: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        kept = [line for line in err.splitlines() if not line.startswith("The embedded model is")]
        return int(caught.value.code or 0), out, "\n".join(kept)

    yield call
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Two clips of ShanghaiTech's layout, ten frames each, and scores for them in `scores.json`."""
    folder = tmp_path / "sht" / "test_frame_mask"
    folder.mkdir(parents=True)
    for name in ("01_0001", "01_0002"):
        np.save(folder / f"{name}.npy", np.arange(10) // 5)
    write_scores(
        tmp_path / "scores.json", {name: np.linspace(0, 1, 10) for name in ("01_0001", "01_0002")}
    )
    return folder.parent


# Score files


def test_an_archive_of_very_many_frames_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kilobytes may unpack to anything; these are damaged, so that reading them would show."""
    monkeypatch.setattr("hiprobe.evaluation.score_files.MOST_FRAMES", 10_000)
    np.savez_compressed(tmp_path / "s.npz", a=np.zeros(9_000))
    assert len(read_scores(tmp_path / "s.npz")["a"]) == 9_000
    np.savez_compressed(tmp_path / "s.npz", a=np.zeros(6_000), b=np.zeros(6_000))
    packed = bytearray((tmp_path / "s.npz").read_bytes())
    packed[60:70] = bytes(10)
    (tmp_path / "s.npz").write_bytes(packed)
    with pytest.raises(LabelError, match=r"s\.npz: .* frames, more than 10,000"):
        read_scores(tmp_path / "s.npz")


@pytest.mark.parametrize("end", [10**10, 10**20, 10**400])
def test_a_row_of_very_many_frames_is_refused(tmp_path: Path, end: int) -> None:
    (tmp_path / "s.csv").write_text(f"{HEAD}a,0,{end},0.5\n")
    with pytest.raises(LabelError, match=r"s\.csv"):
        read_scores(tmp_path / "s.csv")


def test_a_decimal_comma_is_not_read_as_another_score(tmp_path: Path) -> None:
    """`0,5` would be the score 0 and an extra cell."""
    (tmp_path / "s.csv").write_text(f"{HEAD}a,0,10,0,5\n")
    with pytest.raises(LabelError, match=r"s\.csv:2: a row has more cells than the first line"):
        read_scores(tmp_path / "s.csv")


def test_an_absent_file_is_not_called_malformed(tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        read_scores(tmp_path / "absent.json")
    assert (
        str(caught.value)
        == f"{tmp_path / 'absent.json'}: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize(
    ("name", "kinds"), [(" a", {"npz", "json"}), ("a ", {"npz", "json"}), ("a\udcff", {"json"})]
)
def test_a_name_comes_back_as_it_is_or_is_not_written(
    tmp_path: Path, name: str, kinds: set[str]
) -> None:
    for kind in ("csv", "npz", "json"):
        path = tmp_path / f"s.{kind}"
        if kind in kinds:
            write_scores(path, {name: np.zeros(2)})
            assert list(read_scores(path)) == [name]
        else:
            with pytest.raises(LabelError, match="1 names hold"):
                write_scores(path, {name: np.zeros(2)})
            assert not path.exists()


def test_a_report_names_a_video_whose_name_is_not_valid_text(run: Run, masks: Path) -> None:
    (masks / "test_frame_mask" / "01_0001.npy").rename(masks / "test_frame_mask" / "a\udcff.npy")
    write_scores(masks.parent / "s.json", {"01_0002": np.linspace(0, 1, 10)})
    code, _, err = run(
        "evaluate",
        "--dataset",
        "shanghaitech",
        "--root",
        masks,
        "--scores",
        masks.parent / "s.json",
        "--allow-missing",
        "--bootstrap",
        0,
        "-o",
        masks.parent / "r.md",
    )
    assert (code, err) == (0, "")
    assert r"a\udcff (no scores)" in (masks.parent / "r.md").read_text(encoding="utf-8")


# Annotations


@pytest.mark.parametrize(
    ("count", "span", "words"),
    [
        (100, "10 131", "the span of frames 10 to 131 is not in a video of 100"),
        (100, "100 110", "the span of frames 100 to 110"),
        (10**14, "10 20", "its number of frames"),
        ("9" * 5000, "10 20", "its number of frames"),
    ],
)
def test_spans_and_counts_that_are_not_of_one_video_are_named(
    tmp_path: Path, count: object, span: str, words: str
) -> None:
    """Public spans end at most 2 frames too late; counts at half the rate would be cut silently."""
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(
        f"Arson001_x264.mp4  Arson  {span}  -1  -1\n"
    )
    (tmp_path / "frame_counts.csv").write_text(f"video,frames\nArson001_x264,{count}\n")
    with pytest.raises(LabelError, match=words):
        datasets.truth("ucf_crime", tmp_path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"truth": lambda root, rule: None}, "must be uint8 labels of 0 and 1"),
        ({"truth": lambda root, rule: {"a": [0, 1]}}, "labels of 0 "),
        (
            {"truth": lambda root, rule: {"a": np.array([0.0, 0.5])}},
            "must be uint8 labels of 0 and 1",
        ),
        (
            {"truth": lambda root, rule: {"a": np.array([0, 2], np.uint8)}},
            "must be uint8 labels of 0 and 1",
        ),
        ({"RULES": ()}, "no rule"),
    ],
)
def test_a_data_set_that_misbehaves_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    parts: dict[str, Any] = {
        "load": lambda root, split: iter(()),
        "RULES": ("own",),
        "truth": lambda root, rule: {"a": np.array([0, 1], np.uint8)},
    }
    monkeypatch.setitem(sys.modules, "strange", SimpleNamespace(data=SimpleNamespace(**parts)))
    assert list(datasets.truth("strange:data", tmp_path)) == ["a"]
    monkeypatch.setitem(
        sys.modules, "strange", SimpleNamespace(data=SimpleNamespace(**parts | wrong))
    )
    with pytest.raises(UsageError, match=words):
        datasets.truth("strange:data", tmp_path)


# The command and the benchmark


def test_a_report_that_cannot_be_written_is_still_shown(run: Run, masks: Path) -> None:
    scores = masks.parent / "scores.json"
    code, out, err = run(
        "evaluate",
        "--dataset",
        "shanghaitech",
        "--root",
        masks,
        "--scores",
        scores,
        "--bootstrap",
        0,
        "-o",
        scores / "below",
    )
    assert (code, err.split(":")[0]) == (4, "StoreError")
    assert "| scores | 1.0000 |" in out


@pytest.mark.parametrize("threshold", ["nan", "inf", "-inf"])
def test_a_threshold_that_is_not_finite_is_wrong_usage(
    run: Run, masks: Path, threshold: str
) -> None:
    code, _, err = run(
        "evaluate",
        "--dataset",
        "shanghaitech",
        "--root",
        masks,
        "--scores",
        masks.parent / "scores.json",
        "--fps",
        24,
        f"--threshold={threshold}",
        "--json",
    )
    assert (code, err) == (
        2,
        f"UsageError: --threshold must be a number from -1e+15 to 1e+15, got {threshold}; "
        "give a number that scores can reach",
    )


def test_more_draws_than_memory_holds_are_wrong_usage(run: Run, masks: Path) -> None:
    code, _, err = run(
        "evaluate",
        "--dataset",
        "shanghaitech",
        "--root",
        masks,
        "--scores",
        masks.parent / "scores.json",
        "--bootstrap",
        10**9,
    )
    assert (code, err) == (
        2,
        "UsageError: the number of bootstrap draws must be between 0 and 100,000, got 1000000000; "
        "give 0 for no intervals",
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Make three test clips, one of them anomalous, and scores of all frames in `scores.npz`."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("abnormal_07.mp4", "normal_07.mp4", "normal_08.mp4"):
        shutil.copy(embedded.CLIPS / name, folder)
    (folder / "labels.csv").write_text(
        "path,label,start,end,split\nabnormal_07.mp4,fight,2.9,8.6,test\n"
        "normal_07.mp4,normal,,,test\nnormal_08.mp4,normal,,,test\n"
    )
    counts = {path.stem: len(video.frame_times(path)) for path in folder.glob("*.mp4")}
    write_scores(
        tmp_path / "scores.npz", {name: np.linspace(0, 1, count) for name, count in counts.items()}
    )
    return folder


def test_scores_of_a_missing_video_are_left_out_if_allowed(
    table: Path,
) -> None:
    (table / "normal_08.mp4").unlink()
    with pytest.raises(LabelError, match="1 of 3 test videos missing: normal_08"):
        of_scores(Benchmark("folder", table), table.parent / "scores.npz", bootstrap=0)
    made = of_scores(
        Benchmark("folder", table, allow_missing=True), table.parent / "scores.npz", bootstrap=0
    )
    assert isinstance(made.report, Report)
    assert (made.report.videos, made.report.missing, made.unread) == (
        2,
        {"normal_08": "missing"},
        0,
    )


@pytest.mark.parametrize(
    ("name", "reason"), [("normal_08", "CorruptVideo: "), ("abnormal_07", "LabelError: no frame")]
)
def test_a_video_whose_truth_is_unknown_is_counted(table: Path, name: str, reason: str) -> None:
    """A truncated clip, or one with an event after its end: named as for a probe."""
    if name == "normal_08":
        (table / "normal_08.mp4").write_bytes((table / "normal_08.mp4").read_bytes()[:2000])
    else:
        labels = (table / "labels.csv").read_text()
        (table / "labels.csv").write_text(labels.replace("2.9,8.6", "290,860"))
    with pytest.raises(LabelError, match=rf"1 of 3 test videos unusable: {name} \({reason}"):
        of_scores(Benchmark("folder", table), table.parent / "scores.npz", bootstrap=0)


def test_a_video_that_fails_is_left_out_if_allowed(table: Path) -> None:
    (table / "normal_08.mp4").write_bytes((table / "normal_08.mp4").read_bytes()[:2000])
    made = of_scores(
        Benchmark("folder", table, allow_missing=True), table.parent / "scores.npz", bootstrap=0
    )
    assert isinstance(made.report, Report)
    assert (made.report.videos, made.unread) == (2, 1)
    assert made.report.missing["normal_08"].startswith("CorruptVideo: ")


def test_scores_of_another_length_are_named_with_a_threshold_too(table: Path) -> None:
    found = read_scores(table.parent / "scores.npz")
    write_scores(table.parent / "scores.npz", {**found, "normal_08": found["normal_08"][:-1]})
    with pytest.raises(
        LabelError,
        match=r"1 video with another number of frames: normal_08 \(128 in the truth, 127",
    ):
        of_scores(
            Benchmark("folder", table), table.parent / "scores.npz", threshold=0.5, bootstrap=0
        )


@pytest.mark.parametrize(
    "times", [np.zeros(5), np.array([0.0, np.nan]), np.zeros((2, 2)), np.array(["a"])]
)
def test_invalid_kept_frame_times_are_named(
    tmp_path: Path, normal_clip: Path, times: np.ndarray
) -> None:
    kept_frame_times(str(normal_clip), "0" * 64, tmp_path)
    (file,) = (tmp_path / TIMES).iterdir()
    np.save(file, times)
    with pytest.raises(LabelError, match="not a valid file of frame times"):
        kept_frame_times(str(normal_clip), "0" * 64, tmp_path)


def test_a_probe_that_does_not_say_what_it_was_fitted_on_is_named(
    table: Path, fitted: Fitted, shipped: Backbone, tmp_path: Path
) -> None:
    odd = replace(fitted.probe, provenance={**fitted.probe.provenance, "videos": 5})
    with pytest.raises(ProbeError, match="must be a list of digests"):
        of_probe(Benchmark("folder", table), shipped, odd, store=tmp_path / "kept")


@pytest.mark.parametrize("seconds", [1e-7, float("inf"), float("nan")])
def test_a_segment_length_that_is_tiny_or_not_finite_is_refused(
    fitted: Fitted, seconds: float
) -> None:
    with pytest.raises(ValueError, match="segment_s must be"):
        replace(fitted.probe.recipe, segment_s=seconds)


def test_a_figure_that_only_some_draws_define_says_how_many() -> None:
    truth = {"a": np.array([0, 0, 1, 1], np.uint8), "b": np.zeros(4, np.uint8)}
    one = evaluate(truth, {name: np.arange(4.0) for name in truth}, bootstrap=0)
    other = replace(one, rows=(replace(one.rows[0], macro_auc=None), *one.rows[1:]))
    text = DrawSummary((one, other, one), ({"seed": 0}, {"seed": 1}, {"seed": 2})).to_markdown()
    assert text.count("(of 2 draws)") == 1
    assert "1.0000 ± 0.0000 (of 2 draws)" in text


# A method from outside


def method(**wrong: Any) -> SimpleNamespace:
    """A sound method but for what is `wrong` in it."""
    parts = {
        "LABELS": "both",
        "PROMPTS": (),
        "sites": lambda layers, heads: (Site("residual", 0), Site("residual", 1)),
        "select": lambda values, labels: Selection((1,)),
        "fit": lambda values, labels: {"w": np.ones(1)},
        "score": lambda values, tensors: values[:, 0, 0].astype(np.float64),
    }
    return SimpleNamespace(**parts | wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            {"select": lambda v, y: Selection((99,))},
            "must return a Selection of some of its 2 sites",
        ),
        (
            {"select": lambda v, y: Selection((-1,))},
            "must return a Selection of some of its 2 sites",
        ),
        ({"select": lambda v, y: Selection(())}, "must return a Selection of some of its 2 sites"),
        (
            {"select": lambda v, y: Selection((cast(Any, 0.5),))},
            "must return a Selection of some of its 2 sites",
        ),
        ({"select": lambda v, y: 1}, "must return a Selection of some of its 2 sites"),
        (
            {"select": lambda v, y: Selection((1,), cast(Any, {"s": [1.0, 2.0]}))},
            "curve .s. must hold one finite number",
        ),
        (
            {"select": lambda v, y: Selection((1,), {"s": np.full(2, np.nan)})},
            "curve 's' must hold one finite number",
        ),
        (
            {"select": lambda v, y: Selection((1,), {"s": np.zeros(3)})},
            "curve 's' must hold one finite number",
        ),
        ({"fit": lambda v, y: None}, "must return a dict of arrays, got NoneType"),
        ({"fit": lambda v, y: {"w": [1.0]}}, r"tensor 'w' .* got list \(1,\)"),
        ({"score": lambda v, t: np.zeros(1)}, r"got shape \(1,\)"),
        ({"score": lambda v, t: np.zeros((len(v), 1))}, r"got shape \(\d+, 1\)"),
        ({"score": lambda v, t: 0.5}, r"got shape \(\)"),
        ({"sites": lambda layers, heads: (1, 2)}, "must return a tuple of Site"),
    ],
)
def test_a_method_that_misbehaves_is_named(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], words: str
) -> None:
    """A single score in particular would silently become that of every segment."""
    monkeypatch.setitem(sys.modules, "strange", SimpleNamespace(method=method(**wrong)))
    with pytest.raises((UsageError, ProbeError), match=words):
        fit("strange:method", planted(layer=1, sites=2), permutations=0)


def test_the_same_method_without_a_fault_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "strange", SimpleNamespace(method=method()))
    assert fit("strange:method", planted(layer=1, sites=2), permutations=0).sites == (
        Site("residual", 1),
    )


# Models, and the limits of whoever starts the program


@pytest.mark.parametrize("device", ["meta", "xla", "vulkan"])
def test_a_device_that_cannot_hold_a_model_is_refused(
    run: Run, normal_clip: Path, device: str
) -> None:
    code, _, err = run("explain", normal_clip, "--device", device)
    assert (code, err) == (4, f"ModelError: device {device}: cannot be used here; give auto or cpu")


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        '{"a": 1}',
        '{"a": {"dtype": "F32"}}',
        '{"a": {"dtype": "F32", "shape": 3, "data_offsets": [0, 4]}}',
        '{"a": {"dtype": "F32", "data_offsets": [0]}}',
    ],
)
def test_a_malformed_header_of_weights_is_named(
    run: Run, checkpoint: Path, normal_clip: Path, header: str
) -> None:
    (checkpoint / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header.encode() + bytes(8)
    )
    code, _, err = run("explain", normal_clip, "--model", checkpoint)
    assert (code, err.count("\n")) == (4, 0)
    assert "model.safetensors: cannot be loaded" in err


@pytest.mark.parametrize("entry", [{"size": [1e999, 3]}, {"segment_s": 1e999}, {"segment_s": 1e-9}])
def test_an_infinite_setting_is_named(
    run: Run, checkpoint: Path, normal_clip: Path, entry: dict[str, Any]
) -> None:
    (checkpoint / "hiprobe.json").write_text(json.dumps(entry))
    code, _, err = run("explain", normal_clip, "--model", checkpoint)
    assert (code, "hiprobe.json: entry" in err) == (4, True)


def test_an_empty_question_is_not_replaced_by_another(run: Run, normal_clip: Path) -> None:
    code, _, err = run("explain", normal_clip, "-q", " ")
    assert (code, err) == (
        2,
        "UsageError: the question is empty; leave --question out for the model's own",
    )


@pytest.mark.parametrize("option", [("--layer", 3), ("--split", "train")])
def test_an_option_that_means_nothing_without_clips_is_refused(
    run: Run, tmp_path: Path, option: tuple[Any]
) -> None:
    code, _, err = run("fit", "--method", "likelihood", *option, "-o", tmp_path / "p.safetensors")
    assert (code, err) == (
        2,
        "UsageError: --layer and --split need labelled clips; name a folder or a CSV of them",
    )


def test_a_lower_limit_of_the_system_is_kept_and_does_not_stop_the_decoder(
    normal_clip: Path,
) -> None:
    """As under `ulimit -v` and `ulimit -t`, which batch systems set and only root may raise."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
        resource.setrlimit(resource.RLIMIT_CPU, (300, 300))

    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from hiprobe import video; print(len(video.frame_times(sys.argv[1])))",
            normal_clip,
        ],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.stdout.strip(), ran.returncode) == (
        str(len(video.frame_times(normal_clip))),
        0,
    ), ran.stderr
