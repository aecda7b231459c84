"""Take a few videos of a split, to try a run before all of it is read. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hiprobe.types import Video


def some_of_each_class(videos: Mapping[str, Video], limit: int) -> dict[str, Video]:
    """Return `limit` videos at most, spread over the list, half of them with an event.

    An event may be known without its times, which are then None.

    >>> from hiprobe.types import Event
    >>> videos = {str(i): Video(f"{i}.mp4", (Event(0, 1),) if i < 6 else ()) for i in range(10)}
    >>> list(some_of_each_class(videos, 4))
    ['0', '5', '6', '9']
    """
    eventful = [name for name, one in videos.items() if one.events != ()]
    calm = [name for name in videos if name not in set(eventful)]
    first = max(min(limit - limit // 2, len(eventful)), limit - len(calm))
    chosen = {*_spread(eventful, first), *_spread(calm, limit - first)}
    return {name: one for name, one in videos.items() if name in chosen}


def _spread(names: Sequence[str], number: int) -> list[str]:
    places = np.linspace(0, len(names) - 1, min(max(number, 0), len(names)))
    return [names[round(float(place))] for place in places]
