"""The recipe of a method on a model, with what the user changed. Knows no video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hiprobe import methods
from hiprobe.backbones import ModelFacts
from hiprobe.errors import ModelError, UsageError, counted
from hiprobe.types import Recipe, Unit


@dataclass(frozen=True)
class RecipeOptions:
    """What to change in a model's recipe; None or empty leaves it as it is.

    `segment_s` is in seconds, `size` is (height, width) in pixels. `unit` "video" reads one window
    over each whole video.
    """

    prompts: Sequence[str] = ()
    segment_s: float | None = None
    frames: int | None = None
    size: tuple[int, int] | None = None
    unit: Unit | None = None

    def check(self, method: str) -> None:
        """Raise UsageError for more or fewer prompts than `method` asks; needs no model."""
        _asked(method, self.prompts)

    def recipe(self, method: str, model: ModelFacts) -> Recipe:
        """Return the model's recipe with the questions of `method`, and these changes.

        Raises UsageError for more or fewer prompts than the method asks, for a value out of range,
        and for a size that the model does not take or would scale up again; ModelError if the model
        does not know a word of the method's own questions.
        """
        given = {name: getattr(self, name) for name in ("segment_s", "frames", "size", "unit")}
        changes = {name: value for name, value in given.items() if value is not None}
        try:
            made = replace(recipe_for(method, model, self.prompts), **changes)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if self.size is not None:
            getattr(model, "check_size", lambda recipe: None)(made)
        return made


def recipe_for(method: str, model: ModelFacts, prompts: Sequence[str] = ()) -> Recipe:
    """Return the model's recipe with the questions of `method`, or with `prompts` in their place.

    Raises UsageError for more or fewer `prompts` than the method asks, ModelError if the model does
    not know a word of the method's own questions.
    """
    asked = _asked(method, prompts)
    if not prompts:
        _check_words(method, model, asked)
    return replace(model.recipe, prompts=asked) if asked else model.recipe


def _asked(method: str, prompts: Sequence[str]) -> tuple[str, ...]:
    """Return the questions to ask; empty for the model's own. Raises UsageError."""
    own = methods.load(method).PROMPTS
    most = max(len(own), 1)
    if prompts and len(prompts) != most:
        raise UsageError(f"method {method} asks {counted(most, 'question')}, not {len(prompts)}")
    return tuple(prompts) or own


def _check_words(method: str, model: ModelFacts, asked: Sequence[str]) -> None:
    """Raise ModelError if the model says that it lacks a word of what `method` asks."""
    lacking = getattr(model, "unknown_words", lambda text: ())
    unknown = dict.fromkeys(word for text in asked for word in lacking(text))
    if unknown:
        raise ModelError(
            f"method {method} asks with words that the model does not know: {', '.join(unknown)}",
            where=str(model.provenance.get("name", model.recipe.model)),
            cure="use another method, or ask in other words with --prompt",
        )
