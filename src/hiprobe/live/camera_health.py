"""Whether a camera is online, offline or frozen, and when to connect again.

Pure rules: no stream, no thread. Times are seconds of a steady clock.
"""

from __future__ import annotations

import math
import random
import zlib
from collections import OrderedDict
from typing import Literal

from hiprobe.errors import HiProbeError, LoginRefused, NoVideoStream, UnsupportedVideo
from hiprobe.types import Segment

FIRST_S, MOST_S = 0.5, 10.0  # before the first and any later attempt to connect again
STEADY_S = 10.0  # a connection that has lasted this long was a good one
# A camera locks an account after some failed logins, for half an hour as a rule.
LOGIN_S = 300.0
WRONG_S = 60.0  # an address that gives no video will not give one soon
GRACE_S = 10.0  # for a decoder to say that nothing comes
PICTURES = 64  # pictures that are remembered: those of more than 10 s

Change = Literal["online", "offline"]


class Backoff:
    """Seconds to wait before the next attempt, longer after each one that failed.

    They grow from `first_s` by a factor of 2 to `most_s`, and up to half of each is chance, so that
    the cameras of a recorder do not all come at once.

    >>> from hiprobe.errors import CameraUnreachable
    >>> backoff = Backoff(first_s=1.0, most_s=4.0)
    >>> waits = [backoff.wait_s(CameraUnreachable("no answer"), 0.0) for _ in range(5)]
    >>> [one <= limit for one, limit in zip(waits, (1, 2, 4, 4, 4))], min(waits) >= 0.5
    ([True, True, True, True, True], True)
    """

    def __init__(
        self,
        first_s: float = FIRST_S,
        most_s: float = MOST_S,
        chance: random.Random | None = None,
    ) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._chance = chance or random.Random()
        self._failed = 0

    def wait_s(self, error: HiProbeError, lasted_s: float) -> float:
        """Return how long to wait after `error` ended a connection that lasted `lasted_s`."""
        self._failed = 0 if lasted_s >= STEADY_S else self._failed
        # Beyond 2^30 nothing changes, and a float would overflow in the end.
        usual = min(self._first_s * 2.0 ** min(self._failed, 30), self._most_s)
        self._failed += 1
        if isinstance(error, LoginRefused):
            usual = LOGIN_S
        elif isinstance(error, NoVideoStream | UnsupportedVideo):
            usual = WRONG_S
        return usual * self._chance.uniform(0.5, 1.0)


class CameraHealth:
    """Decide when a camera is reported as online or offline.

    It is offline once it has sent nothing for `silent_s` seconds; a camera that was never online is
    so at once, so that a wrong address shows at the start. A new reason is reported as well. As
    long as a connection lasts, its decoder tells of silence; only if that says nothing either, the
    camera is offline some seconds later.

    >>> from hiprobe.errors import CameraUnreachable
    >>> health = CameraHealth(15.0)
    >>> health.heard(0.0), health.heard(1.6)
    ('online', None)
    >>> health.failed(2.0, CameraUnreachable("ended the stream")), health.overdue(16.0)
    (None, None)
    >>> health.overdue(16.6), str(health.error)
    ('offline', 'ended the stream')
    """

    def __init__(self, silent_s: float) -> None:
        self.error: HiProbeError | None = None
        self._silent_s = silent_s
        self._state: Change | None = None
        self._last = 0.0
        self._told = ""

    def heard(self, at: float) -> Change | None:
        """Note that there is a picture, and that the last packet came at `at`.

        Return the new state if it changed.
        """
        self._last, self.error = at, None
        return self._changed("online", "")

    def failed(self, now: float, error: HiProbeError) -> Change | None:
        """Note that a connection ended or could not be made; return the new state, or None."""
        self.error = error
        if self._state == "online":
            return self.overdue(now)
        return self._changed("offline", str(error))

    def overdue(self, now: float) -> Change | None:
        """Return "offline" if the time is over in which a picture should have come, else None."""
        late = now >= self.overdue_at
        return self._changed("offline", str(self.error or "")) if late else None

    @property
    def overdue_at(self) -> float:
        """When a camera that is online becomes overdue; never for any other."""
        patience_s = self._silent_s + (0.0 if self.error else GRACE_S)
        return self._last + patience_s if self._state == "online" else math.inf

    def _changed(self, state: Change, why: str) -> Change | None:
        changed = (state, why) != (self._state, self._told)
        self._state, self._told = state, why
        return state if changed else None


class FrozenPicture:
    """Tell whether a camera has shown no new picture for `frozen_s` seconds.

    A picture is new if it is not among the last 64 different ones: a frozen picture that is encoded
    again and again repeats with every keyframe. The noise of a sensor makes every picture of a
    still scene new, so a scene without movement does not count as frozen.

    >>> import numpy as np
    >>> same, frozen = np.zeros((1, 8, 8, 3), np.uint8), FrozenPicture(60.0)
    >>> [frozen.changed(Segment(same, np.array([at]), at, at + 1.6, 0)) for at in (0.0, 30.0, 60.0)]
    [None, None, True]
    """

    def __init__(self, frozen_s: float) -> None:
        self._frozen_s = frozen_s
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._last, self._new, self._frozen = -1.0, 0.0, False

    def changed(self, segment: Segment) -> bool | None:
        """Return True if the picture now counts as frozen, False if no longer, None if as before.

        The times of segments are of one clock. A frame that is repeated in a segment counts once.
        """
        for image, time in zip(segment.frames, segment.times.tolist(), strict=True):
            if time > self._last:
                self._note(zlib.crc32(image.tobytes()), time)
        frozen = self._last - self._new >= self._frozen_s
        before, self._frozen = self._frozen, frozen
        return None if frozen == before else frozen

    def _note(self, picture: int, time: float) -> None:
        if picture not in self._seen:
            self._new = time
        self._last = time
        self._seen[picture] = None
        self._seen.move_to_end(picture)
        if len(self._seen) > PICTURES:
            self._seen.popitem(last=False)
