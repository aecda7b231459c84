"""Send one HTTP request, and say by its answer whether to try again. Knows no message.

No redirect is followed: it could lead a signed message, or a password, to another host.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.request import getproxies, proxy_bypass

import hiprobe
from hiprobe.errors import SinkFailed, UsageError

if TYPE_CHECKING:
    from hiprobe.sinks._targets import Address

INSTALL = "pip install 'hiprobe[alerts]'"
REFUSED = "it refuses this message"
CONNECT_S = 5.0
ANSWER_S = 10.0
WHOLE_S = 20.0  # for a request and its answer
MOST_RETRY_AFTER_S = 300.0
# The receiver has read the message and does not want it, so that no repetition helps.
_REFUSED = frozenset({400, 405, 409, 411, 413, 414, 415, 422})
_CURES = {
    301: "give the address that it redirects to",
    404: "check the path of the address",
    410: "check the path of the address",
}
_WORDS = {
    "RemoteProtocolError": "its answer is not HTTP, or was cut off",
    "ReadError": "the connection was lost",
    "WriteError": "the connection was lost",
}
OPTIONS = ("ca_file", "check_certificate")


class NotAllowed(SinkFailed):
    """The receiver wants another user or password, or a new login."""


class HttpClient:
    """One connection to a receiver, used again for the next message.

    `where` names the receiver in errors, without a password. Of `options`, `ca_file` names the
    certificates to trust, and `check_certificate` = false trusts any. `refused` are more answers
    that refuse a message. Raises UsageError for a file that cannot be used, and where the HTTP
    library is not installed.
    """

    def __init__(
        self,
        address: Address,
        where: str,
        options: Mapping[str, Any],
        refused: frozenset[int] = frozenset(),
    ) -> None:
        self.where, library, self._address = where, _library(), address
        self._refused = _REFUSED | refused
        auth = None if address.user is None else (address.user, address.password or "")
        self._errors = (library.HTTPError, library.InvalidURL, library.StreamError)
        self._made = partial(
            library.Client,
            auth=auth,
            verify=trusted(options, where) if address.scheme == "https" else False,
            timeout=library.Timeout(ANSWER_S, connect=CONNECT_S),
            headers={"User-Agent": f"hiprobe/{hiprobe.__version__}"},
        )
        self._client = self._made()

    def send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a request; return if it was taken.

        Raises UsageError for an answer that refuses this message, SinkFailed for any other failure.
        """
        with (
            self.within(WHOLE_S) as client,
            client.stream(method, url, content=body, headers=headers) as answer,
        ):
            status, after = answer.status_code, answer.headers.get("retry-after")
        self._check(status, after)

    @contextmanager
    def within(self, most_s: float) -> Iterator[Any]:
        """Give the client for one request, which is cut off after some seconds.

        An answer may come byte by byte and be in time with each of them. Raises SinkFailed.
        """
        if self._client.is_closed:
            self._client = self._made()
        client, late = self._client, threading.Event()
        timer = threading.Timer(most_s, _cut_off, (client, late))
        timer.daemon = True
        timer.start()
        try:
            yield client
        except (*self._errors, OSError, RuntimeError) as error:
            why = f"its answer took longer than {most_s:g} s" if late.is_set() else _reason(error)
            raise SinkFailed(why, where=self.where) from None  # the cause has the URL
        finally:
            timer.cancel()

    def reach(self) -> None:
        """Raise SinkFailed if nobody answers at the address; nothing is sent.

        Behind a proxy that cannot be known.
        """
        scheme, host = self._address.scheme, self._address.host
        if behind_proxy(scheme, host):
            return
        port = self._address.port or (443 if scheme == "https" else 80)
        reach(host, port, self.where)

    def _check(self, status: int, after: str | None) -> None:
        """Raise the error that an answer means; none for success."""
        if 200 <= status < 300:
            return
        said = f"answered {status} {_phrase(status)}".strip()
        if status in self._refused:
            raise UsageError(f"{said}: {REFUSED}", where=self.where)
        if status in (401, 403):
            raise NotAllowed(said, where=self.where, cure="check user and password")
        cure = _CURES.get(status) or (_CURES[301] if 300 <= status < 400 else None)
        raise SinkFailed(said, where=self.where, cure=cure, retry_after_s=_seconds(after))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


def _cut_off(client: Any, late: threading.Event) -> None:
    late.set()
    client.close()


def _library() -> Any:
    try:
        import httpx2
    except ModuleNotFoundError as error:
        raise UsageError(f"this sink needs {error.name}", cure=INSTALL) from error
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs whole addresses
    return httpx2


def trusted(options: Mapping[str, Any], where: str) -> ssl.SSLContext:
    """Return what certificates are trusted by the options `ca_file` and `check_certificate`.

    Raises UsageError for a file that is none of certificates.

    >>> trusted({"check_certificate": False}, "frigate").verify_mode.name
    'CERT_NONE'
    """
    file = options.get("ca_file")
    try:
        context = ssl.create_default_context(cafile=None if file is None else str(file))
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(
            f"the certificates in {file} cannot be used: {error.strerror or error}",
            where=where,
            cure="name a PEM file",
        ) from error
    if not options.get("check_certificate", True):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    """Say in plain words why a request failed; the library's own may hold the address."""
    name = type(error).__name__
    if name.endswith("Timeout"):
        return "it cannot be reached in time" if name == "ConnectTimeout" else "no answer in time"
    if name == "ConnectError":
        return f"cannot be reached: {_cause(error)}"
    if isinstance(error, OSError):
        return f"failed: {error.strerror or name}"
    return _WORDS.get(name, f"failed ({name})")


def _cause(error: BaseException) -> str:
    """Say why a connection could not be made: what the system said first."""
    deepest: BaseException = error
    while (cause := deepest.__cause__ or deepest.__context__) is not None:
        deepest = cause
    if isinstance(deepest, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {deepest.verify_message}"
    return why_unreachable(deepest)


def why_unreachable(error: BaseException) -> str:
    """Say in plain words why there is no connection to a host and port.

    >>> why_unreachable(ConnectionRefusedError(111, "Connection refused"))
    'nothing listens at its port'
    """
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at its port"
    if isinstance(error, socket.gaierror):
        return "its host name is not known"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = error.strerror if isinstance(error, OSError) else None
    return text or type(error).__name__


def behind_proxy(scheme: str, host: str) -> bool:
    """Tell whether requests to a host go through a proxy, by the environment.

    >>> behind_proxy("http", "127.0.0.1")
    False
    """
    return bool(getproxies().get(scheme)) and not proxy_bypass(host)


def reach(host: str, port: int, where: str) -> None:
    """Raise SinkFailed if nobody answers at a host and port; nothing is sent there."""
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except (OSError, UnicodeError) as error:
        reason = f"cannot be reached: {why_unreachable(error)}"
        raise SinkFailed(reason, where=where, cure="check the address, and the receiver") from None


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


def _seconds(after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None for a date, or if there is none."""
    return min(float(after), MOST_RETRY_AFTER_S) if after and after.isdigit() else None
