"""The probe and its file. Knows no videos and no models.

The file is safetensors with one JSON header, and is the whole configuration. It may come from a
stranger: everything in it is checked, and it cannot make this program import code.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.disk.regular import read_regular
from hiprobe.disk.safetensors_header import read_header, strict_json
from hiprobe.errors import (
    EnvironmentFailed,
    HiProbeError,
    MissingProbe,
    ProbeError,
    RecipeMismatch,
)
from hiprobe.localize import Localization
from hiprobe.probe.calibration import MIN_SEGMENTS as MIN_SEGMENTS
from hiprobe.probe.calibration import checked_values, difference
from hiprobe.probe.held_out import checked_scores
from hiprobe.probe.verification_rule import VerificationRule
from hiprobe.ranges import require
from hiprobe.store import write_atomic
from hiprobe.types import HiddenStates, Recipe, Site
from hiprobe.types.tables import facts_html

SCHEMA = 2  # 1 had no rule of verification
MAX_BYTES = 512 * 2**20
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
MAX_INPUTS = 2**22  # the most sites x width of a file: 16 layers of a model 262,144 wide
_KEYS = {
    "schema",
    "method",
    "recipe",
    "sites",
    "width",
    "tensors",
    "localization",
    "verification",
    "provenance",
}
_OPTIONAL = {"causal_threshold"}  # left out while unknown, so that older files stay valid
_DTYPES = {"F32": "float32", "F64": "float64"}
_INVALID = (
    HiProbeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted method: what it reads, how it scores segments, and how scores become events.

    `recipe` and `sites` say what it reads, `width` is the size of the vector at each site,
    `tensors` are the fitted parameters, `localization` turns scores into events. `provenance` (JSON
    values) says what it was fitted on, which layer and why, and the out-of-fold metrics.
    `verification` says how events are checked by asking the model, None if they are not.
    `causal_threshold` is that of scores smoothed as `localization` says but looking back only, by
    which a watcher raises an alert before later scores are known; None if it was not calibrated.
    `source` is `org/name@commit` of a probe from the hub; it is no part of the file.
    Raises ProbeError for a tensor that is not a finite float32 or float64 array.

    >>> parameters = {"mean": np.zeros(2), "scale": np.ones(2)}
    >>> parameters |= {"weight": np.array([1.0, 0.0]), "bias": np.zeros(1)}
    >>> recipe, sites = Recipe("org/model", ("Is anything abnormal?",)), (Site("residual", 20),)
    >>> probe = Probe("hiprobe", recipe, sites, 2, parameters, Localization(), {})
    >>> times, values = np.arange(3) * 1.6, np.array([[[0.0, 0.0]], [[4.0, 0.0]]])
    >>> states = HiddenStates("ab", recipe, sites, times[:-1], times[1:], values, 3.2)
    >>> probe.score(states).round(3).tolist()
    [0.5, 0.982]
    """

    method: str
    recipe: Recipe
    sites: tuple[Site, ...]
    width: int
    tensors: Mapping[str, NDArray[Any]]
    localization: Localization
    provenance: Mapping[str, Any]
    verification: VerificationRule | None = None
    causal_threshold: float | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        for name, tensor in self.tensors.items():
            kind = tensor.dtype if isinstance(tensor, np.ndarray) else type(tensor).__name__
            if str(kind) not in _DTYPES.values() or not np.isfinite(tensor).all():
                raise ProbeError(
                    f"tensor {name!r} must be finite float32 or float64, "
                    f"got {kind} {np.shape(tensor)}"
                )

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of the bytes that `save` writes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def fitted_videos(self) -> frozenset[str]:
        """The digests of the videos that it was fitted on.

        Raises ProbeError if the provenance holds something else in their place.
        """
        found = self.provenance.get("videos", [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise ProbeError(
                "the entry `videos` must be a list of digests",
                where="the probe",
                cure="fit it again",
            )
        return frozenset(found)

    @property
    def video_count(self) -> int | None:
        """The number of videos that it was fitted on; None if it is not known.

        A probe that was shared may have the number without the digests.
        """
        found = self.provenance.get("videos")
        count = len(found) if isinstance(found, list) else self.provenance.get("video_count")
        return count if isinstance(count, int) else None

    def check(self, recipe: Recipe) -> None:
        """Raise RecipeMismatch, naming the fields that differ, unless `recipe` is the probe's."""
        if recipe != self.recipe:
            raise RecipeMismatch(
                f"the probe was fitted with {difference(self.recipe, recipe)}",
                cure="fit a probe with this recipe, or extract with the probe's",
            )

    def score(self, states: HiddenStates) -> NDArray[np.float64]:
        """Compute the raw scores (segments,) of one video; higher is more anomalous.

        Raises RecipeMismatch for states of another recipe, ProbeError for a missing site, another
        width, and values or scores that are not finite.
        """
        self.check(states.recipe)
        values = checked_values(states, self.sites)
        if values.shape[2] != self.width:
            raise ProbeError(
                f"states are {values.shape[2]} wide, the probe needs {self.width}",
                where=f"video {states.video_id}",
                cure="use the model that the probe was fitted with",
            )
        return checked_scores(
            methods.load(self.method), values, self.tensors, f"video {states.video_id}"
        )

    def to_bytes(self) -> bytes:
        """Return the content of the probe's file; equal probes give equal bytes."""
        from safetensors.numpy import save

        tensors = {name: np.ascontiguousarray(self.tensors[name]) for name in sorted(self.tensors)}
        header = {
            "schema": SCHEMA,
            "method": self.method,
            "recipe": self.recipe.to_json(),
            "width": self.width,
            "sites": [site.to_json() for site in self.sites],
            "localization": self.localization.to_json(),
            "verification": None if self.verification is None else self.verification.to_json(),
            "tensors": {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()},
            "provenance": self.provenance,
            **({} if (early := self.causal_threshold) is None else {"causal_threshold": early}),
        }
        return save(
            tensors,
            {"hiprobe": json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False)},
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the probe to `path`, completely or not at all; raises StoreError."""
        write_atomic(Path(path), self.to_bytes())

    def push_to_hub(
        self,
        name: str,
        *,
        licence: str | None = None,
        about: str | None = None,
        public: bool = False,
        digests: bool = False,
    ) -> str:
        """Upload the probe and a generated card to the hub; returns `org/name@commit`.

        What could tell of this machine or its videos is left out first: `probe.sharing` has what
        and how. `name` is `org/name`; a new repository is private unless `public`. `licence` is an
        identifier of the hub such as `apache-2.0`, `about` a text on the data for the card. With
        `digests` the digests of the videos are published too. Raises UsageError if you may not
        write there, StoreError if the upload fails, ProbeError if a text that would be published
        holds a path.
        """
        from hiprobe.probe.publishing import Publication, publish

        return str(publish(self, name, Publication(licence, about, public, digests)))

    @classmethod
    def from_hub(cls, reference: str, *, method: str | None = None) -> Probe:
        """Fetch and load the probe at `org/name@revision`; its `source` has the commit.

        Raises UsageError for another form of `reference`, and ProbeError as `load` does.
        """
        from hiprobe.probe.publishing import fetch_probe

        return fetch_probe(reference, method)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what the probe reads, and how good it was out of fold."""
        known = self.provenance
        return facts_html(
            {
                "probe": self.digest[:12],
                "method": self.method,
                "model": self.recipe.model,
                "reads": ", ".join(map(str, self.sites[:8])),
                "threshold": self.localization.threshold,
                "segments": _counts(known.get("segments")),
                "AUC, out of fold": _estimate(known.get("auc")),
            }
        )

    @classmethod
    def load(cls, path: str | PathLike[str], *, method: str | None = None) -> Probe:
        """Read a probe file; raises ProbeError, which names the file, unless it is a valid one.

        The error is a MissingProbe if there is no such file.

        A method `module:attribute` is code to import. It is loaded only if the caller trusts it by
        giving the same name as `method`.
        """
        try:
            return _unpack(read_regular(path, MAX_BYTES), method)
        except EnvironmentFailed:
            raise
        except OSError as error:
            if error.errno in ABSENT:
                raise MissingProbe(
                    "no such file",
                    where=path,
                    cure="check the path, or make a probe with hiprobe fit",
                ) from error
            raise ProbeError(f"cannot be read: {error.strerror}", where=path) from error
        except _INVALID as error:
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            reason, cure = f"{kind}{error}", "fit the probe again, or copy it again"
            if isinstance(error, HiProbeError):
                reason, cure = error.reason, error.cure or cure
            raise ProbeError(f"not a valid probe file: {reason}", where=path, cure=cure) from error


def _counts(found: Any) -> str | None:
    """Write a mapping of counts on one line; None if it is something else."""
    if not isinstance(found, Mapping):
        return None
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found.items())


def _estimate(found: Any) -> str | None:
    """Write a value with its interval; None if it is something else."""
    try:
        return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    except (KeyError, TypeError, ValueError):
        return None


def _unpack(data: bytes, method: str | None) -> Probe:
    """Build a probe from the bytes of a file; raises an error of `_INVALID`."""
    header, tensors = _contents(data)
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        got = header.get("schema") if isinstance(header, dict) else header
        raise ProbeError(
            f"the header must be of schema {SCHEMA}, got {str(got)[:80]}",
            cure="fit the probe again with this version of hiprobe",
        )
    _same("header", sorted(set(header) - _OPTIONAL), sorted(_KEYS))
    _same(
        "tensors",
        {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()},
        header["tensors"],
    )
    recipe, settings = (
        Recipe.from_json(header["recipe"]),
        Localization.from_json(header["localization"]),
    )
    _same("recipe", recipe.to_json(), header["recipe"])
    if ":" in header["method"] and header["method"] != method:
        raise ProbeError(
            f"its method {header['method']!r} is code from outside the package",
            cure="name the method if you trust it",
        )
    sites = tuple(Site.from_json(site) for site in header["sites"])
    asked = header["verification"]
    _check_numbers(header["provenance"])
    probe = Probe(
        header["method"],
        recipe,
        sites,
        header["width"],
        tensors,
        settings,
        dict(header["provenance"]),
        None if asked is None else VerificationRule.from_json(asked),
        header.get("causal_threshold"),
    )
    _check_shapes(probe)
    return probe


def _contents(data: bytes) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Read the JSON header and the tensors.

    Refuses repeated keys and other dtypes, which the safetensors library accepts.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    listing, _ = read_header(BytesIO(data), len(data))
    if "hiprobe" not in listing.get("__metadata__", {}):
        raise ProbeError("the safetensors file has no header of a probe")
    for name, entry in listing.items():
        if name != "__metadata__" and entry["dtype"] not in _DTYPES:
            raise ProbeError(f"tensor {name!r} must be F32 or F64, got {entry['dtype']}")
    try:
        return strict_json(listing["__metadata__"]["hiprobe"]), load(data)
    except SafetensorError as error:
        raise ProbeError(str(error)) from error


def _check_numbers(value: Any) -> None:
    """Raise ValueError for a number in JSON values that is not finite, such as 1e999."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _check_numbers(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        require("statement", value, "a number of the provenance")


def _same(what: str, got: Any, stated: Any) -> None:
    if got != stated:
        raise ProbeError(f"the {what} must be {str(stated)[:200]}, got {str(got)[:200]}")


def _check_shapes(probe: Probe) -> None:
    """Score two zero vectors, so that missing or misshapen tensors are found before a run."""
    require("vector width", probe.width)
    require("number of sites", len(probe.sites))
    if probe.causal_threshold is not None:
        require("threshold", probe.causal_threshold, "the causal threshold")
    if not 1 <= probe.width * len(probe.sites) <= MAX_INPUTS:
        raise ProbeError(
            f"sites x width must be 1 to {MAX_INPUTS}, "
            f"got {len(probe.sites)} sites of width {probe.width}"
        )
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        checked_scores(
            methods.load(probe.method),
            np.zeros((2, len(probe.sites), probe.width)),
            probe.tensors,
            "a trial",
        )
