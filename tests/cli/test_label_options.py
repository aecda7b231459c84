"""`hiprobe fit` says how it understood the labels, and refuses those that are unclear."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Fitted

from hiprobe import cli
from hiprobe.cli import _run, _terminal

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line here: exit code, standard output, standard error without the notice."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hiprobe", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        kept = [one for one in err.splitlines() if not one.startswith("The embedded model is")]
        return int(caught.value.code or 0), out, "\n".join(kept)

    yield call
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a model is loaded."""

    def load(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(_run, "load_backbone", load)


def table(folder: Path, *rows: str) -> Path:
    """A table of labels about empty videos."""
    for row in rows:
        (folder / row.split(",")[0]).touch()
    (folder / "labels.csv").write_text("path,label,start,end\n" + "\n".join(rows) + "\n")
    return folder / "labels.csv"


def few(normal: int, anomalous: int) -> str:
    """The warning that so many labelled videos are too few."""
    numbers = {"normal": normal, "anomalous": anomalous}
    named = ", ".join(f"{number} {kind}" for kind, number in numbers.items() if number)
    return f"too few videos to rely on a probe of them ({named}); label at least 8 of each class"


@pytest.mark.usefixtures("no_model")
def test_eight_labelled_videos_of_each_class_are_enough(run: Run, tmp_path: Path) -> None:
    rows = [f"{label}{n}.mp4,{label},," for label in ("normal", "fight") for n in range(8)]
    said = "8 normal and 8 anomalous videos (fight 8), 8 events\n"
    assert run("fit", table(tmp_path, *rows), "--check") == (0, said, "")


@pytest.mark.usefixtures("no_model")
def test_check_says_what_it_understood_and_stops(run: Run, tmp_path: Path) -> None:
    labels = table(tmp_path, "a.mp4,fight,1,3", "a.mp4,fight,3,5", "b.mp4,fall,,", "c.mp4,0.0,,")
    said = "1 normal and 2 anomalous videos (fall 1, fight 1), 3 events"
    assert run("fit", labels, "--check", "-o", tmp_path / "p") == (0, f"{said}\n", few(1, 2))
    code, out, _ = run("fit", labels, "--check", "--json")
    assert (code, json.loads(out)) == (
        0,
        {
            "normal": 1,
            "anomalous": 2,
            "labels": {"fall": 1, "fight": 1},
            "events": 3,
            "short": [],
            "groups": 0,
        },
    )
    assert not (tmp_path / "p").exists()


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("command", ["fit", "layers"])
def test_events_too_short_for_half_a_segment_are_counted_and_named(
    command: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Segments begin at 0, 1.6, 3.2, ...: .7 s and .5 s in two of them, and .5 s in one
    rows = ["a.mp4,fight,0.9,2.1", "a.mp4,fight,10,13", "b.mp4,fall,0:07,0:07.5", "c.mp4,normal,,"]
    labels = table(tmp_path, *rows)
    short = [f"{tmp_path}/a.mp4:0.9-2.1", f"{tmp_path}/b.mp4:7-7.5"]
    if command == "fit":
        code, out, err = run("fit", labels, "--check")
        said = "1 normal and 2 anomalous videos (fall 1, fight 1), 3 events, 2 of them too short"
        assert (code, out) == (0, f"{said} for the half rule\n")
        asked = json.loads(run("fit", labels, "--check", "--json")[1])["short"]
        assert [f"{one['path']}:{one['start']:g}-{one['end']:g}" for one in asked] == short
    else:
        with pytest.raises(AssertionError, match="a model was loaded"):
            run("layers", labels, "-o", tmp_path / "layers.png")
        err = capsys.readouterr().err
    assert f"too short to fill half of a segment (1.6 s): {', '.join(short)}; the segment" in err


@pytest.mark.usefixtures("no_model")
def test_check_reads_folders_and_a_split_too(run: Run, tmp_path: Path) -> None:
    for name in ("normal/a.mp4", "abnormal/b.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    said = "1 normal and 1 anomalous video (abnormal 1), 1 event\n"
    assert run("fit", tmp_path, "--check") == (0, said, few(1, 1))
    (tmp_path / "labels.csv").write_text(
        "path,label,split\nnormal/a.mp4,normal,x\nabnormal/b.mp4,fire,y\n"
    )
    said = "1 normal and 0 anomalous videos, 0 events\n"
    assert run("fit", tmp_path, "--check", "--split", "x") == (0, said, few(1, 0))


@pytest.mark.usefixtures("no_model")
def test_an_unclear_label_is_resolved_by_an_option(run: Run, tmp_path: Path) -> None:
    labels = table(tmp_path, "a.mp4,no helmet,1,3", "b.mp4,no alarm,,", "c.mp4,No Alarm,,")
    code, out, err = run("fit", labels, "--check")
    assert (code, out) == (3, "")
    assert "labels.csv:2: the label 'no helmet' may mean normal or an anomaly; say which" in err
    given = ("--anomaly-label", "No helmet", "--normal-label", "no alarm")
    said = "2 normal and 1 anomalous video (no helmet 1), 1 event\n"
    assert run("fit", labels, "--check", *given) == (0, said, few(2, 1))
    given = ("--normal-label", "no helmet", "--normal-label", "no alarm")
    code, _, err = run("fit", labels, "--check", *given)
    assert (code, "labels.csv:2: a normal row is about the whole video" in err) == (3, True)


@pytest.mark.usefixtures("no_model")
def test_tables_in_which_nothing_is_normal_are_refused(run: Run, tmp_path: Path) -> None:
    labels = table(tmp_path, "a.mp4,fight,1,3", "b.mp4,okay,,", "c.mp4,okay,,")
    for method in ("hiprobe", "one_class"):
        code, out, err = run("fit", labels, "--method", method)
        assert (code, out) == (3, "0 normal and 3 anomalous videos (okay 2, fight 1), 3 events\n")
        assert "no video is labelled normal, and whole videos are labelled 'okay'" in err
        assert "--normal-label" in err
    code, _, err = run("layers", labels, "-o", tmp_path / "l.png")
    assert (code, "no video is labelled normal" in err) == (3, True)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("rows", "options", "classes"),
    [
        (("a.mp4,fight,1,3", "b.mp4,fall,3,"), (), (0, 2)),  # the rest of both videos is normal
        (("a.mp4,fight,1,3", "b.mp4,okay,,"), ("--normal-label", "okay"), (1, 1)),
        (("a.mp4,fight,1,3", "b.mp4,fire,,"), ("--anomaly-label", "fire"), (0, 2)),
        (("a.mp4,fight,1,3", "b.mp4,okay,,"), ("--method", "likelihood"), ()),
    ],
)
def test_tables_in_which_something_is_normal_are_not(
    run: Run,
    tmp_path: Path,
    rows: tuple[str, ...],
    options: tuple[str, ...],
    classes: tuple[int, ...],
) -> None:
    code, out, err = run("fit", table(tmp_path, *rows), "--check", *options)
    assert (code, err) == (0, few(*classes) if classes else "")
    assert out.endswith(" events\n") or out.endswith(" event\n")


@pytest.mark.usefixtures("no_model")
def test_what_does_not_go_together_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "a.mp4").touch()
    for options, said in (
        (("--check", "--method", "likelihood"), "--check needs labelled clips"),
        (("--normal-label", "x", "--method", "likelihood"), "need labelled clips"),
        ((tmp_path, "--normal-label", "x"), "only a file of labels has words"),
        ((tmp_path, "--normal-label", "x", "--anomaly-label", "X"), "as normal and as an anomaly"),
    ):
        code, out, err = run("fit", *options)
        assert (code, out) == (2, "")
        assert said in err


def test_a_hostile_label_is_shown_and_not_obeyed(run: Run, tmp_path: Path) -> None:
    labels = table(tmp_path, "a.mp4,[bold]x\x1b[31m,1,2", "b.mp4,normal,,")
    code, out, _ = run("fit", labels, "--check")
    assert code == 0
    assert r"([bold]x\x1b[31m 1)" in out


def test_fit_begins_with_the_sentence(
    run: Run, tmp_path: Path, clips: Path, fitted: Fitted
) -> None:
    code, out, _ = run("fit", clips, "-o", tmp_path / "p", "--store", fitted.store)
    assert code == 0
    assert out.splitlines()[0] == "4 normal and 4 anomalous videos (abnormal 4), 4 events"
    code, out, _ = run("fit", clips, "-o", tmp_path / "p", "--store", fitted.store, "--json")
    assert json.loads(out)["clips"]["normal"] == 4


def test_an_auc_that_may_be_chance_is_said(
    run: Run, tmp_path: Path, clips: Path, fitted: Fitted
) -> None:
    rows = (clips / "labels.csv").read_text().splitlines()
    words = ("odd", "normal") * 4
    mixed = [f"{row.split(',')[0]},{word}" for row, word in zip(rows[1:], words, strict=True)]
    (clips / "mixed.csv").write_text("path,label\n" + "\n".join(mixed) + "\n")
    _, _, err = run("fit", clips / "mixed.csv", "-o", tmp_path / "p", "--store", fitted.store)
    assert ".5: do not rely on this probe; label more" in err


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.5, 1.0, "includes .5: do not rely"),
        (0.0, 0.4, "is below .5: do not rely"),
        (0.501, 1.0, ""),
        (None, None, ""),
    ],
)
def test_only_an_auc_above_chance_is_not_doubted(
    capsys: pytest.CaptureFixture[str], fitted: Fitted, low: Any, high: Any, said: str
) -> None:
    auc = {"value": 0.9, "low": low, "high": high}
    _terminal.fitted(
        replace(fitted.probe, provenance={**fitted.probe.provenance, "auc": auc, "warnings": []})
    )
    err = capsys.readouterr().err
    assert said in err if said else "do not rely" not in err


@pytest.mark.parametrize(("groups", "said"), [(2, True), (7, True), (8, False), (None, False)])
def test_an_interval_over_few_groups_is_doubted(
    capsys: pytest.CaptureFixture[str], fitted: Fitted, groups: int | None, said: bool
) -> None:
    facts = {**fitted.probe.provenance, **({"groups": groups} if groups else {})}
    _terminal.fitted(replace(fitted.probe, provenance=facts))
    assert ("group" in capsys.readouterr().err) == said


@pytest.mark.parametrize(("videos", "said"), [(4, True), (15, True), (16, False)])
def test_figures_of_few_videos_are_doubted_however_narrow_their_interval(
    capsys: pytest.CaptureFixture[str], fitted: Fitted, videos: int, said: bool
) -> None:
    auc = {"value": 1.0, "low": 1.0, "high": 1.0}
    own = {"auc": auc, "warnings": [], "videos": [f"{n:064x}" for n in range(videos)]}
    _terminal.fitted(
        replace(fitted.probe, provenance={**fitted.probe.provenance, **own, "groups": None})
    )
    assert ("too few to rely on" in capsys.readouterr().err) == said
