"""Check a backbone: its facts, reads and explanations on clips of noise. Needs no torch."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe import backbones
from hiprobe.checks.promises import Broken, lacking, refusal, run_checks, title
from hiprobe.types import Recipe, Segment, Site

EXACT = 1e-6  # of scale: reads of other batches on a CPU in float32
SHARED = 5e-5  # of scale: several prompts whose common beginning is computed once
MATTERS = 1e-4  # of scale: what other frames or another prompt change at least
QUESTIONS = ("describe the scene", "answer yes or no", "is anything wrong here")
SIDE = 64  # pixels of a clip where the recipe names no size
MAX_CHARACTERS = 2000
PATIENCE_S = 60.0


class BackboneTrial:
    """A backbone and the clips it is shown; `exact` and `shared` bound differences, of scale."""

    def __init__(self, backbone: Any, exact: float, shared: float) -> None:
        self.backbone, self.exact, self.shared = backbone, exact, shared

    @cached_property
    def recipe(self) -> Recipe:
        """The backbone's recipe with its first prompt only."""
        recipe: Recipe = self.backbone.recipe
        return replace(recipe, prompts=recipe.prompts[:1])

    @cached_property
    def residuals(self) -> tuple[Site, ...]:
        """The residual site of every layer."""
        return tuple(Site("residual", layer) for layer in range(self.backbone.layers))

    @cached_property
    def last(self) -> tuple[Site, ...]:
        """The last layer."""
        return self.residuals[-1:]

    @cached_property
    def clips(self) -> list[Segment]:
        """Three segments of noise, one after the other, as the recipe wants them."""
        return [_noise(self.recipe, index) for index in range(3)]

    @cached_property
    def states(self) -> NDArray[np.float32]:
        """The vectors (1, layers, width) of the first clip, read once."""
        return self.read(self.clips[:1], self.residuals)

    def read(
        self, segments: Sequence[Segment], sites: Sequence[Site], recipe: Recipe | None = None
    ) -> NDArray[np.float32]:
        """Return what the backbone reads, under one prompt unless a recipe is given."""
        values: NDArray[np.float32] = self.backbone.read(segments, sites, recipe or self.recipe)
        return values


def check_backbone(backbone: Any, *, exact: float = EXACT, shared: float = SHARED) -> list[str]:
    """Check a backbone, given by name or as an object; return the promises it keeps.

    `exact` bounds how far a batch may differ from single reads, `shared` how far several prompts in
    one read may differ from each alone, both as a share of the largest value. The defaults are for
    float32 on a CPU; use about 0.05 for 16 bits. Raises BrokenPromise for the first promise it
    breaks, UsageError or ModelError if a name cannot be loaded.

    >>> "a layer alone equals all layers together" in check_backbone("embedded")
    True
    """
    model = backbones.load(backbone) if isinstance(backbone, str) else backbone
    return run_checks(title("backbone", backbone), BackboneTrial(model, exact, shared), _CHECKS)


def _noise(recipe: Recipe, index: int) -> Segment:
    height, width = recipe.size or (SIDE, SIDE)
    start = index * recipe.segment_s
    offsets = (np.arange(recipe.frames) + 0.5) * recipe.segment_s / recipe.frames
    shape = (recipe.frames, height, width, 3)
    frames = np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)
    return Segment(frames, start + offsets, start, start + recipe.segment_s, index)


def _largest_difference(values: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Return the largest difference as a share of the largest true value."""
    scale = float(np.abs(truth).max()) or 1.0
    return float(np.abs(values - truth).max()) / scale


def _it_has_every_member(trial: BackboneTrial) -> Broken | None:
    return lacking(trial.backbone, backbones.MEMBERS)


def _its_sizes_are_sound(trial: BackboneTrial) -> Broken | None:
    model = trial.backbone
    for name in ("layers", "heads", "width", "batch"):
        value = getattr(model, name)
        if not isinstance(value, int) or value < 1:
            return Broken(f"{name} is {value!r}", "give a whole number of at least 1")
    sound = {layer for layer in model.head_layers if 0 <= layer < model.layers}
    if tuple(sorted(sound)) != tuple(model.head_layers):
        return Broken(f"head_layers is {model.head_layers!r}", "list layers in order, each once")
    if model.head_layers and not (isinstance(model.head_width, int) and model.head_width > 0):
        return Broken(f"head_width is {model.head_width!r}", "give the length of a head vector")
    return None


def _its_words_and_provenance_are_sound(trial: BackboneTrial) -> Broken | None:
    model = trial.backbone
    if not isinstance(model.recipe, Recipe):
        return Broken(f"recipe is {type(model.recipe).__name__}", "give a hiprobe.Recipe")
    if not isinstance(model.explain_prompt, str) or not model.explain_prompt:
        return Broken(f"explain_prompt is {model.explain_prompt!r}", "give a question")
    if model.explain_span_s is not None and not model.explain_span_s > 0:
        return Broken(f"explain_span_s is {model.explain_span_s!r}", "give seconds or None")
    if model.notice is not None and len(str(model.notice).splitlines()) != 1:
        return Broken(f"notice is {model.notice!r}", "give one line or None")
    if not set(getattr(model, "reads_times", ())) <= {"length", "moments"}:
        return Broken(
            f"reads_times is {model.reads_times!r}", 'give a tuple of "length" and "moments"'
        )
    if not isinstance(getattr(model, "answers_yes_no", False), bool):
        return Broken(f"answers_yes_no is {model.answers_yes_no!r}", "give True or False")
    json.dumps(dict(model.provenance), allow_nan=False)
    if not {"dtype", "device"} <= set(model.provenance):
        return Broken("provenance lacks dtype or device", "name the precision and the device")
    return None


def _it_reads_one_vector_for_each_segment_and_site(trial: BackboneTrial) -> Broken | None:
    for count in (2, 0):
        values = trial.read(trial.clips[:count], trial.residuals)
        wanted = (count, trial.backbone.layers, trial.backbone.width)
        kind = getattr(values, "dtype", type(values).__name__)
        if kind != np.float32 or values.shape != wanted or not np.isfinite(values).all():
            return Broken(
                f"{count} segments give {kind} {np.shape(values)}", f"give finite float32 {wanted}"
            )
    return None


def _it_leaves_the_frames_as_they_are(trial: BackboneTrial) -> Broken | None:
    one = _noise(trial.recipe, index=9)
    before = one.frames.copy()
    trial.read([one], trial.residuals)
    same = np.array_equal(one.frames, before)
    return None if same else Broken("read wrote into the frames", "work on a copy")


def _it_reads_the_same_again(trial: BackboneTrial) -> Broken | None:
    same = np.array_equal(trial.read(trial.clips[:1], trial.residuals), trial.states)
    return None if same else Broken("two reads differ", "turn off randomness")


def _it_keeps_the_order_of_the_sites(trial: BackboneTrial) -> Broken | None:
    backwards = trial.read(trial.clips[:1], trial.residuals[::-1])
    if not np.array_equal(trial.states, backwards[:, ::-1]):
        return Broken("sites in another order give different vectors", "give column i for sites[i]")
    return None


def _a_layer_alone_equals_all_layers_together(trial: BackboneTrial) -> Broken | None:
    for site in trial.residuals:
        alone = trial.read(trial.clips[:1], [site])
        if not np.array_equal(alone[:, 0], trial.states[:, site.layer]):
            return Broken(
                f"{site} read alone has different bits", "stop early without changing the states"
            )
    return None


def _layers_differ(trial: BackboneTrial) -> Broken | None:
    for layer in range(1, len(trial.residuals)):
        if np.array_equal(trial.states[0, layer], trial.states[0, layer - 1]):
            return Broken(f"layers {layer - 1} and {layer} are equal", "read after each block")
    return None


def _a_batch_equals_single_reads(trial: BackboneTrial) -> Broken | None:
    batched = trial.read(trial.clips, trial.residuals)
    others = [trial.read([one], trial.residuals) for one in trial.clips[1:]]
    single = np.concatenate([trial.states, *others])
    if (far := _largest_difference(batched, single)) > trial.exact:
        return Broken(
            f"a batch differs by {far:.1g} of scale, allowed {trial.exact:.1g}",
            "do not pad, and do not let segments see each other",
        )
    return None


def _heads_are_read_alone_and_together(trial: BackboneTrial) -> Broken | None:
    model = trial.backbone
    sites = [
        Site("head", layer, head) for layer in model.head_layers for head in range(model.heads)
    ]
    if not sites:
        return None
    values = trial.read(trial.clips[:1], sites)
    if values.shape != (1, len(sites), model.head_width):
        return Broken(f"heads give {values.shape}", f"give {(1, len(sites), model.head_width)}")
    for place in (0, len(sites) - 1):
        if not np.array_equal(trial.read(trial.clips[:1], [sites[place]])[0, 0], values[0, place]):
            return Broken(f"{sites[place]} read alone has different bits", "slice the same vector")
    return None


def _its_yes_and_no_are_read_where_it_says_so(trial: BackboneTrial) -> Broken | None:
    if not getattr(trial.backbone, "answers_yes_no", False):
        return None
    site = Site("logit", trial.backbone.layers - 1)
    for count in (2, 0):
        values = trial.read(trial.clips[:count], [site])
        if values.shape != (count, 1, 2) or not np.isfinite(values).all():
            return Broken(
                f"{count} segments give {np.shape(values)} at {site}",
                f"give finite logits {(count, 1, 2)} of yes and no, or leave answers_yes_no out",
            )
    return None


def _several_prompts_equal_each_alone(trial: BackboneTrial) -> Broken | None:
    own = trial.recipe.prompts[0]
    prompts = (*[question for question in QUESTIONS if question != own][:2], own)
    recipe, order = replace(trial.recipe, prompts=prompts), (2, 0, 1)
    sites = [replace(site, prompt=prompt) for prompt in order for site in trial.residuals]
    values, again = (trial.read(trial.clips[:2], sites, recipe) for _ in range(2))
    if not np.array_equal(values, again):
        return Broken("two reads of several prompts differ", "turn off randomness")
    values = values.reshape(2, 3, len(trial.residuals), -1)
    for place, prompt in enumerate(order):
        lone = replace(trial.recipe, prompts=(prompts[prompt],))
        far = _largest_difference(
            values[:, place], trial.read(trial.clips[:2], trial.residuals, lone)
        )
        if far > trial.shared:
            return Broken(
                f"prompt {prompt} differs by {far:.1g} of scale, allowed {trial.shared:.1g}",
                "read each prompt as if it were alone",
            )
    if _largest_difference(values[:, 0], values[:, 1]) <= MATTERS:
        return Broken("two prompts give the same state", "ask recipe.prompts[site.prompt]")
    return None


def _frames_and_their_order_matter(trial: BackboneTrial) -> Broken | None:
    one, other = trial.clips[:2]
    other = replace(one, frames=other.frames)
    backwards = replace(one, frames=np.ascontiguousarray(one.frames[::-1]))
    values = trial.read([one, other, backwards], trial.last)
    for place, what in ((1, "other frames"), (2, "the frames backwards")):
        if _largest_difference(values[place], values[0]) <= MATTERS:
            return Broken(f"{what} give the same state", "show every frame, in order")
    return None


def _the_place_in_the_video_does_not_matter(trial: BackboneTrial) -> Broken | None:
    one = trial.clips[0]
    later = replace(
        one, times=one.times + 4800.0, start=one.start + 4800.0, end=one.end + 4800.0, index=3000
    )
    if not np.array_equal(trial.read([later], trial.residuals), trial.states):
        return Broken(
            "the same frames later in the video give different bits",
            "count times from segment.start",
        )
    return None


def _it_refuses_sites_it_does_not_have(trial: BackboneTrial) -> Broken | None:
    model = trial.backbone
    sites = [Site("residual", model.layers), Site("residual", 0, prompt=1)]
    sites += [Site("head", layer, model.heads) for layer in model.head_layers[:1]]
    sites += [Site("head", layer, 0) for layer in {*range(model.layers)} - {*model.head_layers}][:1]
    reads = [partial(trial.read, trial.clips[:1], [site]) for site in sites]
    broken = [refusal(read, str(site)) for read, site in zip(reads, sites, strict=True)]
    return next((one for one in broken if one), None)


def _it_refuses_what_its_recipe_does_not_fit(trial: BackboneTrial) -> Broken | None:
    one = trial.clips[0]
    short = replace(one, frames=one.frames[:-1], times=one.times[:-1])
    other = replace(trial.recipe, model="another/model")
    if len(one.frames) > 1 and (
        broken := refusal(lambda: trial.read([short], trial.last), "a segment with too few frames")
    ):
        return broken
    return refusal(lambda: trial.read([one], trial.last, other), "a recipe for another model")


def _it_explains_in_one_line_of_text(trial: BackboneTrial) -> Broken | None:
    text, abnormal = _answer(trial, 8, PATIENCE_S)
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS or len(text.splitlines()) > 1:
        return Broken(f"it answers {text!r:.80}", f"give one line of {MAX_CHARACTERS} characters")
    if abnormal not in (True, False, None):
        return Broken(f"abnormal is {abnormal!r}", "give True, False or None")
    if (text, abnormal) != _answer(trial, 8, PATIENCE_S):
        return Broken("the same question gets a different answer", "decode greedily")
    return None


def _its_explanation_is_capped(trial: BackboneTrial) -> Broken | None:
    begun = time.monotonic()
    for tokens, deadline_s, most in ((3, PATIENCE_S, 3), (1000, 0.0, 1)):
        text, _ = _answer(trial, tokens, deadline_s)
        if len(text.split()) > most:
            return Broken(
                f"{len(text.split())} words for max_tokens={tokens} and deadline_s={deadline_s:g}",
                "stop after max_tokens, and start no token after deadline_s but the first",
            )
    late = time.monotonic() - begun > 2 * PATIENCE_S
    return Broken("it answers long after its deadline", "look at deadline_s") if late else None


def _answer(trial: BackboneTrial, tokens: int, deadline_s: float) -> tuple[str, bool | None]:
    model = trial.backbone
    made: tuple[str, bool | None]
    made = model.explain(trial.clips[0], model.explain_prompt, tokens, deadline_s)
    return made


_CHECKS = (
    _it_has_every_member,
    _its_sizes_are_sound,
    _its_words_and_provenance_are_sound,
    _it_reads_one_vector_for_each_segment_and_site,
    _it_leaves_the_frames_as_they_are,
    _it_reads_the_same_again,
    _it_keeps_the_order_of_the_sites,
    _a_layer_alone_equals_all_layers_together,
    _layers_differ,
    _a_batch_equals_single_reads,
    _heads_are_read_alone_and_together,
    _its_yes_and_no_are_read_where_it_says_so,
    _several_prompts_equal_each_alone,
    _frames_and_their_order_matter,
    _the_place_in_the_video_does_not_matter,
    _it_refuses_sites_it_does_not_have,
    _it_refuses_what_its_recipe_does_not_fit,
    _it_explains_in_one_line_of_text,
    _its_explanation_is_capped,
)
