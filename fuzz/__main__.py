"""`python -m fuzz [--seconds N] [--seed N] [--only TARGET]`: damages files and reads them until the time is up.

Exit 1, and the damaged folder kept, where anything but a named error comes of it: a crash, a hang, a memory bomb.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from fuzz.targets import TARGETS, damaged, sound
from hiprobe.errors import HiProbeError
from hiprobe.isolate import ChildBug

HANG_S = 30
MEMORY = (
    6 * 2**30
)  # of address space: an allocation that a file's numbers ask for is refused, and found
FOUND = Path("runs/fuzz")


class Hang(BaseException):
    """A file took longer than `HANG_S`."""


def main() -> int:
    """Runs until the time is up; prints what was tried and found."""
    asked = _arguments()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    signal.signal(signal.SIGALRM, _hang)
    end, number = time.monotonic() + asked.seconds, 0
    told: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as name:
        samples = _samples(Path(name), asked.only)
        turns = [*samples, *(["video"] * (len(samples) // 2) if "video" in samples else [])]
        while time.monotonic() < end:
            target = turns[number % len(turns)]
            told[
                target,
                _case(target, samples[target], Path(name) / "case", f"{asked.seed}.{number}"),
            ] += 1
            number += 1
    for target in samples:
        tally = [f"{count} {what}" for (one, what), count in sorted(told.items()) if one == target]
        print(f"{target:14}", ", ".join(tally))
    found = sum(count for (_, what), count in told.items() if what == "FOUND")
    print(
        f"{number} files in {asked.seconds:g} s, {found} findings"
        + (f" in {FOUND}" if found else "")
    )
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TARGETS, action="append")
    return parser.parse_args()


def _samples(root: Path, only: list[str] | None) -> dict[str, Path]:
    return {name: sound(name, root / name) for name in only or TARGETS}


def _case(target: str, sample: Path, folder: Path, seed: str) -> str:
    """How one damaged file was taken: `read`, `refused` by name, or `FOUND`."""
    shutil.rmtree(folder, ignore_errors=True)
    return _read(target, damaged(target, sample, folder, random.Random(f"{target}.{seed}")), seed)


def _read(target: str, folder: Path, seed: str) -> str:
    faulthandler.dump_traceback_later(
        4 * HANG_S, exit=True
    )  # what hangs in C code does not see the alarm
    signal.alarm(HANG_S)
    try:
        TARGETS[target].read(folder)
    except (Hang, Exception) as error:  # noqa: BLE001
        if isinstance(error, HiProbeError) and not isinstance(error.__cause__, ChildBug):
            return "refused"
        kept = shutil.copytree(folder, FOUND / f"{target}-{seed}", dirs_exist_ok=True)
        print(f"FOUND {kept}", traceback.format_exc(), sep="\n", file=sys.stderr)
        return "FOUND"
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    return "read"


def _hang(*_: object) -> None:
    raise Hang


sys.exit(main())
