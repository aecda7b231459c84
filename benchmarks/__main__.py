"""Run benchmarks one after the other: `python -m benchmarks [--all] [OUT]`, or `make bench`.

Those of `make bench` are how cost grows and what the pages promise; `--all` (`make bench-all`) runs
the others too. Each runs in its own process, pinned to two cores. The tables it prints go between
the marks of its name in `docs/performance.md` or `docs/performance_parts.md`, its JSON into OUT
(`runs/bench`), and what was reached of what was promised into the first of the two. If a benchmark
ends with an error, its name is printed and the others still run.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import reached

DOCS = Path(__file__).parents[1] / "docs"
PAGES = (DOCS / "performance.md", DOCS / "performance_parts.md")
USUAL = ("cold_start", "scaling", "review_speed", "vs_reference", "overlap", "memory")
OTHERS = ("decode", "several", "early_exit", "batch", "fit_large", "probe_only")


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
        raise ValueError(f"it must contain <!-- {name} --> and <!-- /{name} -->: add them")
    return pattern.sub(lambda found: f"{found[1]}{printed.strip()}\n{found[2]}", page)


def page_of(name: str, pages: Sequence[Path] = PAGES) -> Path:
    """Return the page that has the marks of `name`; raises ValueError if none has them."""
    for page in pages:
        if f"<!-- {name} -->" in page.read_text():
            return page
    raise ValueError(f"no page has <!-- {name} --> and <!-- /{name} -->: add them")


def keep(name: str, printed: str) -> None:
    """Replace what stands between the marks of `name`."""
    page = page_of(name)
    page.write_text(replace_between_marks(page.read_text(), name, printed))


def main() -> None:
    """Run the benchmarks; exits with code 3 if some failed."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("out", nargs="?", type=Path, default=Path("runs/bench"), metavar="OUT")
    options.add_argument("--all", action="store_true", help="run those of make bench-all")
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    failed, begun = [], time.perf_counter()
    for name in (*USUAL, *(OTHERS if given.all else ())):
        printed, seconds, succeeded = run_benchmark(name, given.out)
        print(f"== {name}: {seconds:.0f} s\n{printed}", flush=True)
        if succeeded:
            keep(name, printed)
        else:
            failed.append(name)
    keep("reached", reached.table(given.out))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"== all: {time.perf_counter() - begun:.0f} s, "
        f"processor time {used.ru_utime + used.ru_stime:.0f} s"
    )
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
