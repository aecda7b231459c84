"""Which requests may pass: host, origin, token, and what browsers may load. Knows no route.

Listening on loopback does not protect the page: any site that the reviewer visits can send requests
to it, and can read the answers through a host name that it points to 127.0.0.1. So every request
passes here, media too.
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
READS = ("GET", "HEAD")
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

    Raises UsageError for another address without a token, and for a token under 16 ASCII
    characters.
    """

    host: str
    port: int
    token: str | None = None

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

    @property
    def hosts(self) -> set[str]:
        """Values that the Host header may have."""
        names = {"127.0.0.1", "localhost", "[::1]"} if is_loopback(self.host) else {self.host}
        return {f"{name}:{self.port}" for name in names} | (names if self.port == 80 else set())

    def refusal(self, request: Request) -> Response | None:
        """Answer a request that may not pass; None for one that may."""
        if request.headers.get("host", "").lower() not in self.hosts:
            return PlainTextResponse("unknown Host header", 400)
        if not self._same_origin(request):
            return PlainTextResponse("request from another site", 403)
        if self.token is not None and not _equal(request.cookies.get(COOKIE), self.token):
            return self._token_to_cookie(request, self.token)
        return None

    def _same_origin(self, request: Request) -> bool:
        """Check that a change comes from the page, and that a read comes from no other site."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if (
            origin is not None
            and origin.lower().partition("://")[2] != request.headers.get("host", "").lower()
        ):
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
                "a token is needed: open the address that hiprobe review has printed", 401
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


def _equal(given: str | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())
