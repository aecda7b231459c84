"""From operations and speeds to seconds, and seconds as people say them."""

from __future__ import annotations

from collections.abc import Sequence

from hiprobe.backbones import SegmentWork, deepest
from hiprobe.estimate.speeds import Speeds
from hiprobe.types import Site

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0


def blocks_read(work: SegmentWork, sites: Sequence[Site]) -> int:
    """Return how many blocks of the decoder run to read `sites`.

    >>> blocks_read(SegmentWork(28, 1.0, 64, 1, 1.0, 64, 1, 1, 1), [Site("residual", 19)])
    20
    """
    depth = deepest(sites)
    return work.layers if depth is None else min(depth + 1, work.layers)


def blocks_of_all_prompts(work: SegmentWork, sites: Sequence[Site], shared: bool) -> int:
    """Return how many blocks run in the passes of all prompts, one after another.

    `shared`: all but a prompt's own words runs once, up to the deepest block, and they count as
    nothing.

    >>> work = SegmentWork(28, 1.0, 64, 1, 1.0, 64, 1, 1, 1)
    >>> sites = [Site("residual", 19), Site("residual", 9, prompt=1)]
    >>> blocks_of_all_prompts(work, sites, False), blocks_of_all_prompts(work, sites, True)
    (30, 20)
    """
    if shared:
        return blocks_read(work, sites)
    prompts = {site.prompt for site in sites}
    passes = ([site for site in sites if site.prompt == prompt] for prompt in prompts)
    return sum(blocks_read(work, one) for one in passes)


def predict_s(work: SegmentWork, blocks: int, speeds: Speeds) -> float:
    """Return the seconds of a pass over one segment that ends after `blocks` blocks."""
    vision = work.vision / speeds.at(work.vision_width)
    return vision + blocks * work.block / speeds.at(work.block_width)


def say_duration(seconds: float) -> str:
    """Say a duration as an estimate allows: two digits, in the unit that people would take.

    >>> [say_duration(one) for one in (0.0213, 1.26, 36.4, 95.0, 5300.0, 79200.0, 400000.0)]
    ['0.021 s', '1.3 s', '36 s', '95 s', '1.5 h', '22 h', '4.6 days']
    """
    if seconds < 2 * MINUTE_S:
        return f"{_two_digits(seconds)} s"
    for unit, name, until in ((MINUTE_S, "min", 60 * MINUTE_S), (HOUR_S, "h", 2 * DAY_S)):
        if seconds < until:
            return f"{_two_digits(seconds / unit)} {name}"
    return f"{_two_digits(seconds / DAY_S)} days"


def _two_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{float(f'{value:.2g}'):.10g}"
