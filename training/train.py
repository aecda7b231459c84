"""Train the embedded MLLM on rendered clips.

    python -m training.train NAME [--from FOLDER] [--steps N] [--minutes M]

The run lies in HIPROBE_RUNS/NAME: its settings in `run.json`, two checkpoints, the averaged weights
in `model`, and `log.jsonl`. A run that was stopped continues exactly from its last checkpoint. The
loss has two parts: the words of the answers, and what each video token shows, which counts less and
less.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional as F

from training import checkpoints, held_out, llava, store
from training import model as qwen
from training.feed import Clips, Look, Plan, layout, loader
from training.optimisers import KINDS, optimisers
from training.prepare import clips_folder
from training.text import STATES, STYLES, words

FAMILIES: dict[str, Any] = {"qwen2_5_vl": qwen, "llava_onevision": llava}
MOTION_WEIGHT, MOTION_BETA = 20.0, 0.05
MAY_CHANGE = {"steps"}  # settings that may differ when a run is continued


@dataclass(frozen=True)
class Settings:
    """What a run is; the same settings and shards give the same weights on the same machine.

    `drawn` is the share of clips of the first renderer. The learning rate rises to `peak` over
    `warm` steps, stays there until the share `hold` of `steps`, and falls to 2 %. The loss of the
    video tokens counts `look` times and fades to `look_least` over the first half; the answer yes
    or no counts `yes_no` times. `average` is how much of the averaged weights each step keeps.
    """

    family: str = "qwen2_5_vl"
    style: str = "name"
    size: int = qwen.Shape.size
    vision_depth: int = qwen.Shape.vision_depth
    vision_width: int = qwen.Shape.vision_width
    depth: int = qwen.Shape.depth
    width: int = qwen.Shape.width
    start: str = ""
    seed: int = 1
    steps: int = 20_000
    batch: int = 48
    drawn: float = 0.25
    optimiser: str = "muon"
    peak: float = 1.5e-3
    warm: int = 300
    hold: float = 0.5
    decay: float = 0.05
    look: float = 2.0
    look_least: float = 0.2
    yes_no: float = 4.0
    average: float = 0.998
    precision: str = "bf16"

    @property
    def shape(self) -> qwen.Shape:
        """The sizes of the model."""
        return qwen.Shape(self.size, self.vision_depth, self.vision_width, self.depth, self.width)


@dataclass(frozen=True)
class Call:
    """How a run is executed this time, which does not change its weights.

    `minutes` and `until` (a step) end this call early; a checkpoint is written every `keep_every`
    minutes, and the held-out clips are measured every `measure_every` steps.
    """

    minutes: float = math.inf
    until: int | None = None
    workers: int = 1
    keep_every: float = 10.0
    measure_every: int = 1000
    log_every: int = 50
    mixed: bool = False


def losses(
    net: Any, batch: Sequence[Tensor], positions: Tensor, mask: Tensor, precision: str = "bf16"
) -> tuple[Tensor, Tensor]:
    """Return the loss of the words and the loss of what the video shows for one batch.

    The last two items of the batch say what each token shows, and what moves in each patch.
    """
    frames, ids, weight, shown, motion = batch
    want = weight > 0
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        seen, moving = net.watch(frames)
        hidden = net.speak(seen, ids, positions, mask, want)
        logits = F.linear(hidden, net.model.lm_head.weight)
        states = net.look(seen)
    words = F.cross_entropy(logits.float(), ids.roll(-1, 1)[want], reduction="none")
    scale = weight[want]
    what = F.binary_cross_entropy_with_logits(
        states.float(), shown, pos_weight=torch.full((shown.shape[-1],), 4.0)
    )
    known = torch.isfinite(motion)
    if known.any():
        wrong = F.smooth_l1_loss(moving.float()[known], motion[known], beta=MOTION_BETA)
        what = what + MOTION_WEIGHT * wrong
    return (words * scale).sum() / scale.sum(), what


def rate(step: int, settings: Settings) -> float:
    """Return the learning rate of a step."""
    up = min(1.0, (step + 1) / settings.warm)
    held = settings.hold * settings.steps
    down = min(1.0, max(0.0, step - held) / max(1.0, settings.steps - held))
    return settings.peak * up * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * down)))


def look_weight(step: int, settings: Settings) -> float:
    """Return how much the loss of the video tokens counts in a step."""
    faded = settings.look * (1 - 2 * step / settings.steps)
    return max(settings.look_least, faded)


class Run:
    """A training run in a folder: it begins, or continues from its last checkpoint."""

    def __init__(self, folder: Path, settings: Settings, call: Call) -> None:
        self.folder, self.settings, self.call = folder, settings, call
        self.kind = FAMILIES[settings.family]
        self.model, self.words = self.kind.build(settings.seed, settings.shape)
        self.net = self.kind.Trainee(self.model, len(STATES))
        self.layout = layout(self.kind, self.model, self.words, self.net.tokens)
        self.optimiser = optimisers(self.net, settings.optimiser, settings.decay)
        self.step, self.seconds, self.began = 0, 0.0, time.monotonic()
        kept = checkpoints.latest(folder)
        if kept is None and settings.start:
            self.note({"from": settings.start, **checkpoints.take_over(
                self.model, self.words, Path(settings.start))})  # fmt: skip
        self.average = {name: v.detach().clone() for name, v in self.model.state_dict().items()}
        if kept is not None:
            self._restore(kept)
        self.plan = Plan(
            clips_folder(),
            seed=settings.seed,
            batch=settings.batch,
            drawn=settings.drawn,
            renderer=store.renderer_digest(),
            mixed=call.mixed,
            epochs=kept["epochs"] if kept else None,
        )

    def _restore(self, kept: dict[str, Any]) -> None:
        if (kept["words"], kept["states"]) != (words(), list(STATES)):
            raise ValueError(
                f"training/text.py has other words or states than {self.folder} was begun with: "
                f"begin another run with --from {self.folder / 'model'}"
            )
        self.net.load_state_dict(kept["net"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.average, self.step, self.seconds = kept["average"], kept["step"], kept["seconds"]

    def note(self, line: dict[str, Any]) -> None:
        """Print a line and append it to the log of the run."""
        text = json.dumps(line)
        print(text, flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(text + "\n")

    def train(self) -> None:
        """Train until the last step, or until this call has to end."""
        settings, call = self.settings, self.call
        last = min(settings.steps, call.until or settings.steps)
        look = Look(settings.seed, settings.size, self.net.tokens, settings.style, settings.yes_no)
        clips = Clips(self.plan.folder, look)
        first, kept_at, measured = self.step, time.monotonic(), None
        running = torch.zeros(2)
        for items in loader(self.plan, clips, first, last, call.workers):
            found = self.update(items)
            running += 0.02 * (found - running) if self.step > first else found
            self.step += 1
            if self.step % call.log_every == 0:
                self._progress(running, first)
            if self.step % call.measure_every == 0:
                self.keep()
                measured = self.measure()
                kept_at = time.monotonic()
            if time.monotonic() - self.began > 60 * call.minutes:
                break
            if time.monotonic() - kept_at > 60 * call.keep_every:
                self.keep()
                kept_at = time.monotonic()
        self.keep()
        if self.step == settings.steps and measured is None:
            self.measure()

    def update(self, items: Sequence[Tensor]) -> Tensor:
        """Make one step and return its two losses."""
        self.optimiser.set_rate(rate(self.step, self.settings))
        frames, ids, weight, shown, motion = items
        batch = (frames, ids, weight, self.kind.cells(shown), self.kind.by_patch(motion))
        talk, look = losses(self.net, batch, *self.layout, self.settings.precision)
        loss: Any = talk + look_weight(self.step, self.settings) * look
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        keep = min(self.settings.average, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value, 1 - keep)
        return torch.stack([talk.detach(), look.detach()]).float()

    def _progress(self, running: Tensor, first: int) -> None:
        spent = time.monotonic() - self.began
        self.note({
            "step": self.step,
            "talk": round(float(running[0]), 4),
            "look": round(float(running[1]), 4),
            "rate": round(rate(self.step - 1, self.settings), 7),
            "epoch": self.plan.epochs[-1]["number"] if self.plan.epochs else None,
            "clips_per_s": round((self.step - first) * self.settings.batch / spent, 1),
            "seconds": round(self.seconds + spent),
        })  # fmt: skip

    def keep(self) -> None:
        """Write a checkpoint and the averaged weights."""
        checkpoints.keep(self.folder, self.step, {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "step": self.step,
            "seconds": self.seconds + time.monotonic() - self.began,
            "epochs": self.plan.since(self.step),
            "words": words(),
            "states": list(STATES),
        })  # fmt: skip
        averaged, style = self._averaged(), self.settings.style
        checkpoints.write_model(
            self.folder, self.step, lambda f: self.kind.save(averaged, self.words, f, style)
        )

    def _averaged(self) -> Any:
        model, _ = self.kind.build(self.settings.seed, self.settings.shape)
        model.load_state_dict(self.average)
        return model

    def measure(self) -> dict[str, Any]:
        """Measure the averaged weights on the held-out clips."""
        net = self.kind.Trainee(self._averaged(), len(STATES)).eval()
        size, style = self.settings.size, self.settings.style
        model = self.folder / "model"
        found = held_out.measure(net, self.words, model, self.layout, size, style)
        self.note({"step": self.step, "held_out": found})
        return found


def check_settings(folder: Path, settings: Settings) -> None:
    """Write `run.json`. Raises ValueError if the run was begun with other settings."""
    path, wanted = folder / "run.json", asdict(settings)
    if path.exists():
        known = asdict(Settings()) | json.loads(path.read_text())["settings"]
        other = [n for n in wanted if known[n] != wanted[n] and n not in MAY_CHANGE]
        if other:
            pairs = ", ".join(f"{n} {known[n]!r} (now {wanted[n]!r})" for n in other)
            raise ValueError(f"{folder} was begun with {pairs}: use these, or another name")
    folder.mkdir(parents=True, exist_ok=True)
    store.write_atomically(path, (json.dumps({"settings": wanted}, indent=1) + "\n").encode())


def train(folder: Path, settings: Settings, call: Call) -> Run:
    """Train a run in a folder, from its beginning or its last checkpoint."""
    check_settings(folder, settings)
    run = Run(folder, settings, call)
    run.train()
    facts = {
        "settings": asdict(settings),
        "steps_done": run.step,
        "clips": run.step * settings.batch,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "seconds": round(run.seconds + time.monotonic() - run.began),
    }
    store.write_atomically(folder / "run.json", (json.dumps(facts, indent=1) + "\n").encode())
    run.note({"stopped_at": run.step, "of": settings.steps})
    return run


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line: one option for each setting."""
    made = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    made.add_argument("name", help="name of the run, or a path to its folder")
    choices = {"family": FAMILIES, "style": STYLES, "optimiser": KINDS}
    choices["precision"] = ("bf16", "fp32")
    for field in fields(Settings):
        option = "--from" if field.name == "start" else f"--{field.name.replace('_', '-')}"
        made.add_argument(
            option,
            dest=field.name,
            type=type(field.default),
            default=field.default,
            choices=choices.get(field.name),
            help=f"default {field.default!r}",
        )
    made.add_argument("--minutes", type=float, default=math.inf, help="stop in time")
    made.add_argument("--keep-every", type=float, default=10.0, help="minutes per checkpoint")
    made.add_argument("--measure-every", type=int, default=1000, help="steps per measurement")
    made.add_argument("--mixed", action="store_true", help="use shards of older renderers too")
    made.add_argument("--workers", type=int, default=1, help="processes that load clips")
    made.add_argument("--threads", type=int, default=1, help="threads of the model")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line."""
    options = parser()
    args = options.parse_args(arguments)
    # Otherwise vanishing gradients make the backward pass many times slower on a CPU.
    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    quiet: Any = transformers.logging.disable_progress_bar
    quiet()
    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    call = Call(
        minutes=args.minutes,
        workers=args.workers,
        keep_every=args.keep_every,
        measure_every=args.measure_every,
        mixed=args.mixed,
    )
    folder = Path(args.name) if os.sep in args.name else store.home() / args.name
    try:
        train(folder, settings, call)
    except ValueError as error:
        options.error(str(error))


if __name__ == "__main__":
    main()
