"""Damage files and read them until the time is up: `python -m fuzz [--seconds N] [--seed N]`.

`--only TARGET` chooses a kind of file. If anything but a named error comes of it (a crash, a hang,
too much memory), the damaged folder is kept and the exit code is 1.
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

from fuzz.targets import TARGETS, damaged, valid
from hiprobe.errors import HiProbeError
from hiprobe.isolate import ChildBug

HANG_S = 30
# Bytes of address space. A huge allocation that a damaged file asks for fails, and is found.
MEMORY = 6 * 2**30
FOUND = Path("runs/fuzz")


class Hang(BaseException):
    """Reading a file took longer than `HANG_S`."""


def main() -> int:
    """Run until the time is up, and print what was tried and found."""
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
    return {name: valid(name, root / name) for name in only or TARGETS}


def _case(target: str, sample: Path, folder: Path, seed: str) -> str:
    """Damage one file and read it: `read`, `refused` by a named error, or `FOUND`."""
    shutil.rmtree(folder, ignore_errors=True)
    return _read(target, damaged(target, sample, folder, random.Random(f"{target}.{seed}")), seed)


def _read(target: str, folder: Path, seed: str) -> str:
    # The alarm cannot end what hangs in C code.
    faulthandler.dump_traceback_later(4 * HANG_S, exit=True)
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
