"""What Frigate is asked over HTTP: clips of its recordings, its reviews, and notes on its events.

API of Frigate 0.18; clips are fetched by camera and time, which older versions know too. Knows no
model and no MQTT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from hiprobe.errors import SinkFailed, UsageError
from hiprobe.sinks._http import REFUSED, HttpClient, NotAllowed
from hiprobe.sinks._targets import address_of

JSON = {"Content-Type": "application/json"}
MOST_BYTES = 512 << 20  # of a clip
READ_S = 120.0  # for a whole clip
LIST_BYTES = 16 << 20
SUB_LABEL = 100  # characters that Frigate takes
NO_RECORDING = frozenset({400, 404})
Made = TypeVar("Made")


class NoRecording(SinkFailed):
    """Frigate has no recording of that time, or none yet."""


@dataclass(frozen=True)
class FrigateReview:
    """An item of Frigate's review list that has ended; times are Unix seconds.

    `detections` are the ids of its events, `objects` what Frigate saw, and `severity` is alert or
    detection. Raises ValueError for what is none.
    """

    id: str
    camera: str
    start: float
    end: float
    severity: str = "detection"
    objects: tuple[str, ...] = ()
    detections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.id and self.camera and 0 < self.start <= self.end < 1e11):
            raise ValueError("a review needs an id, a camera, and a start before its end")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> FrigateReview:
        """Read a review as Frigate writes it; raises ValueError.

        >>> FrigateReview.of({"id": "1.5-ab", "camera": "yard", "start_time": 1.5,
        ...                   "end_time": 9.0, "severity": "alert", "data": {"objects": ["dog"]}})
        FrigateReview(id='1.5-ab', camera='yard', start=1.5, end=9.0, severity='alert', \
objects=('dog',), detections=())
        """
        try:
            data = values.get("data") or {}
            return cls(
                str(values["id"])[:128],
                str(values["camera"])[:128],
                float(values["start_time"]),
                float(values["end_time"]),
                str(values.get("severity", "detection")),
                tuple(map(str, data.get("objects") or ())),
                tuple(map(str, data.get("detections") or ())),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an ended review of Frigate: {error!r}") from error


class _Client(HttpClient):
    """An HTTP client that also reads answers, up to a size."""

    def read(self, url: str, most: int, take: Callable[[bytes], object]) -> None:
        """Get `url` and give its body to `take` piece by piece; raises as `send` does."""
        size = 0
        with self.within(READ_S) as client, client.stream("GET", url) as answer:
            self._check(answer.status_code, answer.headers.get("retry-after"))
            for piece in answer.iter_bytes(65536):
                size += len(piece)
                if size > most:
                    raise UsageError(f"answered with more than {most:,} bytes", where=self.where)
                take(piece)


class FrigateApi:
    """Asks Frigate at `target`, such as http://frigate:5000 or https://user:password@host:8971.

    With user and password it logs in first, and again when the session is over. `options` are
    `ca_file` and `check_certificate`. Raises UsageError for an address that is not valid.
    """

    def __init__(self, target: str, options: Mapping[str, Any] | None = None) -> None:
        address = address_of(target, ("http", "https"))
        self._base, self.shown = address.url.rstrip("/"), address.shown
        self._login = (
            None
            if address.user is None
            else json.dumps({"user": address.user, "password": address.password or ""}).encode()
        )
        nobody = replace(address, user=None, password=None)
        self._client = _Client(nobody, f"frigate {address.shown}", options or {}, NO_RECORDING)

    def clip(self, camera: str, start: float, end: float, out: Path) -> None:
        """Write the recording from `start` to `end` (Unix seconds) to the file `out`, as an MP4.

        Raises NoRecording if there is none (yet), and SinkFailed if Frigate does not answer.
        """
        path = f"/api/{quote(camera, safe='')}/start/{start:.3f}/end/{end:.3f}/clip.mp4"
        try:
            with out.open("wb") as file:
                self._logged_in(
                    lambda: self._client.read(self._base + path, MOST_BYTES, file.write)
                )
        except UsageError as error:
            said = error.reason.replace(REFUSED, "it has no recording of this time")
            raise NoRecording(said, where=self._client.where) from error
        if out.stat().st_size == 0:
            raise NoRecording("the recording is empty", where=self._client.where)

    def reviews(self, after: float) -> list[FrigateReview]:
        """List the ended reviews that began after a Unix time; raises SinkFailed."""
        query = urlencode({"after": int(after), "limit": 100})
        parts: list[bytes] = []
        url = f"{self._base}/api/review?{query}"
        self._logged_in(lambda: self._client.read(url, LIST_BYTES, parts.append))
        try:
            listed = json.loads(b"".join(parts))
            ended = [one for one in listed if one.get("end_time") is not None]
            return [FrigateReview.of(one) for one in ended]
        except (ValueError, AttributeError, TypeError) as error:
            raise SinkFailed("answered no list of reviews", where=self._client.where) from error

    def describe(self, events: Sequence[str], text: str) -> None:
        """Set the description of events; raises SinkFailed, or UsageError if it is refused."""
        for event in events:
            self._post(f"/api/events/{quote(event, safe='')}/description", {"description": text})

    def set_sub_label(self, events: Sequence[str], text: str, score: float | None) -> None:
        """Set the sub-label of events, with its score; raises as `describe`."""
        body: dict[str, Any] = {"subLabel": text[:SUB_LABEL]}
        if score is not None:
            body["subLabelScore"] = min(1.0, max(0.01, score))  # above 0, as Frigate wants
        for event in events:
            self._post(f"/api/events/{quote(event, safe='')}/sub_label", body)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self._logged_in(lambda: self._client.send("POST", self._base + path, data, JSON))

    def _logged_in(self, ask: Callable[[], Made]) -> Made:
        """Ask, and if Frigate wants a login, log in and ask again."""
        try:
            return ask()
        except NotAllowed:
            if self._login is None:
                raise
            self._client.send("POST", f"{self._base}/api/login", self._login, JSON)
            return ask()
