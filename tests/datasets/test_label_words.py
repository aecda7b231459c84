"""The words of a label: which mean normal, which an anomaly, and which are refused as unclear."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiprobe import datasets
from hiprobe.datasets import LabelWords
from hiprobe.errors import LabelError, UsageError

NORMAL = (
    *("normal", "Normal", " NORMAL ", "Normal_Videos_event", "normal traffic", "normality", "normal2"),
    *("0", "0.0", "0.", "00", "0.00", "+0"),
    *("false", "False", "FALSE", "none", "None", "negative", "Negative", "background", "Background"),
    *("no anomaly", "No anomaly", "NO ANOMALY", "no-anomaly", "no_anomaly", "noAnomaly", "NoAnomaly"),
    *("non anomalous", "non-anomalous", "Non_Anomalous", "nonAnomalous"),
    *("no event", "no-incident", "no_fight", "noFight", "NonFight", "non-violence", "NonViolence"),
    *("no  fight", "no fight 12", "no\u00a0fight", "Non\u2013Violence", "NON-FIGHT"),
)  # fmt: skip
ANOMALY = (
    *("1", "1.0", "true", "True", "yes", "Yes", "positive", "2", "0.5", "10"),
    *("abnormal", "anomaly", "fight", "fall", "火事", "noise", "nosebleed", "north gate", "nothofagus"),
    *("notice torn down", "nonstop running", "withoutside", "note", "nob", "unknown", "falsehood"),
    *("negative space", "zero", "Abnormal_Videos"),
)  # fmt: skip
UNCLEAR = (
    *("no", "No", "non", "not", "without", "no helmet", "No_Helmet", "noHelmet", "NoHelmet"),
    *("not normal", "not-wearing-vest", "without vest", "withoutVest", "non-compliance", "no events"),
    *("no fight today", "no anomaly detected", "not anomalous", "without incident", "no. 5", "NO"),
    *("nofight", "NOFIGHT", "nonviolence", "nonviolent", "noanomalies", "NONEVENT", "notnormal"),
    *("nothing", "nothing happens", "none visible", "nobody", "never", "no-one at the desk"),
    *("nan", "NaN", "null", "N/A", "<NA>"),
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    return tmp_path


def events(root: Path, label: str, words: LabelWords | None = None) -> int:
    """The number of events of a video with this label."""
    (root / "labels.csv").write_text(f'path,label\na.mp4,"{label}"\n')
    (video,) = datasets.load("folder", root, words=words)
    assert video.categories == (label.strip() if video.events else "normal",)
    return len(video.events or ())


@pytest.mark.parametrize("label", NORMAL)
def test_a_label_that_means_normal(root: Path, label: str) -> None:
    assert events(root, label) == 0


@pytest.mark.parametrize("label", ANOMALY)
def test_a_label_that_names_an_anomaly(root: Path, label: str) -> None:
    assert events(root, label) == 1


@pytest.mark.parametrize("label", UNCLEAR)
def test_an_unclear_label_is_refused_with_its_line_until_its_meaning_is_given(
    root: Path, label: str
) -> None:
    with pytest.raises(LabelError) as caught:
        events(root, label)
    said = str(caught.value)
    assert said.startswith(f"{root / 'labels.csv'}:2: the label {label!r} may mean normal or")
    assert "--normal-label" in said
    assert "--anomaly-label" in said
    assert events(root, label, LabelWords(anomaly=(label.upper(),))) == 1
    assert events(root, label, LabelWords(normal=(f" {label.lower()} ",))) == 0


def test_what_is_given_goes_before_what_the_word_says(root: Path) -> None:
    assert events(root, "fight", LabelWords(normal=("Fight",))) == 0
    assert events(root, "0", LabelWords(anomaly=("0",))) == 1


def test_a_decimal_comma_is_a_zero_too(root: Path) -> None:
    (root / "labels.csv").write_text("path;label\na.mp4;0,0\nb.mp4;1,0\n")
    assert [len(video.events or ()) for video in datasets.load("folder", root)] == [0, 1]


def test_a_label_that_is_given_but_not_there_is_named(root: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv: there is no label 'quite'"):
        events(root, "quiet", LabelWords(normal=("quite",)))
    with pytest.raises(UsageError, match="'quiet' is given as normal and as an anomaly"):
        LabelWords(normal=("quiet",), anomaly=("Quiet ",))


def test_folders_have_no_labels_to_give_a_meaning(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "a.mp4").touch()
    with pytest.raises(UsageError, match="only a file of labels has words to give a meaning"):
        datasets.load("folder", tmp_path, words=LabelWords(normal=("quiet",)))


def test_the_counts_are_one_sentence(root: Path) -> None:
    rows = "a.mp4,fight,1,3\na.mp4,fall,3,5\nb.mp4,normal,,\n"
    (root / "labels.csv").write_text("path,label,start,end\n" + rows)
    videos = list(datasets.load("folder", root))
    said = [str(datasets.count_labels(some)) for some in (videos, videos * 2, videos[1:], [])]
    assert said == [
        "1 normal and 1 anomalous video (fall 1, fight 1), 2 events",
        "2 normal and 2 anomalous videos (fall 2, fight 2), 4 events",
        "1 normal and 0 anomalous videos, 0 events",
        "0 normal and 0 anomalous videos, 0 events",
    ]


def test_many_labels_are_cut_short(root: Path) -> None:
    for number in range(12):
        (root / f"{number}.mp4").touch()
    rows = "".join(f"{number}.mp4,kind{number:02}\n" for number in range(12))
    (root / "labels.csv").write_text(f"path,label\n{rows}a.mp4,kind11\n")
    said = str(datasets.count_labels(list(datasets.load("folder", root))))
    assert said.startswith("0 normal and 13 anomalous videos (kind11 2, kind00 1, ")
    assert said.endswith("kind08 1 and 2 more), 13 events")
