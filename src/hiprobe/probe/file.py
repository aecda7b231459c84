"""The probe: fitted on hidden states and labels, kept in one file, scoring segments. Knows no video and no model.

The file is safetensors with one JSON header and is the whole configuration. A probe file may come from a stranger,
so nothing in it is believed before it is checked, and it cannot name code to import.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from hiprobe import methods
from hiprobe.errors import HiProbeError, ProbeError, RecipeMismatch
from hiprobe.localize import Localization
from hiprobe.probe.calibration import MIN_SEGMENTS as MIN_SEGMENTS
from hiprobe.probe.calibration import checked_values, difference
from hiprobe.probe.held_out import checked_scores
from hiprobe.store import write_atomic
from hiprobe.types import HiddenStates, Recipe, Site

SCHEMA = 1
MAX_BYTES = 512 * 2**20
MAX_INPUTS = 2**22  # sites x width that a file may claim: 16 layers of a model 262,144 wide
_KEYS = {"schema", "method", "recipe", "sites", "width", "tensors", "localization", "provenance"}
_DTYPES = {"F32": "float32", "F64": "float64"}
_UNSOUND = (
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
                raise ProbeError(
                    f"tensor {name!r} ({kind} {np.shape(tensor)}) is not of finite floats"
                )

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of the bytes that `save` writes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def check(self, recipe: Recipe) -> None:
        """Raises RecipeMismatch, naming the fields that differ, unless `recipe` is the probe's."""
        if recipe != self.recipe:
            raise RecipeMismatch(
                f"the probe was fitted with {difference(self.recipe, recipe)}",
                cure="fit a probe with this recipe, or extract with the probe's",
            )

    def score(self, states: HiddenStates) -> NDArray[np.float64]:
        """Raw scores (segments,) of one video, higher is more anomalous.

        Raises RecipeMismatch for states of another recipe, ProbeError for missing sites, another width, or values
        or scores that are not finite.
        """
        self.check(states.recipe)
        values = checked_values(states, self.sites)
        if values.shape[2] != self.width:
            raise ProbeError(
                f"states are {values.shape[2]} wide, the probe wants {self.width}",
                where=states.video_id,
            )
        return checked_scores(
            methods.load(self.method), values, self.tensors, f"video {states.video_id}"
        )

    def to_bytes(self) -> bytes:
        """The probe as a file: the same probe gives the same bytes."""
        from safetensors.numpy import save

        tensors = {name: np.ascontiguousarray(self.tensors[name]) for name in sorted(self.tensors)}
        header = {
            "schema": SCHEMA,
            "method": self.method,
            "recipe": self.recipe.to_json(),
            "width": self.width,
            "sites": [asdict(site) for site in self.sites],
            "localization": self.localization.to_json(),
            "tensors": {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()},
            "provenance": self.provenance,
        }
        return save(
            tensors,
            {"hiprobe": json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False)},
        )

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
            cure="name it if trusted",
        )
    sites = tuple(Site(**site) for site in header["sites"])
    probe = Probe(
        header["method"],
        recipe,
        sites,
        header["width"],
        tensors,
        settings,
        dict(header["provenance"]),
    )
    _try(probe)
    return probe


def _contents(data: bytes) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The JSON header and the tensors; refuses doubled keys and other dtypes, which safetensors takes."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8:
        raise ProbeError(f"{len(data)} bytes, cut short or no safetensors file")
    listing = _json(data[8 : 8 + size])
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
        checked_scores(
            methods.load(probe.method),
            np.zeros((2, len(probe.sites), probe.width)),
            probe.tensors,
            "a trial",
        )
