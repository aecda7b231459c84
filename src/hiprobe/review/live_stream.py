"""Server-sent events of the live page: rows of alerts, the probe, and tiles, as they change.

A page that comes back says with `Last-Event-ID` what it has seen and gets the rest; if that is not
kept any more it is told to load again. Knows no route.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool

from hiprobe.review.live_feed import FeedItem, LiveFeed

TILES_S = 2.0  # between two pictures of a camera
ALIVE_S = 15.0  # without a message a proxy might close the connection
RETRY_MS = 2000
Tiles = Mapping[str, Any]


@dataclass
class LiveMessages:
    """Makes the messages of every page: `item` makes that of a change, `tiles` those of cameras.

    Both are called in a thread. `item` returns None for what no page shows any more.
    """

    feed: LiveFeed
    item: Callable[[FeedItem], Mapping[str, Any] | None]
    tiles: Callable[[], Tiles]
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _made: tuple[float, Tiles] = field(init=False, default=(0.0, {}))

    async def stream(self, mark: str | None) -> AsyncIterator[str]:
        """Yield messages from now on; with `mark`, first what has changed since then."""
        yield f"retry: {RETRY_MS}\n\n"
        seen, sent, told = mark or self.feed.mark, dict[str, Any](), time.monotonic()
        with self.feed.bell() as bell:
            while not self.feed.closed:
                bell.clear()
                texts, seen = await self._changes(seen)
                texts += await self._tiles(sent)
                if not texts and time.monotonic() - told > ALIVE_S:
                    texts = [": alive\n\n"]
                for text in texts:
                    yield text
                    told = time.monotonic()
                with suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), TILES_S)

    async def _changes(self, seen: str) -> tuple[list[str], str]:
        items, texts = self.feed.since(seen), []
        if items is None:
            mark = self.feed.mark
            return [_event("reload", {}, mark)], mark
        for item in items:
            seen = self.feed.mark_of(item.number)
            data = await run_in_threadpool(self.item, item)
            if data is not None:
                texts.append(_event(item.kind, data, seen))
        return texts, seen

    async def _tiles(self, sent: dict[str, Any]) -> list[str]:
        """Make the message with the tiles that differ from those `sent`."""
        tiles = await run_in_threadpool(self._newest_tiles)
        changed = {name: tile for name, tile in tiles.items() if sent.get(name) != tile}
        sent.update(changed)
        return [_event("tiles", changed)] if changed else []

    def _newest_tiles(self) -> Tiles:
        """Make the tiles, once for all pages that ask at about the same time."""
        with self._lock:
            if time.monotonic() - self._made[0] > TILES_S / 2:
                self._made = time.monotonic(), self.tiles()
            return self._made[1]


def _event(kind: str, data: Mapping[str, Any], mark: str | None = None) -> str:
    """Write one message; JSON has no line break, which would end it."""
    number = "" if mark is None else f"id: {mark}\n"
    return f"{number}event: {kind}\ndata: {json.dumps(data)}\n\n"
