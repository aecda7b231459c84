"""Define the words: vocabulary, questions and answers about a clip, and the tokenizer.

Knows no pixels and no model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from training.clips import Clip
from training.scenes import Rng

PROMPT = "Identify any abnormal events or safety hazards in this video."
DESCRIBE = (
    PROMPT,
    PROMPT,
    PROMPT,
    "Describe this video.",
    "What happens in this video?",
    "Is there an anomaly in this video?",
    "Report anything unusual.",
    "Does this video show any danger?",
)
YES_NO = "Is anything abnormal? Answer yes or no."
WHERE = "Where is it?"

PLACES_WORDS = ("left", "middle", "right")
SENTENCE = {
    None: "normal, people and cars move as usual",
    "hug": "normal, two people hug",
    "talk": "normal, two people talk",
    "bend": "normal, a person bends down",
    "jog": "normal, people jog by",
    "pass_by": "normal, cars pass each other",
    "give_way": "normal, a car waits for a person",
    "cloth": "normal, a cloth waves",
    "steam": "normal, white steam rises",
    "lamp": "normal, a lamp is switched on",
    "fight": "fight, two people hit each other",
    "fall": "fall, a person lies on the ground",
    "panic": "panic, people run in all directions",
    "crash": "crash, two cars collide",
    "hit": "accident, a car hits a person",
    "fire": "fire, flames and dark smoke rise",
    "explosion": "explosion, a bright blast",
}
NAME = {kind: text.split(",")[0] for kind, text in SENTENCE.items()}
# Each question with the states whose answer is yes.
FACTS = {
    "Is someone on the ground?": {"fall", "hit"},
    "Does anyone run?": {"panic", "jog"},
    "Is something burning?": {"fire", "explosion"},
    "Do people fight?": {"fight"},
    "Did cars collide?": {"crash"},
    "Do people hug?": {"hug"},
    "Does someone bend down?": {"bend"},
    "Is there a bright flash?": {"explosion", "lamp"},
    "Is there steam or smoke?": {"steam", "fire", "crash", "explosion"},
    "Does a car move?": {"drive", "pass_by"},
    "Does someone walk?": {"walk"},
}
COUNTS = ("no", "one", "two", "three", "four", "many")
SPECIAL = (
    "<pad>",
    "<unk>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|video_pad|>",
    "<|image_pad|>",
)
EXTRA = (
    "user",
    "assistant",
    "system",
    "in",
    "the",
    "part",
    "nowhere",
    "left",
    "middle",
    "right",
    "yes",
    "how",
    "many",
    "people",
    "are",
    "there",
    "cars",
    "what",
    "you",
    "see",
    "tell",
    "me",
)
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }} "
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif c['type'] == 'text' %} {{ c['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant {% endif %}"
)


def words() -> list[str]:
    """List the whole vocabulary, in a fixed order."""
    texts = [*SENTENCE.values(), *DESCRIBE, YES_NO, WHERE, *FACTS, *COUNTS, *EXTRA]
    return [
        *SPECIAL,
        *sorted({w for text in texts for w in re.findall(r"\w+|[^\w\s]+", text.lower())}),
    ]


def tokenizer() -> PreTrainedTokenizerFast:
    """Make a word-level tokenizer of the stock fast class, with the chat template."""
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words())}, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    special = {"additional_special_tokens": list(SPECIAL[2:])}
    make: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerFast = make(
        tokenizer_object=core,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="<|im_end|>",
        chat_template=CHAT,
        model_max_length=1024,
        **special,
    )
    return made


@dataclass(frozen=True)
class Exchange:
    """One question and its answer."""

    question: str
    answer: str


def where(clip: Clip) -> str:
    """Say in words where a clip shows something.

    The words before the place are always the same.
    """
    return f"in the {clip.place} part" if clip.place else "nowhere"


def describe(clip: Clip) -> str:
    """Make the sentence that describes a clip."""
    return SENTENCE[clip.kind] + (f" {where(clip)}" if clip.place else "") + "."


def exchanges(rng: Rng, clip: Clip) -> list[Exchange]:
    """Draw three questions and answers for training.

    A description, then yes or no or a place, then a fact or a count.
    """
    short = rng.random()
    if short < 0.45 or clip.kind is None:
        second = Exchange(YES_NO, "yes" if clip.abnormal else "no")
    else:
        second = Exchange(WHERE, where(clip))
    if rng.random() < 0.25:
        noun, count = ("people", clip.people) if rng.random() < 0.6 else ("cars", clip.cars)
        third = Exchange(f"How many {noun} are there?", COUNTS[min(count, 5)])
    else:
        facts = list(FACTS)
        true = [q for q in facts if FACTS[q] & set(clip.states)]
        question = str(rng.choice(true)) if true and rng.random() < 0.5 else str(rng.choice(facts))
        third = Exchange(question, "yes" if question in true else "no")
    return [Exchange(str(rng.choice(DESCRIBE)), describe(clip)), second, third]
