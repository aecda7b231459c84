"""Which requests may pass: host, origin, token, and what browsers may load. Knows no route.

Listening on loopback does not protect the page: any site that the reviewer visits can send requests
to it, and can read the answers through a host name that it points to 127.0.0.1. So every request
passes here, media too.
"""

from __future__ import annotations

import hmac
import ipaddress
import platform
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from hiprobe.errors import UsageError

TOKEN_LENGTH = 16
NAME = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
COOKIE = "hiprobe-token"
READS = ("GET", "HEAD")
OPEN = "/healthz"  # says no more without the token than whether all is well
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Guard:
    """The address to serve and the token to ask for, which loopback does not need.

    `allowed` are further names by which browsers may ask, with or without a port; `command` is the
    one that serves the page, for errors. Raises UsageError for another address without a token, for
    a token under 16 ASCII characters, and for an allowed name that is not a valid host name.
    """

    host: str
    port: int
    token: str | None = None
    allowed: tuple[str, ...] = ()
    command: str = "hiprobe review"

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                "other machines can reach this address, so it needs a token",
                where=self.host,
                cure="give --token, or use --host 127.0.0.1",
            )
        if self.token is not None and (len(self.token) < TOKEN_LENGTH or not self.token.isascii()):
            raise UsageError(
                f"--token must have at least {TOKEN_LENGTH} ASCII characters, got {len(self.token)}"
            )

        for name in self.allowed:
            if not NAME.fullmatch(name):
                raise UsageError(
                    f"--allow-host must be a name, with or without a port, got {name!r}",
                    cure="give it as the browser shows it, without http:// and without a path",
                )

    @property
    def hosts(self) -> set[str]:
        """Values that the Host header may have, whatever address of this machine was asked."""
        names = {_in_address(self.host.lower())}
        if is_loopback(self.host) or is_every(self.host):
            names = {"127.0.0.1", "localhost", "[::1]"}
        if is_every(self.host):
            names |= own_names()
        given = {name.lower() for name in self.allowed}
        names |= {name for name in given if _has_no_port(name)}
        with_port = {f"{name}:{self.port}" for name in names}
        return given | with_port | (names if self.port == 80 else set())

    @property
    def shown(self) -> str:
        """The name to open in a browser."""
        host = platform.node() or "127.0.0.1" if is_every(self.host) else self.host
        return _in_address(host)

    @property
    def address(self) -> str:
        """The address to open, for terminals and logs: which must not hold the token."""
        how = "" if self.token is None else "?token=TOKEN, where TOKEN is the one you gave"
        return f"http://{self.shown}:{self.port}/{how}"

    def _known(self, request: Request) -> bool:
        """Tell whether the Host header is a name of this page.

        If every address is served, the one that was reached counts as well: a site that points a
        name to this machine cannot make a browser send the bare address.
        """
        asked = request.headers.get("host", "").lower()
        reached, port = request.scope.get("server") or ("", None)
        literal = _in_address(reached)
        mine = {f"{literal}:{port}", *([literal] if port == 80 else [])}
        return asked in self.hosts or (is_every(self.host) and reached != "" and asked in mine)

    def refusal(self, request: Request) -> Response | None:
        """Answer a request that may not pass; None for one that may."""
        if not self._known(request):
            return PlainTextResponse(
                f"unknown Host header; start {self.command} with --allow-host NAME to allow it", 400
            )
        if not self._same_origin(request):
            return PlainTextResponse("request from another site", 403)
        if self.token is None or self.knows(request) or request.url.path == OPEN:
            return None
        return self._token_to_cookie(request, self.token)

    def knows(self, request: Request) -> bool:
        """Tell whether a request has the token: as a cookie, or as programs send it."""
        if self.token is None:
            return True
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        sent = given.strip() if kind.lower() == "bearer" else None
        return _equal(request.cookies.get(COOKIE), self.token) or _equal(sent, self.token)

    def _same_origin(self, request: Request) -> bool:
        """Check that a change comes from the page, and that a read comes from no other site."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        host = request.headers.get("host", "").lower()
        # https if a proxy in front of the page speaks it.
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return False
        if request.method not in READS:
            return origin is not None or site == "same-origin"
        # A link, in a mail for example, may open the page.
        visit = request.headers.get("sec-fetch-mode") == "navigate"
        return visit or site in (None, "none", "same-origin")

    def _token_to_cookie(self, request: Request, token: str) -> Response:
        """Move the token from the address to a cookie, so that no history or log keeps it."""
        if request.method not in READS or not _equal(request.query_params.get("token"), token):
            return PlainTextResponse(
                "a token is needed: open this page with ?token= and the token after its address",
                401,
            )
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer

    async def __call__(self, request: Request, following: Next) -> Response:
        """Refuse a request, or pass it on and set the headers of the answer (middleware)."""
        answer = self.refusal(request) or await following(request)
        for name, value in HEADERS.items():
            answer.headers[name] = value
        if not request.url.path.startswith(("/static/", "/media/", "/preview/")):
            answer.headers["Cache-Control"] = "no-store"
        return answer


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address; of names, only localhost counts."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_every(host: str) -> bool:
    """Tell whether the address stands for every address of this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def own_names() -> set[str]:
    """Return the names of this machine in its network: as it is called, and with `.local`."""
    name = platform.node().lower()
    return {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"} if name else set()


def _in_address(host: str) -> str:
    """Write a host as in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _has_no_port(name: str) -> bool:
    return name.endswith("]") if name.startswith("[") else ":" not in name


def _equal(given: str | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())
