"""Define the words: vocabulary, questions and answers about a clip, and the tokenizer.

Knows no pixels and no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

Rng = np.random.Generator

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
# What can be shown: its name, a sentence, and what "this is ..." ends with if not with the name.
ANOMALIES = {
    "fight": ("fight", "two people hit each other", "a fight"),
    "fall": ("fall", "a person falls to the ground", "a fall"),
    "lying": ("emergency", "a person lies on the ground", "an emergency"),
    "grab": ("assault", "a person grabs another person", "an assault"),
    "vandal": ("vandalism", "a person hits an object", "vandalism"),
    "climb": ("climbing", "a person climbs over a barrier", "climbing"),
    "panic": ("panic", "people run in all directions", "panic"),
    "crash": ("crash", "two cars collide", "a crash"),
    "hit": ("accident", "a car hits a person", "an accident"),
    "fire": ("fire", "flames and dark smoke rise", "a fire"),
    "smoke": ("smoke", "dark smoke rises", "smoke"),
    "explosion": ("explosion", "a bright blast", "an explosion"),
}
LOOK_ALIKES = {
    "hug": "two people hug",
    "handshake": "two people shake hands",
    "talk": "two people talk",
    "dance": "people dance",
    "play": "children play",
    "help": "a person helps another up",
    "crowd": "many people are together",
    "cheer": "people cheer",
    "squeeze": "people pass each other",
    "give": "a person gives something to another",
    "clap": "people clap their hands",
    "carry": "a person carries something",
    "photo": "a person takes a photo",
    "run": "a person runs",
    "jog": "people jog by",
    "bend": "a person bends down",
    "crouch": "a person crouches",
    "sit_down": "a person sits down",
    "exercise": "a person does exercises",
    "jump": "a person jumps",
    "stumble": "a person stumbles",
    "rest": "a person rests",
    "lie_down": "a person lies down to rest",
    "look_around": "a person looks around",
    "wave_arms": "a person waves both arms",
    "dress": "a person puts on a jacket",
    "stairs": "a person takes the stairs",
    "crawl": "a person crawls",
    "sweep": "a person sweeps the ground",
    "throw": "a person throws something",
    "kneel": "a person kneels",
    "pass_by": "cars pass each other",
    "queue": "a queue moves on",
    "give_way": "a car waits for a person",
    "headlights": "headlights shine",
    "steam": "white steam rises",
    "lamp": "a lamp is switched on",
    "cloth": "a cloth waves",
    "screen": "a screen shines",
    "blue_light": "a blue light flashes",
    "reflections": "light is reflected",
    "plant": "a plant moves in the wind",
    "leaves": "leaves blow around",
    "hurry": "people hurry by",
}
ORDINARY = {
    "walk": "people walk",
    "stand": "people stand",
    "sit": "people sit",
    "work": "a person works",
    "pet": "an animal walks by",
    "drive": "a car drives by",
}
# The order of the states in the labels of the video tokens.
STATES = (*ORDINARY, *LOOK_ALIKES, *ANOMALIES)
# What the whole picture shows rather than a part of it.
SPREAD = frozenset({None, "panic", "jog", "hurry", "pass_by", "crowd", "queue", *ORDINARY})
USUAL, EMPTY = "people and cars move as usual", "nobody is there"
SENTENCE: dict[str | None, str] = {
    None: f"normal, {USUAL}",
    "empty": f"normal, {EMPTY}",
    **{state: f"normal, {said}" for state, said in {**ORDINARY, **LOOK_ALIKES}.items()},
    **{state: f"{name}, {said}" for state, (name, said, _) in ANOMALIES.items()},
}
NAME = {state: said.split(",")[0] for state, said in SENTENCE.items()}
# Each question with the states whose answer is yes, and those for which it is not asked.
FACTS: dict[str, tuple[set[str], set[str]]] = {
    "Is someone on the ground?": (
        {"fall", "hit", "lying"},
        {
            *("rest", "lie_down", "crawl", "kneel", "stumble", "exercise", "help", "fight"),
            *("grab", "crash", "play", "sit", "sit_down", "vandal"),
        },
    ),
    "Does anyone run?": (
        {"panic", "jog", "run"},
        {
            *("fight", "play", "exercise", "jump", "stumble", "grab", "hit", "explosion", "fire"),
            *("crowd", "hurry", "stairs", "cheer", "fall", "pet"),
        },
    ),
    "Is something burning?": ({"fire", "explosion"}, {"smoke", "crash"}),
    "Do people fight?": ({"fight"}, {"grab"}),
    "Does someone grab another person?": ({"grab"}, {"fight", "help", "hug"}),
    "Does someone break something?": ({"vandal"}, {"crash", "fight", "throw"}),
    "Does someone climb?": ({"climb"}, set()),
    "Did cars collide?": ({"crash"}, {"hit"}),
    "Do people hug?": ({"hug"}, {"fight", "grab", "help", "dance"}),
    "Do people dance?": ({"dance"}, {"exercise", "play"}),
    "Does someone bend down?": (
        {"bend"},
        {
            *("crouch", "kneel", "sit_down", "exercise", "sweep", "help", "fall", "fight"),
            *("stumble", "look_around", "crawl", "lie_down", "work", "grab", "throw", "climb"),
        },
    ),
    "Is there a bright flash?": (
        {"explosion", "lamp"},
        {"headlights", "blue_light", "screen", "reflections", "fire"},
    ),
    "Is there steam or smoke?": ({"steam", "fire", "crash", "explosion", "smoke"}, set()),
    "Does a car move?": ({"drive", "pass_by"}, {"queue", "give_way", "headlights", "hit", "crash"}),
    "Does someone walk?": (
        {"walk"},
        {
            *("carry", "help", "sweep", "stumble", "give", "give_way", "fight", "grab", "photo"),
            *("fall", "crowd", "queue", "squeeze", "look_around", "stairs", "work", "dress"),
            *("talk", "dance", "play", "stand", "hit", "panic", "jog", "hurry", "run", "climb"),
            *("vandal", "cheer", "wave_arms"),
        },
    ),
}
STYLES = ("name", "sentence")
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
    "this",
    "is",
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
    ends = [end for _, _, end in ANOMALIES.values()]
    texts = [*SENTENCE.values(), *ends, *DESCRIBE, YES_NO, WHERE, *FACTS, *COUNTS, *EXTRA]
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


class Named(Protocol):
    """What a description needs to know of a clip."""

    @property
    def kind(self) -> str | None:
        """The state that is described, "empty", or None for ordinary life."""

    @property
    def place(self) -> str | None:
        """One of PLACES_WORDS; None if it has no particular place."""


@dataclass(frozen=True)
class Content:
    """What a clip shows: everything that the questions are about."""

    kind: str | None
    abnormal: bool
    place: str | None
    people: int
    vehicles: int
    states: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exchange:
    """One question and its answer."""

    question: str
    answer: str


def check_states(states: Iterable[str]) -> None:
    """Raise ValueError if a state has no words."""
    unknown = sorted(set(states) - set(STATES))
    if unknown:
        raise ValueError(f"no words for {', '.join(unknown)}: add them to training/text.py")


def where(clip: Named) -> str:
    """Say in words where a clip shows something.

    The words before the place are always the same.
    """
    return f"in the {clip.place} part" if clip.place else "nowhere"


def describe(clip: Named, style: str = "name") -> str:
    """Make the sentence that describes a clip.

    Style "name" begins with the name of what happens; style "sentence" ends with it.
    """
    name, said = SENTENCE[clip.kind].split(", ", 1)
    said += f" {where(clip)}" if clip.place else ""
    if style == "name":
        return f"{name}, {said}."
    end = ANOMALIES[clip.kind][2] if clip.kind in ANOMALIES else name
    return f"{said}, this is {end}."


def name_of(answer: str, style: str = "name") -> str:
    """Return the name of what happens according to a description."""
    if style == "name":
        return answer.split(",")[0].strip()
    end = answer.rpartition("this is ")[2].rstrip(". ")
    ends = {end: name for name, _, end in ANOMALIES.values()}
    return ends.get(end, end)


def exchanges(rng: Rng, clip: Content, style: str = "name") -> list[Exchange]:
    """Draw three questions and answers for training.

    A description, then yes or no, then a place, a fact or a count.
    """
    return [
        Exchange(str(rng.choice(DESCRIBE)), describe(clip, style)),
        Exchange(YES_NO, "yes" if clip.abnormal else "no"),
        _detail(rng, clip),
    ]


def _detail(rng: Rng, clip: Content) -> Exchange:
    draw = rng.random()
    if draw < 0.4 and clip.kind not in (None, "empty"):
        return Exchange(WHERE, where(clip))
    if draw < 0.6:
        noun, count = ("people", clip.people) if rng.random() < 0.6 else ("cars", clip.vehicles)
        return Exchange(f"How many {noun} are there?", COUNTS[min(count, 5)])
    shown = set(clip.states)
    true = [question for question, (yes, _) in FACTS.items() if yes & shown]
    false = [question for question, (yes, open_) in FACTS.items() if not (yes | open_) & shown]
    chosen = true if true and (not false or rng.random() < 0.5) else false
    return Exchange(str(rng.choice(chosen)), "yes" if chosen is true else "no")
