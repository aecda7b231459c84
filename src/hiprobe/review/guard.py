"""Who may ask the page for anything: host, origin, token, and what a browser may load. Knows no result and no route.

Loopback alone is no protection: any site that the reviewer visits can send requests there (and, by a name that is
made to point to 127.0.0.1, read the answers). So every request, media included, passes here.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from hiprobe.errors import UsageError

TOKEN_LENGTH = 16
COOKIE = "hiprobe-token"
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
    """The address that is served, and the token it asks for: none is needed on loopback.

    Raises UsageError for another address without a token of at least 16 characters.
    """

    host: str
    port: int
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                "an address that others can reach needs a token",
                where=self.host,
                cure="give --token, or --host 127.0.0.1",
            )
        if self.token is not None and (len(self.token) < TOKEN_LENGTH or not self.token.isascii()):
            raise UsageError(f"a token needs {TOKEN_LENGTH} ASCII characters or more")

    @property
    def hosts(self) -> set[str]:
        """What the Host header may say."""
        names = {"127.0.0.1", "localhost", "[::1]"} if is_loopback(self.host) else {self.host}
        return {f"{name}:{self.port}" for name in names} | (names if self.port == 80 else set())

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request that may not pass, or None."""
        if request.headers.get("host", "").lower() not in self.hosts:
            return PlainTextResponse("unknown host", 400)
        if not self._same_origin(request):
            return PlainTextResponse("asked from another site", 403)
        if self.token is not None and not _equal(request.cookies.get(COOKIE), self.token):
            return self._enter(request, self.token)
        return None

    def _same_origin(self, request: Request) -> bool:
        """A change needs proof that the page itself asks; a read only that no other site is known to ask."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if (
            origin is not None
            and origin.lower().partition("://")[2] != request.headers.get("host", "").lower()
        ):
            return False
        if request.method not in ("GET", "HEAD"):
            return origin is not None or site == "same-origin"
        visit = (
            request.headers.get("sec-fetch-mode") == "navigate"
        )  # a link in a mail may open the page
        return visit or site in (None, "none", "same-origin")

    def _enter(self, request: Request, token: str) -> Response:
        """A token in the address becomes a cookie, so that it stays in no history, log or Referer."""
        if request.method != "GET" or not _equal(request.query_params.get("token"), token):
            return PlainTextResponse(
                "a token is needed: open the address that hiprobe review printed", 401
            )
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer

    async def __call__(self, request: Request, following: Next) -> Response:
        """The middleware: refuses, or passes on and sets the headers."""
        answer = self.refusal(request) or await following(request)
        for name, value in HEADERS.items():
            answer.headers[name] = value
        if not request.url.path.startswith(("/static/", "/media/", "/preview/")):
            answer.headers["Cache-Control"] = "no-store"
        return answer


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost counts as reachable."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _equal(given: str | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())
