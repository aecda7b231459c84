"""Run all benchmarks one after the other: `python -m benchmarks [OUT]`, or `make bench`.

Each benchmark runs in its own process, pinned to two cores. The tables it prints go into
`docs/performance.md` between the marks of its name, its JSON into OUT (`runs/bench`), and what was
reached of what was promised goes to the top of the page. If a benchmark ends with an error, its
name is printed and the others still run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import reached

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
ALL = (
    "vs_reference",
    "decode",
    "several",
    "overlap",
    "early_exit",
    "batch",
    "memory",
    "scaling",
    "fit_large",
    "cold_start",
    "probe_only",
    "review_speed",
)


def run_benchmark(name: str, folder: Path) -> tuple[str, float, bool]:
    """Run benchmark `name`; returns what it printed, its seconds and whether it succeeded."""
    begun = time.perf_counter()
    command = [
        "taskset",
        "-c",
        "0,1",
        sys.executable,
        "-m",
        f"benchmarks.{name}",
        "--json",
        f"{folder / name}.json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return done.stdout, time.perf_counter() - begun, done.returncode == 0


def replace_between_marks(page: str, name: str, printed: str) -> str:
    """Return `page` with the part between the marks of `name` replaced by `printed`.

    Raises ValueError if the page has no such marks.
    """
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"{PAGE} must contain <!-- {name} --> and <!-- /{name} -->: add them")
    return pattern.sub(lambda found: f"{found[1]}{printed.strip()}\n{found[2]}", page)


def main() -> None:
    """Run all benchmarks; exits with code 3 if some failed."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/bench")
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in ALL:
        printed, seconds, succeeded = run_benchmark(name, folder)
        print(f"== {name}: {seconds:.0f} s\n{printed}", flush=True)
        if succeeded:
            PAGE.write_text(replace_between_marks(PAGE.read_text(), name, printed))
        else:
            failed.append(name)
    PAGE.write_text(replace_between_marks(PAGE.read_text(), "reached", reached.table(folder)))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
