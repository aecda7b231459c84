"""How many connections the page holds, and how long one may take to send a request.

Knows no page: a browser opens a few connections, and a program that opens hundreds and sends
nothing must not keep it out.
"""

from __future__ import annotations

import asyncio
import resource
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from hiprobe.errors import EnvironmentFailed

REQUEST_S = 20.0  # from the first byte, or the opening of the connection, to the whole request
MOST = 256  # connections
FILES_EACH = 2  # of an open connection: its socket, and the video that it is sent
FILES_OWN = 64  # of this process: the judgements, decoders and what is imported later
AT_ONCE = 16  # new connections that are taken before older ones are closed for them
FEWEST = 8  # connections, of which a browser opens up to 6


def most_connections() -> int:
    """Return how many connections there may be at once; raises EnvironmentFailed if too few."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if files == resource.RLIM_INFINITY else (files - FILES_OWN) // FILES_EACH
    if most < FEWEST:
        raise EnvironmentFailed(
            f"the page needs {FILES_OWN + FEWEST * FILES_EACH} open files (ulimit -n: {files})",
            cure="raise the limit on open files (ulimit -n)",
        )
    return min(MOST, most)


class BoundedConnection(H11Protocol):
    """An HTTP connection that is closed if its request takes too long, or if others need its place.

    If there are too many, the oldest that waits for its client is closed, else the oldest.
    """

    most = MOST
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection, and close an older one if there are too many."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._opened = self.loop.time()
        self._watch()
        others = [one for one in self.connections if isinstance(one, BoundedConnection)]
        others = [one for one in others if one is not self and not one.transport.is_closing()]
        if len(others) >= self.most:
            min(others, key=lambda one: (not one.waits, one._opened)).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unwatch()
        super().connection_lost(exc)

    @property
    def waits(self) -> bool:
        """Whether the rest of a request, or the next one, has to come from the client."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _watch(self) -> None:
        if not self.waits:
            self._unwatch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self._give_up)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.waits:
            self.transport.abort()
