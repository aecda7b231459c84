"""Addresses of receivers, and secrets: from where they come, and how they are shown.

Nothing here returns a password in a text for people. Knows no protocol.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from hiprobe.disk.regular import read_regular
from hiprobe.errors import UsageError

FROM_ENVIRONMENT = "env:"
SECRET_BYTES = 4096
# In these only user, path and query may be secret. Other schemes (apprise) put a token anywhere.
_HOST_IS_PUBLIC = ("http", "https", "mqtt", "mqtts", "rtsp", "rtsps")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.~-]+)(:\d{1,5})?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Address:
    """An address in parts; `url` has no user and no password, `shown` no path and no query either.

    `port` is None if the address names none.
    """

    scheme: str
    host: str
    port: int | None
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    path: str = field(repr=False)
    url: str = field(repr=False)
    shown: str


def shown_target(target: object) -> str:
    """Return an address as people may see it: without user, password, path and query.

    Only the scheme is left of an address whose host may be a token, and of one in which it is not
    clear where the host begins and ends. The path of a file is left as it is.

    >>> shown_target("https://user:pw@example.org:8443/hook?token=x")
    'https://example.org:8443'
    >>> shown_target("tgram://123456:token/chat"), shown_target("alerts.jsonl")
    ('tgram://', 'alerts.jsonl')
    """
    text = str(target)
    scheme, colon, rest = text.partition("://")
    if not colon:
        return text
    authority = re.split(r"[/?#\\]", rest)[0]
    host = authority.rpartition("@")[2]
    clear = "@" not in rest[len(authority) :] and _HOST.fullmatch(host)
    scheme = scheme if _SCHEME.fullmatch(scheme) else "?"
    return f"{scheme}://{host if clear and scheme.lower() in _HOST_IS_PUBLIC else ''}"


def given_target(target: object) -> str:
    """Return the target itself, or what the environment variable NAME of `env:NAME` holds.

    Raises UsageError if it is not set.
    """
    text = str(target)
    if not text.startswith(FROM_ENVIRONMENT):
        return text
    return _from_environment(text.removeprefix(FROM_ENVIRONMENT))


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "") if _NAME.fullmatch(name) else ""
    if not value:
        raise UsageError(
            f"the environment variable {name[:64]!r} is not set", cure="set it to the address"
        )
    return value


def address_of(target: object, schemes: tuple[str, ...]) -> Address:
    """Take an address apart; raises UsageError unless it has one of `schemes` and a host."""
    text = given_target(target)
    expected = " or ".join(f"{scheme}://HOST" for scheme in schemes)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UsageError(
            f"{shown_target(text)} is not a valid address", cure=f"write {expected}"
        ) from None  # the cause quotes the address
    if parts.scheme not in schemes or not parts.hostname:
        raise UsageError(
            f"the address must begin with {expected}, got {_begin(text)}", cure="correct it"
        )
    return Address(
        parts.scheme,
        parts.hostname,
        port,
        _plain(parts.username),
        _plain(parts.password),
        parts.path,
        _without_user(parts),
        shown_target(text),
    )


def _begin(text: str) -> str:
    return shown_target(text) if "://" in text else "no scheme"


def _plain(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _without_user(parts: SplitResult) -> str:
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def secret_of(options: Mapping[str, Any], variable: str) -> bytes | None:
    """Return a secret: option `secret_file` or `secret_env`, else the environment, else None.

    The environment variable `variable` holds it, or `variable`_FILE the path of its file. A line
    end after the secret in a file does not belong to it. Raises UsageError for a file that cannot
    be read, a variable that is not set, and an empty secret.
    """
    if (path := options.get("secret_file")) or (path := os.environ.get(f"{variable}_FILE")):
        return _read_secret(str(path))
    if name := options.get("secret_env"):
        return _from_environment(str(name)).encode()
    return os.environ.get(variable, "").encode() or None


def _read_secret(path: str) -> bytes:
    try:
        secret = read_regular(path, SECRET_BYTES).rstrip(b"\r\n")
    except OSError as error:
        raise UsageError(
            f"the secret cannot be read: {error.strerror or error}",
            where=path,
            cure="name a file that holds the secret and nothing else",
        ) from error
    if not secret:
        raise UsageError("the secret is empty", where=path, cure="write it into the file")
    return secret
