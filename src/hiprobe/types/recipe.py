"""Where the model is read, and every setting that changes what is read there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from hiprobe.ranges import require
from hiprobe.types.events import check

SiteKind = Literal["residual", "head", "logit"]
SITE_KINDS = ("residual", "head", "logit")
Unit = Literal["segment", "video"]
UNITS = ("segment", "video")
YES_NO = ("yes", "no")
MOST_ANSWERS = 100  # of one logit site
_ANSWERS, _WORD = "answers=", re.compile(r"\w{1,40}")
SEGMENT_S = 1.6  # seconds of video in a segment, unless a recipe says otherwise
EXTERNAL = "external:"  # before the model of a recipe whose states another tool read
FRAMES = 16  # sampled in a segment, unless a recipe says otherwise


@dataclass(frozen=True, order=True)
class Site:
    """A place in the model where a vector is read, at the last position of prompt `prompt`.

    - `residual`: the residual stream after decoder block `layer`, before the final norm.
    - `head`: the slice of the `o_proj` input of block `layer` that belongs to `head`.
    - `logit`: the logits with which each of `answers` would begin, for which the whole model runs;
      `answers` are words, () for yes and no.

    Layers, heads and prompts are counted from 0. Raises ValueError for another kind, a negative
    number, a head or answers where the kind has none, and answers that are not different words.

    >>> print(Site("residual", 20))
    residual/layer20/prompt0
    >>> Site.parse("head/layer3/head5/prompt0")
    Site(kind='head', layer=3, head=5, prompt=0, answers=())
    >>> print(Site("logit", 27), Site("logit", 27, answers=("low", "high")))
    logit/layer27/prompt0 logit/layer27/prompt0/answers=low,high
    """

    kind: SiteKind
    layer: int
    head: int | None = None
    prompt: int = 0
    answers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(
            self.kind in SITE_KINDS,
            f"the kind of a site must be one of {SITE_KINDS}, got {self.kind!r}",
        )
        check(
            (self.head is not None) == (self.kind == "head"),
            f"a site of kind 'head' needs a head, and other kinds have none, got {self!r}",
        )
        require("layer", self.layer)
        require("prompt", self.prompt)
        if self.head is not None:
            require("head", self.head)
        self._check_answers()

    def _check_answers(self) -> None:
        given = self.answers
        check(
            not given or self.kind == "logit",
            f"only a site of kind 'logit' has answers, got {self!r}",
        )
        check(
            len(given) != 1
            and len(set(given)) == len(given) <= MOST_ANSWERS
            and all(_WORD.fullmatch(word) for word in given)
            and given != YES_NO,
            f"answers must be 2 to {MOST_ANSWERS} different words, () for yes and no, "
            f"got {given!r}",
        )

    @property
    def answer_words(self) -> tuple[str, ...]:
        """The answers whose logits are read, yes and no unless others are named.

        >>> Site("logit", 27).answer_words
        ('yes', 'no')
        """
        return self.answers or YES_NO

    def to_json(self) -> dict[str, Any]:
        """Return the site as JSON values; answers only where they are not yes and no."""
        values = {**asdict(self), "answers": list(self.answers)}
        return values if self.answers else {k: v for k, v in values.items() if k != "answers"}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Site:
        """Build a site from the values of `to_json`; raises TypeError or ValueError."""
        return cls(**{**values, "answers": tuple(values.get("answers", ()))})

    def __str__(self) -> str:
        head = "" if self.head is None else f"/head{self.head}"
        words = f"/{_ANSWERS}{','.join(self.answers)}" if self.answers else ""
        return f"{self.kind}/layer{self.layer}{head}/prompt{self.prompt}{words}"

    @classmethod
    def parse(cls, text: str) -> Site:
        """Read a site from its text, the inverse of `str`; raises ValueError for any other text."""
        kind, *parts = text.split("/")
        answers: tuple[str, ...] = ()
        if parts and parts[-1].startswith(_ANSWERS):
            answers = tuple(parts.pop().removeprefix(_ANSWERS).split(","))
        names = ("layer", "head", "prompt") if kind == "head" else ("layer", "prompt")
        check(len(parts) == len(names), f"not a site: {text!r}")
        numbers = {
            name: int(part.removeprefix(name)) for name, part in zip(names, parts, strict=True)
        }
        site = cls(kind, **numbers, answers=answers)  # type: ignore[arg-type]
        check(str(site) == text, f"not a site: {text!r}")
        return site


@dataclass(frozen=True)
class Recipe:
    """Every setting that changes a hidden state; equal digests mean comparable states.

    `model` is a hub id, or `sha256:...` of the content of a local folder. A segment is `segment_s`
    seconds long and is read as `frames` frames, resized to `size` (height, width); None keeps their
    own size. `unit` "video" reads one window of `frames` frames over a whole video, to fit on
    (HeadHunt-VAD); detection reads segments. Precision and device are not part of the recipe but of
    the provenance. Raises ValueError for settings out of range.

    >>> recipe = Recipe("org/model", ("Is anything abnormal?",), frames=8)
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    """

    model: str
    prompts: tuple[str, ...]
    revision: str | None = None
    segment_s: float = SEGMENT_S
    frames: int = FRAMES
    size: tuple[int, int] | None = None
    unit: Unit = "segment"

    def __post_init__(self) -> None:
        check(
            bool(self.prompts) and all(isinstance(p, str) and p for p in self.prompts),
            f"a recipe needs at least one prompt and no empty one, got {self.prompts!r}",
        )
        require("number of prompts", len(self.prompts))
        require("segment_s", self.segment_s)
        require("frames", self.frames)
        check(self.unit in UNITS, f"unit must be one of {UNITS}, got {self.unit!r}")
        if self.size is not None:
            check(len(self.size) == 2, f"size must be height and width, got {self.size!r}")
            height, width = self.size
            require("height", height)
            require("width", width)
            require("bytes of a window", self.frames * height * width * 3)

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON values, the form that is digested and stored.

        A unit of segments is left out, as in recipes that were stored before there was another.
        """
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.unit == "segment":
            del values["unit"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from the values of `to_json`; raises TypeError or ValueError."""
        size = values.get("size")
        return cls(
            **{**values, "prompts": tuple(values["prompts"]), "size": tuple(size) if size else None}
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe as canonical JSON, in hex."""
        return digest_json(self.to_json())


def digest_json(value: Any) -> str:
    """Return the SHA-256, in hex, of a JSON value written with sorted keys and without spaces."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
