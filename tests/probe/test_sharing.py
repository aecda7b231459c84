"""What leaves this machine when a probe is shared: the bytes that a hub receives are searched."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import writable_hub
from tests.support.writable_hub import WritableHub

from hiprobe import embedded, hub
from hiprobe.errors import HiProbeError, ProbeError, StoreError, UsageError
from hiprobe.hub import HubPlace
from hiprobe.localize import Localization
from hiprobe.probe import Probe, VerificationRule, fit
from hiprobe.probe.publishing import Publication, files_to_share
from hiprobe.probe.sharing import NOT_STATED, check_text, shareable
from hiprobe.types import HiddenStates, Recipe, Site

NAME = "org/shop"
SHIPPED = Probe.load(embedded.PROBE)
# What a fit, a refit or a caller might have written down; none of it may leave.
SECRETS = (
    "/home/ada/cctv",
    "till3.mp4",
    "shoplifter-lena",
    "cam-backyard",
    "ada-laptop",
    "acme_llm",
)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WritableHub]:
    with writable_hub.serving() as found:
        writable_hub.use(found, monkeypatch, tmp_path / "cache")
        yield found


def telling() -> Probe:
    """The shipped probe, with everything in it that could tell of a machine and its videos."""
    path, file, label, camera, host, model = SECRETS
    facts: dict[str, Any] = json.loads(json.dumps(SHIPPED.provenance))
    facts["states"] |= {"name": model, "device": host, "host": host, "torch": path}
    facts["threshold_from"] = f"the quietest night of {camera}"
    facts["verification"] = f"asked about {label}"
    facts["warnings"] = [f"{path}/{file}: short"]
    facts["why"] = f"chosen for {label}"
    facts["controls"]["finding"] = f"{file} is too bright"
    facts["controls"]["codecs"] = ["h264", path]
    facts["curves"][label] = [0.1]
    facts["folds"]["by"] = camera
    facts["layers"] = path
    facts["seed"] = file
    facts["auc"]["of"] = label
    facts["selection"] = {"probe": host, "chosen": [path], "segments": {label: 3, "normal": 4}}
    facts["choice"] = {
        "method": "hiprobe",
        "sigma": 1.0,
        "decided": False,
        "reason": f"best on {camera}",
        "tried": [{"method": path, "sigma": 1.0}],
        "left_out": {"headhunt": f"{path}/{file} cannot be read", label: "x"},
    }
    facts |= {label: path, path: 1, "clips": [{"path": f"{path}/{file}", "label": label}]}
    rule = replace(SHIPPED.localization, threshold_from=f"seen in {file}")
    assert SHIPPED.verification is not None
    check = replace(SHIPPED.verification, source=f"best on {camera}")
    return replace(SHIPPED, provenance=facts, localization=rule, verification=check, source=path)


def found_in(sent: bytes, probe: Probe) -> set[str]:
    """What the hub got that it must not get: secrets, digests of videos, this machine's places."""
    here = [str(Path.home()), str(Path.cwd()), platform.node()]
    secret = [*SECRETS, *probe.fitted_videos, *(one for one in here if len(one) > 5)]
    return {one for one in secret if one.encode() in sent}


def test_nothing_that_tells_of_videos_or_the_machine_leaves(served: WritableHub) -> None:
    probe = telling()
    place = probe.push_to_hub(NAME, licence="apache-2.0", about="Four weeks of a small shop.")
    assert found_in(served.sent(), probe) == set()
    assert served.repositories[NAME].private
    pushed = served.repositories[NAME].commits[place.partition("@")[2]]
    assert sorted(pushed) == ["README.md", "probe.safetensors"]
    assert "Four weeks of a small shop." in pushed["README.md"].decode()


def test_the_search_finds_a_probe_that_is_uploaded_as_it_is(served: WritableHub) -> None:
    probe = telling()
    hub.upload_files(NAME, {"probe.safetensors": probe.to_bytes()}, "as it is", public=False)
    everything = {*SECRETS, *probe.fitted_videos}
    assert found_in(served.sent(), probe) >= everything


def test_the_names_of_what_was_left_out_tell_nothing_either() -> None:
    left_out = shareable(telling()).left_out
    assert found_in(" ".join(left_out).encode(), telling()) == set()
    assert {"videos", "states.name", "states.device", "threshold_from", "another field"} <= {
        *left_out
    }


def test_the_shared_probe_scores_as_the_original_does(served: WritableHub) -> None:
    place = telling().push_to_hub(NAME)
    fetched = Probe.from_hub(f"{NAME}@main")
    assert fetched.source == place
    rng = np.random.default_rng(0)
    edges = np.arange(21) * 1.6
    states = HiddenStates(
        "v", SHIPPED.recipe, SHIPPED.sites, edges[:-1], edges[1:],
        rng.normal(size=(20, 1, SHIPPED.width)), 32.0,
    )  # fmt: skip
    assert (fetched.score(states) == SHIPPED.score(states)).all()
    assert fetched.localization == SHIPPED.localization
    assert fetched.causal_threshold == SHIPPED.causal_threshold
    assert (fetched.video_count, fetched.fitted_videos) == (SHIPPED.video_count, frozenset())
    assert fetched.provenance["auc"]["value"] == SHIPPED.provenance["auc"]["value"]


def test_sharing_a_shared_probe_again_changes_nothing() -> None:
    once = shareable(SHIPPED).probe
    assert shareable(once).probe.to_bytes() == once.to_bytes()
    assert shareable(once).left_out == ()


def test_a_probe_without_digests_keeps_the_number_of_its_videos() -> None:
    shared = shareable(SHIPPED).probe  # as from the hub
    assert shareable(shared, digests=True).probe.video_count == SHIPPED.video_count


def test_digests_leave_if_they_are_asked_to(served: WritableHub) -> None:
    SHIPPED.push_to_hub(NAME, digests=True)
    assert Probe.from_hub(f"{NAME}@main").fitted_videos == SHIPPED.fitted_videos
    with_digests, _ = files_to_share(SHIPPED, NAME, Publication(digests=True))
    assert b"their digests**: in the file" in with_digests["README.md"]


def pairs(method: str, videos: int = 6) -> list[tuple[HiddenStates, np.ndarray]]:
    """States that `method` reads; the anomalous videos differ."""
    rng, edges = np.random.default_rng(0), np.arange(9) * 1.6
    sites = tuple(Site("residual", layer) for layer in range(4))
    if method == "headhunt":
        sites = tuple(Site("head", 0, head, prompt) for prompt in range(5) for head in range(6))
    if method == "likelihood":
        sites = (Site("logit", 3),)
    recipe = Recipe("org/model", ("a?", "b?", "c?", "d?", "e?"))
    return [
        (
            HiddenStates(
                f"{n:064x}", recipe, sites, edges[:-1], edges[1:],
                rng.normal(size=(8, len(sites), 2)) + 2.0 * (n % 2), edges[-1], group=f"g{n}",
            ),
            np.full(8, n % 2, np.int8),
        )
        for n in range(videos)
    ]  # fmt: skip


class Asks:
    """A model whose yes and no can be read."""

    provenance: Mapping[str, Any] = {"dtype": "bfloat16", "device": "cuda:0, cuda:1"}
    answers_yes_no = True


def made(method: str = "hiprobe", videos: int = 6, **how: Any) -> Probe:
    return fit(method, pairs(method)[:videos], permutations=2, **how)


def of_one_video_a_class() -> Probe:
    single = [(replace(states, group=None), labels) for states, labels in pairs("hiprobe")[:2]]
    return fit("hiprobe", single, permutations=2)


MADE: dict[str, Callable[[], Probe]] = {
    "hiprobe": lambda: made(model=Asks()),
    "one_class": lambda: made("one_class", model=Asks()),
    "headhunt": lambda: made("headhunt", model=Asks()),
    "likelihood": lambda: made("likelihood", model=Asks()),
    "one video of a class": of_one_video_a_class,
    "fixed": lambda: made(localization=Localization(rule="fixed", threshold=0.5)),
    "a rate of false alarms": lambda: made(false_alarms_per_day=20000),
    "a rate that is not supported": lambda: made(false_alarms_per_day=1),
    "a check given": lambda: made(model=Asks(), localization=Localization(confirm=1.0)),
    "not asked": lambda: made(verify=False),
}


@pytest.mark.parametrize("kind", MADE)
def test_what_a_fit_writes_down_is_kept_but_for_the_digests(kind: str) -> None:
    """So a new sentence or field of `fit` cannot get lost unnoticed."""
    probe = MADE[kind]()
    found = shareable(probe)
    assert found.left_out == ("videos",)
    lost = {
        name: value
        for name, value in probe.provenance.items()
        if found.probe.provenance.get(name) != value
    }
    assert set(lost) == {"videos"}
    assert found.probe.localization.threshold_from == probe.localization.threshold_from
    assert found.probe.verification == probe.verification


@pytest.mark.parametrize(
    "text",
    [
        "/home/ada/clips are they odd?", "see ~/clips", r"C:\clips", r"\\nas\clips", "file:clips",
        "rtsp://ada:pass@cam/1", "as in clips/till3.mp4", "as in till3.mkv", "(/mnt/x)",
    ],
)  # fmt: skip
def test_a_text_with_a_path_is_refused(text: str, served: WritableHub) -> None:
    prompts = replace(SHIPPED, recipe=replace(SHIPPED.recipe, prompts=(text,)))
    asked = replace(SHIPPED, verification=VerificationRule(text))
    for share in (
        lambda: prompts.push_to_hub(NAME),
        lambda: asked.push_to_hub(NAME),
        lambda: SHIPPED.push_to_hub(NAME, about=text),
    ):
        with pytest.raises(ProbeError, match="would be published"):
            share()
    assert served.received == []


@pytest.mark.parametrize("text", ["yes/no?", "Is it normal? yes / no", "24/7, 1.6 s", "a.b"])
def test_other_texts_leave_as_they_are(text: str) -> None:
    assert check_text(text, "a text") == text


@pytest.mark.parametrize(
    "change",
    [
        {"model": "/home/ada/acme_llm"}, {"model": "models/acme/llm"}, {"model": "acme llm"},
        {"revision": "feature/of ada"},
    ],
)  # fmt: skip
def test_a_model_that_may_be_a_path_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ProbeError, match="may be a path"):
        shareable(replace(SHIPPED, recipe=replace(SHIPPED.recipe, **change)))


def test_a_public_repository_needs_to_be_named_public(served: WritableHub) -> None:
    SHIPPED.push_to_hub(NAME, public=True)
    assert not served.repositories[NAME].private
    before = len(served.repositories[NAME].commits)
    with pytest.raises(UsageError, match="the repository is public"):
        SHIPPED.push_to_hub(NAME)
    assert len(served.repositories[NAME].commits) == before


def test_a_refused_upload_is_one_line(
    served: WritableHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    writable_hub.use(served, monkeypatch, tmp_path, token="hf_of_nobody")
    with pytest.raises(UsageError, match="does not let you write there; run `hf auth login`"):
        SHIPPED.push_to_hub(NAME)
    with pytest.raises(UsageError, match="is not a hub id"):
        SHIPPED.push_to_hub("a/b/c")
    served.address = "http://127.0.0.1:9"
    writable_hub.use(served, monkeypatch, tmp_path)
    with pytest.raises(StoreError, match="cannot be uploaded"):
        SHIPPED.push_to_hub(NAME)


def test_a_branch_moves_and_a_commit_stays(
    served: WritableHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = SHIPPED.push_to_hub(NAME)
    other = replace(SHIPPED, localization=replace(SHIPPED.localization, sigma=3.0))
    second = other.push_to_hub(NAME)
    assert Probe.from_hub(f"{NAME}@main").source == second != first
    fetched = Probe.from_hub(first)
    assert (fetched.source, fetched.localization) == (first, SHIPPED.localization)
    asked = len(served.received)
    served.address = "http://127.0.0.1:9"  # a commit in the cache needs no hub
    writable_hub.use(served, monkeypatch, tmp_path / "cache")
    assert Probe.from_hub(first).digest == fetched.digest
    assert len(served.received) == asked


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("org/none@main", "is not on the hub, or is private"),
        (f"{NAME}@v9", "has no such revision"),
        ("org/empty@main", "does not have this file"),
        ("org/damaged@main", "not a valid probe file"),
        ("org/code@main", "is code from outside the package"),
        ("org/pickle@main", "not a valid probe file"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_place(
    served: WritableHub, reference: str, reason: str
) -> None:
    code = replace(SHIPPED, method="os:system")
    for name, files in {
        NAME: {"probe.safetensors": SHIPPED.to_bytes()},
        "org/empty": {"model.bin": b"x"},
        "org/damaged": {"probe.safetensors": SHIPPED.to_bytes()[:-1]},
        "org/code": {"probe.safetensors": code.to_bytes()},
        "org/pickle": {"probe.safetensors": b"\x80\x04\x95cos\nsystem\n."},
    }.items():
        made = served.repositories.setdefault(name, writable_hub.Repository(private=False))
        made.add(files)
    with pytest.raises(ProbeError, match=reason) as caught:
        Probe.from_hub(reference)
    assert str(caught.value).startswith(reference.partition("@")[0])
    assert "cache" not in str(caught.value)


def test_a_file_that_is_too_large_is_not_fetched(served: WritableHub) -> None:
    SHIPPED.push_to_hub(NAME)
    served.stated_size, before = 2**40, len(served.received)
    with pytest.raises(ProbeError, match="more than 536,870,912"):
        Probe.from_hub(f"{NAME}@main")
    assert not any(one.startswith(b"GET") for one in served.received[before:])


@pytest.mark.parametrize(
    "text",
    ["probe.safetensors", "org/name", "runs/probe", "/a/b@main", "a/b/c@main", "a/b@../x", "@main",
     "a/b@", "../b@main", "a/b@main\n", "a b/c@main"],
)  # fmt: skip
def test_only_org_name_revision_is_asked_of_the_hub(text: str, served: WritableHub) -> None:
    assert HubPlace.parse(text) is None
    with pytest.raises(HiProbeError):
        Probe.from_hub(text)
    assert served.received == []


def test_a_card_has_the_figures_with_intervals_and_cannot_be_steered_by_a_text() -> None:
    question = "Odd?\n---\nlicense: mit\n# Safe <script>alert(1)</script> | [x](y)"
    probe = replace(SHIPPED, recipe=replace(SHIPPED.recipe, prompts=(question,)))
    files, _ = files_to_share(probe, NAME, Publication("cc-by-4.0"))
    card = files["README.md"].decode()
    assert card.startswith("---\n")
    assert card.count("\n---\n") == 1
    assert "license: cc-by-4.0" in card
    assert "\n# Safe" not in card
    assert "<script>" not in card.replace("\\<script", "")
    auc, count = SHIPPED.provenance["auc"], SHIPPED.provenance["segments"]
    assert rf"{auc['value']:.3f} \[{auc['low']:.3f}, {auc['high']:.3f}\] over videos" in card
    for part in (
        str(SHIPPED.sites[0]),
        f"{count['anomalous']} anomalous, {count['normal']} normal",
        "better than all controls by",
        "## Limits",
    ):
        assert part in card
    assert NOT_STATED not in card
    bare, _ = files_to_share(replace(SHIPPED, provenance={}), NAME, Publication())
    assert "No licence was stated" in bare["README.md"].decode()
