"""Every check fails for a plug-in that breaks its promise, and names the promise and the cure."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe import checks, datasets, methods, sinks
from hiprobe.checks import BrokenPromise
from hiprobe.checks import backbones as backbone_checks
from hiprobe.checks import datasets as dataset_checks
from hiprobe.checks import methods as method_checks
from hiprobe.checks import sinks as sink_checks
from hiprobe.errors import HiProbeError, ModelError, SinkFailed, UsageError
from hiprobe.methods import Selection, one_class
from hiprobe.sinks import ALERT_SCHEMA, CAMERA_SCHEMA, SCHEMA
from hiprobe.types import Event, Recipe, Segment, Site, Video


def promise_of(check: Callable[[], Any]) -> str:
    """The promise that `check` says is broken; the error is one line with a cure."""
    with pytest.raises(BrokenPromise) as caught:
        check()
    assert isinstance(caught.value, HiProbeError)
    assert isinstance(caught.value, AssertionError)
    assert str(caught.value).isprintable()
    assert caught.value.cure
    assert caught.value.promise in str(caught.value)
    return caught.value.promise


def test_the_checks_import_no_test_framework_and_no_torch() -> None:
    code = "import sys, hiprobe.checks; print({'torch', 'pytest', 'transformers'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- methods


class FarFromNormal:
    """A sound method: distance from the mean normal segment. The faulty ones change a part."""

    LABELS: Any = "normal"
    PROMPTS: Any = ()

    def sites(self, layers: int, heads: int) -> Any:
        return tuple(Site("residual", layer) for layer in range(layers))

    def select(self, values: Any, labels: Any) -> Any:
        spread = np.asarray(values)[labels >= 0].std(0).mean(-1)
        return Selection((int(np.argmax(spread)),), {"spread": spread})

    def fit(self, values: Any, labels: Any) -> Any:
        return {"mean": values.astype(np.float64).mean(0)}

    def score(self, values: Any, tensors: Any) -> Any:
        return np.linalg.norm(values - tensors["mean"], axis=(1, 2)).astype(np.float64)


def own(changes: dict[str, Any]) -> Any:
    return type("Faulty", (FarFromNormal,), changes)()


def scribble(self: Any, values: Any, labels: Any) -> Any:
    tensors = FarFromNormal.fit(self, values, labels)
    values[:] = 0
    return tensors


def scored(change: Callable[[NDArray[np.float64]], Any]) -> Any:
    return lambda self, values, tensors: change(FarFromNormal.score(self, values, tensors))


FAULTY_METHODS = {
    "it has every member": {"sites": property()},
    "it states its labels and prompts": {"LABELS": "some"},
    "it states its labels and prompts ": {"PROMPTS": "Really?"},
    "it states its labels and prompts  ": {"LABELS": "none"},
    "it states its labels and prompts   ": {"THRESHOLD": float("nan")},
    "it offers sites of the model": {"sites": lambda *_: ()},
    "it offers sites of the model ": {"sites": lambda *_: (Site("residual", 20),)},
    "it offers sites of the model  ": {"sites": lambda *_: (Site("residual", 1),) * 2},
    "its sites use every prompt": {"PROMPTS": ("one?", "two?")},
    "it selects offered sites": {"select": lambda *_: Selection((7,))},
    "it selects offered sites ": {"select": lambda *_: Selection(())},
    "its curves have one value for each site": {
        "select": lambda *_: Selection((0,), {"spread": np.zeros(2)})
    },
    "rows left out change no selection": {
        "select": lambda _, values, labels: Selection((int(abs(values).sum()) % 4,))
    },
    "it fits finite float tensors": {"fit": lambda *_: [np.zeros(3)]},
    "it fits finite float tensors ": {"fit": lambda *_: {"mean": np.full((1, 12), np.nan)}},
    "it fits finite float tensors  ": {"fit": lambda *_: {"mean": np.zeros((1, 12), int)}},
    "it fits the same again": {"fit": lambda *_: {"mean": np.full((1, 12), random.random())}},
    "it scores each segment": {"score": scored(lambda found: found.mean())},
    "it scores each segment ": {"score": scored(lambda found: found.astype(np.float32))},
    "a score depends on its own segment only": {"score": scored(lambda found: found / found.sum())},
    "anomalous segments score higher": {"score": scored(lambda found: -found)},
    "it scores zeros without a numerical error": {
        "score": lambda _, values, tensors: 1 - 1e9 / np.square(values).sum((1, 2), dtype=float)
    },
    "it leaves its arguments as they are": {"fit": scribble},
    "its baseline repeats": {"baseline": lambda *_: None},
}


def test_a_sound_method_keeps_every_promise() -> None:
    kept = checks.check_method(FarFromNormal())
    assert kept == checks.check_method("one_class")
    assert {promise.strip() for promise in FAULTY_METHODS} - {"its baseline repeats"} == set(kept)


@pytest.mark.parametrize("promise", FAULTY_METHODS)
def test_a_faulty_method_gets_an_error_that_names_the_promise(promise: str) -> None:
    faulty = own(FAULTY_METHODS[promise])
    if promise == "it has every member":
        faulty = SimpleNamespace(LABELS="both", PROMPTS=(), fit=one_class.fit)
    assert promise_of(lambda: checks.check_method(faulty)) == promise.strip()


def test_an_exception_in_a_method_breaks_the_promise_that_was_checked() -> None:
    with pytest.raises(
        BrokenPromise, match=r"Faulty: breaks .* raised ZeroDivisionError"
    ) as caught:
        checks.check_method(own({"fit": lambda *_: 1 / 0}))
    assert caught.value.promise == "it fits finite float tensors"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_unknown_name_is_a_usage_error() -> None:
    for check in (checks.check_method, checks.check_sink, checks.check_backbone):
        with pytest.raises(UsageError):
            check("no_such_plug_in")
    with pytest.raises(UsageError):
        checks.check_dataset("no_such_plug_in", ".")


# --- sinks


class LinesFile:
    """A sound sink: the lines' ids, written when closed. The faulty ones change a part."""

    def __init__(self, target: str) -> None:
        self.path, self.lines = Path(target), list[Any]()

    def write(self, line: Any) -> None:
        self.lines.append(line["id"])

    def close(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join(self.lines))

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.close()


class Early(LinesFile):
    def write(self, line: Any) -> None:
        super().write(line)
        self.close()


class Changes(LinesFile):
    def write(self, line: Any) -> None:
        super().write(line)
        line["label"] = None


class Chokes(LinesFile):
    def write(self, line: Any) -> None:
        self.lines.append(line["label"].strip())


class Silent(LinesFile):
    def close(self) -> None:
        if self.lines:
            super().close()


class Clock(LinesFile):
    def close(self) -> None:
        self.lines.append(str(random.random()))
        super().close()


class Latin(LinesFile):
    def close(self) -> None:
        super().close()
        self.path.write_bytes(b"\xe4" + self.path.read_bytes())


class Half(LinesFile):
    def __exit__(self, *_: Any) -> None:
        self.close()


class Litter(LinesFile):
    def close(self) -> None:
        super().close()
        self.path.with_suffix(".tmp").touch()


FAULTY_SINKS = {
    "it has every member": None,
    "it says which messages it takes": LinesFile,
    "it opens something to write and close": lambda target: object(),
    "it leaves a line as it is": Changes,
    "it takes every event line": Chokes,
    "it writes a file without events": Silent,
    "the same lines make the same bytes": Clock,
    "its file is utf8": Latin,
    "nothing is written before it is closed": Early,
    "an exception leaves the file as it was": Half,
    "it leaves no other file": Litter,
}


def a_sink(opens: Any, *, schemas: Any = (SCHEMA,), network: bool = False, **more: Any) -> Any:
    return SimpleNamespace(open=opens, schemas=schemas, network=network, **more)


def test_a_sound_sink_keeps_every_promise() -> None:
    assert checks.check_sink(a_sink(LinesFile)) == list(FAULTY_SINKS)


@pytest.mark.parametrize("promise", FAULTY_SINKS)
def test_a_faulty_sink_gets_an_error_that_names_the_promise(promise: str) -> None:
    faulty = a_sink(FAULTY_SINKS[promise])
    if promise == "it has every member":
        faulty = SimpleNamespace(open=LinesFile)
    if promise == "it says which messages it takes":
        faulty.schemas = ("events",)
    assert promise_of(lambda: checks.check_sink(faulty)) == promise


def test_a_sink_that_writes_no_file_is_checked_on_its_target() -> None:
    sent: list[str] = []

    class Channel(LinesFile):
        def close(self) -> None:
            sent.append(f"{self.path}")

    kept = checks.check_sink(a_sink(Channel, network=True), "channel-7")
    assert kept == list(FAULTY_SINKS)[:5]
    assert set(sent) == {"channel-7"}


class AlertLines(LinesFile):
    """A sound sink of alerts, to a file or to an address that is never there."""

    def __init__(self, target: str, options: Any = (), live: Any = None) -> None:
        super().__init__(target)
        if options:
            raise UsageError("no such option")

    def write(self, line: Any) -> None:
        if "unreached" in str(self.path):
            raise SinkFailed("cannot be reached")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(line["schema"])

    def close(self) -> None:
        pass


class ChokesOnAlerts(AlertLines):
    def write(self, line: Any) -> None:
        super().write(line)
        if line.get("type") == "withdrawn":
            raise KeyError(line["type"])


class ChokesOnStates(AlertLines):
    def write(self, line: Any) -> None:
        super().write({"schema": line["schema"]} | {"id": line["id"]})


class TakesAnyOption(AlertLines):
    def __init__(self, target: str, options: Any = (), live: Any = None) -> None:
        super().__init__(target)


class KeepsAlerts(AlertLines):
    def write(self, line: Any) -> None:
        self.lines.append(line["schema"])


class Tells(AlertLines):
    def write(self, line: Any) -> None:
        if "unreached" in str(self.path):
            raise SinkFailed(f"cannot reach {self.path}")


FAULTY_ALERT_SINKS = {
    "it takes every alert message": ChokesOnAlerts,
    "it takes scores and states if it says so": ChokesOnStates,
    "it refuses an option that it does not have": TakesAnyOption,
    "its settings are sink settings": AlertLines,
    "an alert is in the file when write returns": KeepsAlerts,
    "a receiver that is away is a failure with a name": AlertLines,
    "an error shows no password": Tells,
}
ALERTS = (ALERT_SCHEMA, CAMERA_SCHEMA)
AWAY = {"unreachable": "http://user:not-to-be-shown@unreached"}


def test_a_sound_sink_of_alerts_keeps_every_promise() -> None:
    kept = checks.check_sink(a_sink(AlertLines, schemas=ALERTS, network=True), **AWAY)
    assert kept == list(FAULTY_SINKS)[:4] + list(FAULTY_ALERT_SINKS)


@pytest.mark.parametrize("promise", FAULTY_ALERT_SINKS)
def test_a_faulty_sink_of_alerts_gets_an_error_that_names_the_promise(
    promise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # one of them writes a file that is named like its target
    faulty = a_sink(FAULTY_ALERT_SINKS[promise], schemas=ALERTS, network=True)
    if promise.startswith("an alert is"):
        faulty.network = False
    if promise.startswith("its settings"):
        faulty.settings = {"wait": "verified"}
    away = dict(AWAY)
    if promise.startswith("a receiver"):
        away["unreachable"] = "there after all"
    assert promise_of(lambda: checks.check_sink(faulty, **away)) == promise


# --- data sets


class TwoClips:
    """A sound data set: a normal and an abnormal test video. The faulty ones change a part."""

    RULES: Any = ("frames",)

    def load(self, root: Any, split: Any = None) -> Any:
        if not Path(root).is_dir():
            raise UsageError("no such folder")
        if split not in (None, "train", "test"):
            raise UsageError("no such split")
        return iter([video for video in self.videos() if split in (None, video.split)])

    def videos(self) -> list[Any]:
        return [
            Video("a.mp4", (), "train", ("normal",)),
            Video("b.mp4", (Event(1.0, 2.0), Event(3.0, 4.0)), "test", ("fight",)),
            Video("c.mp4", (), "test", ("normal",)),
        ]

    def truth(self, root: Any, rule: Any) -> Any:
        return {"b": np.array([0, 1, 0, 1], np.uint8), "c": np.zeros(4, np.uint8)}

    def categories(self, root: Any) -> Any:
        return {"b": ("fight",), "c": ("normal",)}


def videos(change: Callable[[list[Any]], list[Any]]) -> dict[str, Any]:
    return {"videos": lambda self: change(TwoClips.videos(self))}


def shuffled(found: list[Any]) -> list[Any]:
    state["turn"] += 1
    return found if state["turn"] % 2 else found[::-1]


state = {"turn": 0}
FAULTY_DATASETS: dict[str, dict[str, Any]] = {
    "it has every member": {},
    "it yields videos": {"videos": lambda self: []},
    "it yields videos ": {"videos": lambda self: ["a.mp4"]},
    "each video comes once": videos(lambda found: [*found, found[0]]),
    "its events are in order of time": videos(
        lambda found: [replace(one, events=one.events[::-1]) for one in found]
    ),
    "its events are in order of time ": videos(
        lambda found: [replace(one, events=list(one.events)) for one in found]
    ),
    "normal videos are called normal": videos(
        lambda found: [replace(one, categories=("quiet",)) for one in found]
    ),
    "it yields the same again": videos(shuffled),
    "a split is the part that names it": {
        "load": lambda self, root, split=None: TwoClips.load(self, root, None)
    },
    "it refuses an unknown split": {
        "load": lambda self, root, split=None: (
            iter(()) if split == "no-such-split" else TwoClips.load(self, root, split)
        )
    },
    "it refuses a folder that is not there": {
        "load": lambda self, root, split=None: TwoClips.load(self, ".", split)
    },
    "it has truth and rules": {"RULES": ()},
    "its truth labels every frame": {"truth": lambda *_: {"b": np.ones(4), "c": np.zeros(4)}},
    "its truth is about its test videos": {"truth": lambda *_: {"b": np.ones(4, np.uint8)}},
    "events and truth agree": {
        "truth": lambda *_: dict.fromkeys("bc", np.zeros(4, np.uint8)),
    },
    "its categories fit its truth": {"categories": lambda *_: {"b": ("fight",), "c": ("fight",)}},
}


def test_a_sound_data_set_keeps_every_promise() -> None:
    kept = checks.check_dataset(TwoClips(), ".")
    assert kept == list(dict.fromkeys(map(str.strip, FAULTY_DATASETS)))


@pytest.mark.parametrize("promise", FAULTY_DATASETS)
def test_a_faulty_data_set_gets_an_error_that_names_the_promise(promise: str) -> None:
    faulty = type("Faulty", (TwoClips,), FAULTY_DATASETS[promise])()
    if promise == "it has every member":
        faulty = SimpleNamespace(list=TwoClips().load)
    assert promise_of(lambda: checks.check_dataset(faulty, ".")) == promise.strip()


# --- backbones


class Numbers:
    """A sound backbone without weights: sums over pixels. The faulty ones change a part."""

    layers: Any = 3
    heads, width, head_width = 2, 4, 2
    head_layers: Any = (0, 2)
    batch: Any = 8
    explain_prompt, explain_span_s, notice = "What happens?", None, None
    recipe = Recipe("numbers", ("What happens?",), frames=4, size=(8, 8))
    provenance: Any

    def __init__(self) -> None:
        self.provenance = {"dtype": "float32", "device": "cpu"}

    def read(self, segments: Any, sites: Any, recipe: Any = None) -> Any:
        recipe = recipe or self.recipe
        self.refuse(segments, sites, recipe)
        width = {self.head_width if site.kind == "head" else self.width for site in sites}.pop()
        values = np.empty((len(segments), len(sites), width), np.float32)
        for row, segment in enumerate(segments):
            for column, site in enumerate(sites):
                values[row, column] = self.vector(segment, site, recipe.prompts[site.prompt])[
                    :width
                ]
        return values

    def refuse(self, segments: Any, sites: Any, recipe: Any) -> None:
        if recipe.model != self.recipe.model or any(len(s.frames) != 4 for s in segments):
            raise ModelError("made for something else")
        for site in sites:
            if site.layer >= self.layers or site.prompt >= len(recipe.prompts):
                raise ModelError("no such site")
            if site.kind == "head" and (site.layer not in (0, 2) or site.head >= self.heads):
                raise ModelError("no such head")

    def vector(self, segment: Segment, site: Site, prompt: str) -> Any:
        sums = segment.frames.sum((1, 2, 3)) * np.arange(1, 5) / 1e4
        return sums * (site.layer + 1) + len(prompt) + (site.head or 0)

    def explain(self, segment: Any, prompt: str, max_tokens: int, deadline_s: float) -> Any:
        words = ["nothing", "happens", "in", "this", "clip", "at", "all"]
        return " ".join(words[: max_tokens if deadline_s else 1]), False


def read_as(change: Callable[[Any], Any]) -> dict[str, Any]:
    return {"read": lambda self, *given: change(Numbers.read(self, *given))}


def vector_as(change: Callable[..., Any]) -> dict[str, Any]:
    return {"vector": lambda self, *given: change(Numbers.vector(self, *given), *given)}


def answer(*made: Any) -> dict[str, Any]:
    turns: Iterator[Any] = iter(range(1000))
    return {"explain": lambda self, *_: made[next(turns) % len(made)]}


def scribbling(self: Any, segments: Any, sites: Any, recipe: Any = None) -> Any:
    found = Numbers.read(self, segments, sites, recipe)
    for segment in segments:
        segment.frames[:] = 0
    return found


def unsorted(self: Any, segments: Any, sites: Any, recipe: Any = None) -> Any:
    return Numbers.read(self, segments, sorted(sites), recipe)


def padded(self: Any, segments: Any, sites: Any, recipe: Any = None) -> Any:
    return Numbers.read(self, segments, sites, recipe) * (1 + len(segments) / 100)


def shallow(self: Any, segments: Any, sites: Any, recipe: Any = None) -> Any:
    return Numbers.read(self, segments, sites, recipe) + (len(sites) == 1)


def half_heads(self: Any, segments: Any, sites: Any, recipe: Any = None) -> Any:
    found = Numbers.read(self, segments, sites, recipe)
    return found[..., :1] if sites and sites[0].kind == "head" else found


FAULTY_BACKBONES: dict[str, dict[str, Any]] = {
    "it has every member": {},
    "its sizes are sound": {"batch": 0},
    "its sizes are sound ": {"head_layers": (2, 0)},
    "its sizes are sound  ": {"layers": 3.0},
    "its words and provenance are sound": {"notice": "one\ntwo"},
    "its words and provenance are sound ": {"explain_prompt": ""},
    "its words and provenance are sound  ": {"explain_span_s": 0.0},
    "its words and provenance are sound   ": {"answers_yes_no": "yes"},
    "it reads one vector for each segment and site": read_as(lambda found: found.astype(float)),
    "it reads one vector for each segment and site ": read_as(lambda found: found[:, :2]),
    "it reads one vector for each segment and site  ": read_as(lambda found: found * np.nan),
    "it leaves the frames as they are": {"read": scribbling},
    "it reads the same again": read_as(lambda found: found + np.float32(random.random())),
    "it keeps the order of the sites": {"read": unsorted},
    "a layer alone equals all layers together": {"read": shallow},
    "layers differ": vector_as(
        lambda found, segment, site, prompt: (found - len(prompt)) / (site.layer + 1) + len(prompt)
    ),
    "a batch equals single reads": {"read": padded},
    "heads are read alone and together": {"read": half_heads},
    "its yes and no are read where it says so": {"answers_yes_no": True},
    "several prompts equal each alone": vector_as(
        lambda found, segment, site, prompt: found + 10 * site.prompt
    ),
    "several prompts equal each alone ": vector_as(
        lambda found, segment, site, prompt: found - len(prompt) + site.layer
    ),
    "frames and their order matter": vector_as(
        lambda found, segment, site, prompt: (
            np.full(4, segment.frames.sum() / 1e4) * (site.layer + 1) + len(prompt)
        )
    ),
    "the place in the video does not matter": vector_as(
        lambda found, segment, site, prompt: found + (segment.start > 1000)
    ),
    "it refuses sites it does not have": {
        "refuse": lambda self, segments, sites, recipe: Numbers.refuse(self, segments, (), recipe)
    },
    "it refuses what its recipe does not fit": {
        "refuse": lambda self, segments, sites, recipe: (
            Numbers.refuse(self, (), sites, self.recipe) if len(recipe.prompts) == 1 else None
        )
    },
    "it explains in one line of text": answer(("one\ntwo", None)),
    "it explains in one line of text ": answer(("word", "yes")),
    "it explains in one line of text  ": answer(("word", True), ("other", True)),
    "it explains in one line of text   ": answer(("x" * 2001, True)),
    "its explanation is capped": answer(("a b c d e", True)),
}


def test_a_sound_backbone_keeps_every_promise() -> None:
    kept = checks.check_backbone(Numbers())
    assert kept == list(dict.fromkeys(map(str.strip, FAULTY_BACKBONES)))


@pytest.mark.parametrize("promise", FAULTY_BACKBONES)
def test_a_faulty_backbone_gets_an_error_that_names_the_promise(promise: str) -> None:
    faulty = type("Faulty", (Numbers,), FAULTY_BACKBONES[promise])()
    if promise == "it has every member":
        faulty = SimpleNamespace(layers=3)
    assert promise_of(lambda: checks.check_backbone(faulty)) == promise.strip()


def test_the_tolerance_of_a_batch_is_the_authors_choice() -> None:
    faulty = type("Faulty", (Numbers,), {"read": padded})()
    assert "a batch equals single reads" in checks.check_backbone(faulty, exact=0.1, shared=0.1)


# --- the doors between


FAULTY = (FAULTY_METHODS, FAULTY_SINKS, FAULTY_ALERT_SINKS, FAULTY_DATASETS, FAULTY_BACKBONES)


def test_every_check_of_every_kind_has_a_faulty_plug_in() -> None:
    modules = (method_checks, sink_checks, dataset_checks, backbone_checks)
    written = {
        name.strip("_").replace("_", " ")
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("_") and getattr(value, "__annotations__", {}).get("trial")
    }
    tried = {promise.strip() for faulty in FAULTY for promise in faulty}
    assert tried == written - {"answer", "same names"}


def test_names_and_objects_are_both_accepted() -> None:
    assert checks.check_method("one_class") == checks.check_method(methods.load("one_class"))
    assert checks.check_sink("csv") == checks.check_sink(sinks.load("csv"))
    assert datasets.find_dataset("folder").__name__ == "hiprobe.datasets.folder"
