"""The probe: fitted on hidden states and labels, kept in one file, scoring segments. Knows no video and no model.

The file is safetensors with one JSON header and is the whole configuration. A probe file may come from a stranger,
so nothing in it is believed before it is checked, and it cannot name code to import.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.calibration import CLASSES, Calibration, Pairs, difference, gather, read, usable
from hiprobe.calibration import MIN_SEGMENTS as MIN_SEGMENTS
from hiprobe.errors import HiProbeError, ProbeError, RecipeMismatch, UsageError
from hiprobe.localize import Localization, calibrate
from hiprobe.methods import Method
from hiprobe.metrics import Folds, auc_interval, deal, frame_auc
from hiprobe.store import write_atomic
from hiprobe.types import FloatArray, HiddenStates, LabelArray, Recipe, Site

SCHEMA = 1
MAX_BYTES = 512 * 2**20
MAX_INPUTS = 2**22  # sites x width that a file may claim: 16 layers of a model 262,144 wide
NORMAL_QUANTILE = 0.99  # of out-of-fold normal scores: the threshold where no anomaly is known
_KEYS = {"schema", "method", "recipe", "sites", "width", "tensors", "localization", "provenance"}
_DTYPES = {"F32": "float32", "F64": "float64"}
_DEFAULT = Localization()
_UNSOUND = (HiProbeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted method: its name, the recipe and `sites` it reads (`width` each), tensors, and how scores become events.

    `provenance` is JSON: what it was fitted on, the layer and why, and out-of-fold figures. Raises ProbeError if a
    tensor is no finite float32 or float64 array.
    """

    method: str
    recipe: Recipe
    sites: tuple[Site, ...]
    width: int
    tensors: Mapping[str, NDArray[Any]]
    localization: Localization
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name, tensor in self.tensors.items():
            kind = tensor.dtype if isinstance(tensor, np.ndarray) else type(tensor).__name__
            if str(kind) not in _DTYPES.values() or not np.isfinite(tensor).all():
                raise ProbeError(f"tensor {name!r} ({kind} {np.shape(tensor)}) is not of finite floats")

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of the bytes that `save` writes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def check(self, recipe: Recipe) -> None:
        """Raises RecipeMismatch, naming the fields that differ, unless `recipe` is the probe's."""
        if recipe != self.recipe:
            raise RecipeMismatch(f"the probe was fitted with {difference(self.recipe, recipe)}",
                                 cure="fit a probe with this recipe, or extract with the probe's")

    def score(self, states: HiddenStates) -> NDArray[np.float64]:
        """Raw scores (segments,) of one video, higher is more anomalous.

        Raises RecipeMismatch for states of another recipe, ProbeError for missing sites, another width, or values
        or scores that are not finite.
        """
        self.check(states.recipe)
        values = read(states, self.sites)
        if values.shape[2] != self.width:
            raise ProbeError(f"states are {values.shape[2]} wide, the probe wants {self.width}", where=states.video_id)
        return _scored(methods.load(self.method), values, self.tensors, f"video {states.video_id}")

    def to_bytes(self) -> bytes:
        """The probe as a file: the same probe gives the same bytes."""
        from safetensors.numpy import save

        tensors = {name: np.ascontiguousarray(self.tensors[name]) for name in sorted(self.tensors)}
        header = {"schema": SCHEMA, "method": self.method, "recipe": self.recipe.to_json(), "width": self.width,
                  "sites": [asdict(site) for site in self.sites], "localization": self.localization.to_json(),
                  "tensors": {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()},
                  "provenance": self.provenance}
        return save(tensors, {"hiprobe": json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False)})

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the probe to `path`, whole or not at all; raises StoreError."""
        write_atomic(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | PathLike[str], *, method: str | None = None) -> Probe:
        """Reads a probe file; raises ProbeError, naming the file, for anything that is not a sound one.

        A `module:attribute` method is code to import: it is loaded only if the caller gives the same name as `method`.
        """
        try:
            return _unpack(_bytes(Path(path)), method)
        except OSError as error:
            raise ProbeError(f"cannot be read: {error.strerror}", where=path) from error
        except _UNSOUND as error:
            reason, cure = f"{type(error).__name__}: {error}", "fit it again, or fetch it again"
            if isinstance(error, HiProbeError):
                reason, cure = error.reason, error.cure or cure
            raise ProbeError(f"no sound probe file: {reason}", where=path, cure=cure) from error


def fit(method: str, pairs: Pairs, *, sites: Sequence[Site] | None = None, folds: int = 5,
        seed: int = 0, localization: Localization = _DEFAULT, permutations: int = 20, layer_curve: bool = True,
        provenance: Mapping[str, Any] | None = None) -> Probe:
    """Fits `method` on `pairs` of states and labels (segments,) per video: 1 anomalous, 0 normal, -1 left out.

    The sites are chosen on the whole set. The threshold and every AUC come from out-of-fold scores, smoothed per video
    over all its segments, with the selection repeated inside each fold; a fold holds whole videos. If a class lies in
    one video only, folds are made of segments, and `provenance["warnings"]` says so. The threshold has the best F1; a
    method of normal videos takes the 0.99 quantile of their scores, one without labels its own where there are none;
    `provenance["threshold_from"]` says which. `sites` are those to choose among (one forces it), by default the
    method's. `provenance` (dtype, device) is added. Same input and seed, same bytes.

    Raises LabelError for fewer than 4 segments of a class the method needs, RecipeMismatch for states of several
    recipes, ProbeError for states that are not finite or lack a site and for a regression that does not converge,
    UsageError for an unknown method or `sites` of a kind that it does not read.
    """
    how = methods.load(method)
    data = gather(how, pairs, sites)
    split = deal(data.labels, data.groups, CLASSES[how.LABELS], folds, seed)
    raw, picked = _held_out(how, data, split)
    held_out = data.smoothed(raw, localization.sigma)
    labels = usable(how, data.labels)
    chosen = _selected(how, data, labels)
    tensors = _tensors(how, data.at(chosen.indices, labels >= 0), labels[labels >= 0])
    settings, source = _localization(how, data.labels, held_out, localization)
    record = {
        **_described(data, chosen, seed),
        "baseline": _baseline(how, data, permutations, seed),
        "folds": {"count": split.number, "by": split.by, "sites": [data.names(p) for p in picked],
                  "agreement": float(np.mean([_shared(p, chosen.indices) for p in picked]))},
        "auc": _auc(data, held_out, seed),
        "threshold_from": source,
        "layers": _layers(how, data, split, localization.sigma, seed) if layer_curve else None,
        "warnings": list(split.warnings),
        "versions": {name: version(name) for name in ("numpy", "scikit-learn")},
        "states": dict(provenance or {}),
    }
    return Probe(method, data.states[0].recipe, tuple(data.sites[i] for i in chosen.indices), data.shape[2], tensors,
                 settings, json.loads(json.dumps(record)))


def _held_out(how: Method, data: Calibration, split: Folds, fixed: tuple[int, ...] | None = None,
              ) -> tuple[NDArray[np.float64], list[tuple[int, ...]]]:
    """Out-of-fold raw scores (n,), and each fold's sites: selected anew within the fold unless `fixed`, or one only."""
    raw, picked = np.full(len(data.labels), np.nan), []
    fixed = (0,) if len(data.sites) == 1 else fixed
    for fold in range(split.number):
        out = split.of == fold
        train = usable(how, np.where(out, -1, data.labels).astype(np.int8))
        indices = _selected(how, data, train).indices if fixed is None else fixed
        tensors = _tensors(how, data.at(indices, train >= 0), train[train >= 0])
        raw[out] = _scored(how, data.at(indices, out), tensors, f"fold {fold}")
        picked.append(indices)
    return raw, picked


def _selected(how: Method, data: Calibration, labels: LabelArray) -> methods.Selection:
    """What a method, which may be from outside, chooses; raises UsageError where it is no choice among the sites."""
    chosen, offered = how.select(data, labels), len(data.sites)
    if not isinstance(chosen, methods.Selection) or not chosen.indices or not all(
            isinstance(index, int | np.integer) and 0 <= index < offered for index in chosen.indices):
        raise UsageError(f"the method selects {str(chosen)[:80]}: no Selection of some of its {offered} sites")
    for name, curve in chosen.curves.items():
        if not isinstance(curve, np.ndarray) or curve.shape != (offered,) or not np.isfinite(curve).all():
            raise UsageError(f"the method's curve {name!r} is not one finite number for each of its {offered} sites")
    return chosen


def _tensors(how: Method, values: FloatArray, labels: LabelArray) -> dict[str, NDArray[Any]]:
    found = how.fit(values, labels)
    if not isinstance(found, dict):
        raise UsageError(f"the method fits {type(found).__name__}, not arrays by their names")
    return found


def _scored(how: Method, values: FloatArray, tensors: methods.Tensors, where: str) -> NDArray[np.float64]:
    """The method's scores (n,) of `values` (n, chosen, D): one for many segments would count for all of them."""
    scores = np.asarray(how.score(values, tensors))
    if scores.shape != values.shape[:1]:
        raise ProbeError(f"scores of shape {scores.shape} for {len(values)} segments", where=where)
    return _finite(scores, where)


def _shared(picked: Sequence[int], chosen: Sequence[int]) -> float:
    """The share of the chosen sites that a fold picked as well."""
    return len(set(picked) & set(chosen)) / len(set(chosen))


def _localization(how: Method, labels: LabelArray, held_out: NDArray[np.float64], settings: Localization,
                  ) -> tuple[Localization, str]:
    """The settings with the threshold they ask for, and where it is from."""
    if settings.rule != "calibrated":
        return settings, f"the {settings.rule} rule"
    if how.LABELS == "normal":
        limit = float(np.quantile(held_out[labels == 0], NORMAL_QUANTILE))
        return settings.with_threshold(limit), f"{NORMAL_QUANTILE} quantile of out-of-fold scores of normal segments"
    own = getattr(how, "THRESHOLD", None)
    if how.LABELS == "none" and own is not None and not {0, 1} <= set(labels.tolist()):
        return settings.with_threshold(float(own)), "the method's own, as no labels of both classes were given"
    source = "best F1 on the labelled segments" if how.LABELS == "none" else "best F1 of out-of-fold scores"
    return settings.with_threshold(calibrate(held_out, labels)), source


def _described(data: Calibration, chosen: methods.Selection, seed: int) -> dict[str, Any]:
    count = {name: int((data.labels == c).sum()) for name, c in (("anomalous", 1), ("normal", 0), ("left_out", -1))}
    why = "the only one offered" if len(data.sites) == 1 else f"selected among {len(data.sites)} on the whole set"
    videos = {states.video_id for states in data.states if len(states.starts)}
    return {"segments": count, "videos": sorted(videos), "seed": seed,
            "candidates": data.names(range(len(data.sites))), "chosen": data.names(chosen.indices), "why": why,
            "curves": {name: curve.tolist() for name, curve in chosen.curves.items()}}


def _baseline(how: Method, data: Calibration, permutations: int, seed: int) -> dict[str, Any] | None:
    """The method's curves under shuffled labels; None where it has none to offer or none is asked for."""
    measure = getattr(how, "baseline", None)
    if measure is None or not permutations:
        return None
    found = measure(data, usable(how, data.labels), permutations, seed)
    mean, std = ({name: curve.tolist() for name, curve in part.items()} for part in (found.mean, found.std))
    return {"permutations": permutations, "mean": mean, "std": std}


def _auc(data: Calibration, scores: NDArray[np.float64], seed: int) -> dict[str, float | None] | None:
    """Pooled AUC of the labelled segments with its 95 % interval over videos; None unless both classes are there."""
    if not {0, 1} <= set(data.labels.tolist()):
        return None
    rows = [(data.groups == group) & (data.labels >= 0) for group in np.unique(data.groups)]
    videos = [(data.labels[row], scores[row]) for row in rows if row.any()]
    low, high = auc_interval(videos, seed=seed) if len(videos) > 1 else (None, None)
    return {"value": frame_auc(videos), "low": low, "high": high}


def _layers(how: Method, data: Calibration, split: Folds, sigma: float, seed: int) -> list[dict[str, Any]] | None:
    """The out-of-fold AUC of each site on its own; None for methods that read no layers: heads are thousands."""
    if any(site.kind != "residual" for site in data.sites):
        return None
    curve = []
    for index in range(len(data.sites)):
        raw, _ = _held_out(how, data, split, fixed=(index,))
        curve.append({"site": str(data.sites[index]), "auc": _auc(data, data.smoothed(raw, sigma), seed)})
    return curve


def _finite(scores: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    if not np.isfinite(scores).all():
        raise ProbeError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite", where=where)
    return scores


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ProbeError(f"larger than {MAX_BYTES} bytes")
    return data


def _unpack(data: bytes, method: str | None) -> Probe:
    """A probe from a file's bytes; raises one of several errors, which `Probe.load` makes a ProbeError."""
    header, tensors = _contents(data)
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise ProbeError(f"not a header of schema {SCHEMA}: {str(header)[:80]}")
    _same("header", sorted(header), sorted(_KEYS))
    _same("tensors", {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()}, header["tensors"])
    recipe, settings = Recipe.from_json(header["recipe"]), Localization.from_json(header["localization"])
    _same("recipe", recipe.to_json(), header["recipe"])
    if ":" in header["method"] and header["method"] != method:
        raise ProbeError(f"its method {header['method']!r} is code from outside the package", cure="name it if trusted")
    sites = tuple(Site(**site) for site in header["sites"])
    probe = Probe(header["method"], recipe, sites, header["width"], tensors, settings, dict(header["provenance"]))
    _try(probe)
    return probe


def _contents(data: bytes) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The JSON header and the tensors; refuses doubled keys and other dtypes, which safetensors takes."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8:
        raise ProbeError(f"{len(data)} bytes, cut short or no safetensors file")
    listing = _json(data[8:8 + size])
    if not isinstance(listing, dict) or "hiprobe" not in listing.get("__metadata__", {}):
        raise ProbeError("a safetensors file without the header of a probe")
    for name, entry in listing.items():
        if name != "__metadata__" and entry["dtype"] not in _DTYPES:
            raise ProbeError(f"tensor {name!r} is {entry['dtype']}, not F32 or F64")
    try:
        return _json(listing["__metadata__"]["hiprobe"]), load(data)
    except SafetensorError as error:
        raise ProbeError(str(error)) from error


def _json(text: bytes | str) -> Any:
    """JSON without doubled keys, NaN or infinity; raises ValueError."""
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError(f"a key stands twice among {[key for key, _ in pairs][:8]}")
        return dict(pairs)

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON number")

    return json.loads(text, object_pairs_hook=once, parse_constant=refuse)


def _same(what: str, got: Any, stated: Any) -> None:
    if got != stated:
        raise ProbeError(f"{what}: {str(got)[:200]} where {str(stated)[:200]} is stated")


def _try(probe: Probe) -> None:
    """Scores two zero vectors: tensors missing or of wrong shapes show here, and not in the middle of a run."""
    if not 1 <= probe.width * len(probe.sites) <= MAX_INPUTS:
        raise ProbeError(f"{len(probe.sites)} sites of width {probe.width}")
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        _scored(methods.load(probe.method), np.zeros((2, len(probe.sites), probe.width)), probe.tensors, "a trial")
