"""Train the projector between the two frozen parts on photographs with captions.

    python -m experiments.assembled.train [--minutes M]

The parts are converted first if they are not there. The projector first learns to name what a
photograph shows (`naming`), then to say its captions (`branches`). The run lies in
HIPROBE_RUNS/assembled: its settings in `run.json`, two checkpoints, `log.jsonl`, and `model`, which
is the whole model with the averaged weights. A run that was stopped, in whatever way, continues
exactly from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from training.store import write_atomically

from experiments.assembled import convert, naming, parts
from experiments.assembled.branches import Branches, Projector, arrange
from experiments.assembled.photographs import Features, Photographs, load_features, load_photographs
from hiprobe.backbones._folder import find_checkpoint
from hiprobe.backbones._processing import load_processor, make_inputs
from hiprobe.types import Segment
from training import checkpoints

PHOTOGRAPHS = Path("/work/shared/data/captions")
PROMPT = "Describe what you see."
MEASURED = 64  # photographs that are held out, for the log


@dataclass(frozen=True)
class Settings:
    """What a run is; the same settings give the same weights on the same machine.

    Both stages see all photographs of an epoch in batches; their learning rate rises to a peak over
    `warm` steps and falls to 2 % until their last one. `average` is how much of the averaged
    weights each step keeps.
    """

    seed: int = 1
    naming_epochs: int = 1
    naming_batch: int = 16
    naming_peak: float = 1e-3
    epochs: int = 1
    batch: int = 4
    peak: float = 1e-3
    warm: int = 30
    decay: float = 0.01
    average: float = 0.99
    precision: str = "bfloat16"


@dataclass(frozen=True)
class Stage:
    """One of the two stages: what it learns, and how many steps it takes."""

    name: str
    first: int
    each: int
    epochs: int
    batch: int
    peak: float

    @property
    def steps(self) -> int:
        """How many steps the stage takes."""
        return self.each * self.epochs

    @property
    def last(self) -> int:
        """The step after the last one of the stage."""
        return self.first + self.steps


def stages(settings: Settings, photographs: int) -> tuple[Stage, Stage]:
    """Return the stages of a run over so many photographs."""
    batch = settings.naming_batch
    naming = Stage(
        "naming", 0, photographs // batch, settings.naming_epochs, batch, settings.naming_peak
    )
    batch, epochs = settings.batch, settings.epochs
    return naming, Stage(
        "captions", naming.last, photographs // batch, epochs, batch, settings.peak
    )


@dataclass(frozen=True)
class Call:
    """How a run is executed this time, which does not change its weights.

    `minutes` and `until` (a step) end this call early; a checkpoint is written every `keep_every`
    minutes and the held-out photographs are measured every `measure_every` steps.
    """

    minutes: float = math.inf
    until: int | None = None
    keep_every: float = 3.0
    measure_every: int = 100
    log_every: int = 5


@dataclass(frozen=True)
class Lesson:
    """What is learnt from: photographs, their features, the question and a tokenizer."""

    photographs: Photographs
    features: Features
    prefix: tuple[int, ...]
    words: Any

    def said(self, numbers: Sequence[int]) -> list[list[list[int]]]:
        """Return the tokens of each caption of some photographs."""
        return [
            [self.words(one, add_special_tokens=False)["input_ids"] for one in captions]
            for captions in (self.photographs.captions[number] for number in numbers)
        ]

    def __call__(self, numbers: Sequence[int]) -> tuple[Tensor, Branches]:
        """Return the features of photographs and their captions as branches, each with its end."""
        end = [self.words.eos_token_id]
        said = [[one + end for one in captions] for captions in self.said(numbers)]
        return self.features(numbers), arrange(self.prefix, said)


def question(folder: Path) -> tuple[tuple[int, ...], int]:
    """Return the tokens of the question about one frame, and the token of a cell of a frame.

    They are those that the model itself is given when it is asked about a video of one frame.
    """
    processor = load_processor(find_checkpoint(str(folder), None), "llava_onevision")
    frame = np.zeros((1, 8, 8, 3), np.uint8)
    made = make_inputs(processor, Segment(frame, np.zeros(1), 0.0, 1.0, 0), PROMPT)
    return tuple(made["input_ids"][0].tolist()), int(processor.video_token_id)


def rate(step: int, stage: Stage, warm: int) -> float:
    """Return the learning rate of a step, counted through the run."""
    at = step - stage.first
    up = min(1.0, (at + 1) / warm)
    return stage.peak * up * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * at / stage.steps)))


@lru_cache(2)
def order(seed: int, stage: Stage, trained: range, epoch: int) -> list[int]:
    """Return the numbers of the photographs of an epoch, in the order of training."""
    turned = np.random.default_rng([seed, stage.first, epoch]).permutation(np.array(trained))
    return [int(number) for number in turned]


class Run:
    """A training run in a folder: it begins, or continues from its last checkpoint."""

    def __init__(
        self, folder: Path, settings: Settings, call: Call, projector: Projector, lesson: Lesson
    ) -> None:
        self.folder, self.settings, self.call, self.lesson = folder, settings, call, lesson
        self.projector = projector
        self.stages = stages(settings, len(lesson.photographs.trained))
        self.optimiser = torch.optim.AdamW(
            projector.parameters(), settings.peak, (0.9, 0.99), weight_decay=settings.decay
        )
        self.average = {name: v.clone() for name, v in projector.state_dict().items()}
        self.step, self.seconds, self.began = 0, 0.0, time.process_time()
        kept = checkpoints.latest(folder)
        if kept is not None:
            projector.load_state_dict(kept["projector"])
            self.optimiser.load_state_dict(kept["optimiser"])
            self.average, self.step, self.seconds = kept["average"], kept["step"], kept["seconds"]

    @property
    def steps(self) -> int:
        """How many steps the run takes."""
        return self.stages[-1].last

    @property
    def stage(self) -> Stage:
        """The stage of the next step."""
        naming, captions = self.stages
        return naming if self.step < naming.last else captions

    @property
    def spent(self) -> float:
        """Processor seconds of the run, those of earlier calls included."""
        return self.seconds + time.process_time() - self.began

    @cached_property
    def vocabulary(self) -> naming.Vocabulary:
        """The words of the captions that are trained on."""
        said = self.lesson.said(self.lesson.photographs.trained)
        return naming.Vocabulary.of(
            (one for captions in said for one in captions), self.projector.words
        )

    def train(self) -> None:
        """Train until the last step, or until this call has to end."""
        call, since = self.call, time.monotonic()
        last, end, running = min(self.steps, call.until or self.steps), 60 * call.minutes, math.nan
        began = since
        while self.step < last and time.monotonic() - began < end:
            stage = self.stage
            loss = self.update(stage)
            fresh = math.isnan(running) or self.step == stage.first
            running = loss if fresh else running + 0.05 * (loss - running)
            self.step += 1
            self._note(stage, running)
            if time.monotonic() - since > 60 * call.keep_every:
                self.keep()
                since = time.monotonic()
        self.keep()

    def update(self, stage: Stage) -> float:
        """Make one step of a stage and return its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, stage, self.settings.warm)
        loss: Any = self.loss(stage, self._batch(stage))
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.projector.parameters(), 1.0)
        self.optimiser.step()
        keep = min(self.settings.average, (self.step + 1) / (self.step + 10))
        for name, value in self.projector.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        return float(loss.detach())

    def _batch(self, stage: Stage) -> list[int]:
        epoch, place = divmod(self.step - stage.first, stage.each)
        numbers = order(self.settings.seed, stage, self.lesson.photographs.trained, epoch)
        return numbers[place * stage.batch : (place + 1) * stage.batch]

    def loss(self, stage: Stage, numbers: Sequence[int]) -> Tensor:
        """Return the mean surprise of some photographs' words, or of their captions' tokens."""
        if stage.name == "captions":
            return self.projector.surprise(*self.lesson(numbers)).mean()
        wanted = self.vocabulary.wanted(self.lesson.said(numbers))
        features = self.lesson.features(numbers)
        return naming.surprise(self.projector, self.vocabulary, features, wanted)

    def _note(self, stage: Stage, loss: float) -> None:
        where = {"step": self.step, "of": self.steps, "stage": stage.name}
        if self.step % self.call.log_every == 0:
            spent, now = round(self.spent), time.strftime("%H:%M:%S")
            self.note({**where, "loss": round(loss, 4), "seconds": spent, "time": now})
        if self.step % self.call.measure_every == 0:
            self.note({**where, "held_out": round(self.measure(stage), 4)})

    def note(self, line: dict[str, Any]) -> None:
        """Print a line and append it to the log of the run."""
        text = json.dumps(line)
        print(text, flush=True)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(text + "\n")

    def measure(self, stage: Stage) -> float:
        """Return the loss of the averaged weights on some photographs that are held out."""
        now = {name: value.clone() for name, value in self.projector.state_dict().items()}
        self.projector.load_state_dict(self.average)
        held = self.lesson.photographs.held_out[:MEASURED]
        with torch.inference_mode():
            found = [
                float(self.loss(stage, held[first : first + stage.batch]))
                for first in range(0, len(held), stage.batch)
            ]
        self.projector.load_state_dict(now)
        return float(np.mean(found))

    def keep(self) -> None:
        """Write a checkpoint, and the model with the averaged weights."""
        checkpoints.keep(self.folder, self.step, {
            "projector": self.projector.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "step": self.step,
            "seconds": self.spent,
        })  # fmt: skip
        trained = parts.named_in_model(self.average)
        notice = f"its projector was trained for {self.step} of {self.steps} steps (Flickr8k)"
        frozen = self.folder / "frozen"
        checkpoints.write_model(
            self.folder, self.step, lambda to: parts.write_model(to, frozen, trained, notice)
        )


def check_settings(folder: Path, settings: Settings) -> None:
    """Write `run.json`. Raises ValueError if the run was begun with other settings."""
    path, wanted = folder / "run.json", asdict(settings)
    if path.exists():
        known = json.loads(path.read_text())
        if known != wanted:
            raise ValueError(f"{folder} was begun with {known}: use these, or another HIPROBE_RUNS")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(wanted, indent=1) + "\n").encode())


def new_projector(settings: Settings, held: parts.Parts, video: int) -> Projector:
    """Return a new projector before the frozen language model, whose precision is changed."""
    torch.manual_seed(settings.seed)
    language = held.language.to(getattr(torch, settings.precision))
    language.set_attn_implementation("eager")  # its backward pass is faster on a CPU
    return Projector(parts.config(held), language, video)


def prepare(photographs: Path, settings: Settings) -> tuple[Projector, Lesson]:
    """Convert and read everything that a run needs."""
    convert.convert()
    held = parts.load_parts()
    frozen = parts.write_frozen(held)
    prefix, video = question(frozen)
    known = load_photographs(photographs)
    features = load_features(known, held.tower, parts.home() / "features")
    return new_projector(settings, held, video), Lesson(known, features, prefix, held.words)


def train(photographs: Path, settings: Settings, call: Call) -> Run:
    """Train in HIPROBE_RUNS/assembled, from the beginning or the last checkpoint."""
    check_settings(parts.home(), settings)
    run = Run(parts.home(), settings, call, *prepare(photographs, settings))
    run.train()
    run.note({"stopped_at": run.step, "of": run.steps})
    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument(
        "--photographs", type=Path, default=PHOTOGRAPHS, help="the captions folder"
    )
    options.add_argument("--minutes", type=float, default=math.inf, help="stop in time")
    options.add_argument("--threads", type=int, default=1, help="threads of the model")
    for field in fields(Settings):
        name = f"--{field.name.replace('_', '-')}"
        options.add_argument(name, type=type(field.default), default=field.default)
    given = options.parse_args(arguments)
    # Otherwise vanishing gradients make the backward pass many times slower on a CPU.
    torch.set_flush_denormal(True)
    torch.set_num_threads(given.threads)
    settings = Settings(**{field.name: getattr(given, field.name) for field in fields(Settings)})
    try:
        train(given.photographs, settings, Call(minutes=given.minutes))
    except ValueError as error:
        options.error(str(error))


if __name__ == "__main__":
    main()
