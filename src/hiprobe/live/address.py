"""The address of a camera: which kind it is, and how it is shown without what is secret in it.

Knows no camera and opens nothing.
"""

from __future__ import annotations

import re
import sys
from typing import Literal
from urllib.parse import unquote, urlsplit

from hiprobe.errors import UsageError
from hiprobe.sinks import shown_target

Kind = Literal["rtsp", "http", "device", "file"]
SCHEMES: dict[str, Kind] = {"rtsp": "rtsp", "rtsps": "rtsp", "http": "http", "https": "http"}
# A local camera: on macOS by its number, `avfoundation:0`.
DEVICE = re.compile(r"/dev/video\d+|avfoundation:\d+")
HIDDEN = "***"
SHORT = 3  # a shorter secret is hidden only where it is part of an address
_ANY_LOGIN = re.compile(r"(\w+://)[^\s'\"<>]*@")
_ENCODE = "write these as %40, %2F, %3A, %23 and %3F"
ENCODE = "write @ / : # ? % in them as %40 %2F %3A %23 %3F %25"


def kind_of(url: str) -> Kind:
    """Tell what an address leads to: a stream, a local camera, or a file to be played.

    Raises UsageError for an address of another scheme.

    >>> kind_of("rtsp://10.0.0.5/live"), kind_of("/dev/video0"), kind_of("shop.mp4")
    ('rtsp', 'device', 'file')
    """
    scheme, colon, _ = url.partition("://")
    if not colon:
        return "device" if DEVICE.fullmatch(url) else "file"
    kind = SCHEMES.get(scheme.lower())
    if kind is None:
        raise UsageError(
            f"the address must begin with {', '.join(f'{one}://' for one in SCHEMES)}, "
            f"or be a local camera or a file, got {shown(url)}",
            cure="use the RTSP address of the camera",
        )
    return kind


def shown(url: str) -> str:
    """Return an address as people and logs may see it: scheme, host and port, and nothing else.

    User and password are left out, and so are path and query, which hold a password in the
    addresses of many cameras. Only the scheme is left if it is not clear where the host begins. The
    path of a file or a local camera stays as it is.

    >>> shown("rtsp://admin:secret@10.0.0.5:554/live?channel=1")
    'rtsp://10.0.0.5:554'
    >>> shown("http://cam/video.cgi?user=admin&pwd=secret"), shown("/dev/video0")
    ('http://cam', '/dev/video0')
    """
    return shown_target(url)


def scrubbed(text: str, url: str) -> str:
    """Return `text` without the address `url` and without anything secret in it.

    For words that come from elsewhere, such as an error of a library. Logins in other addresses are
    hidden as well.

    >>> scrubbed("no route to rtsp://a:pw@cam/x", "rtsp://a:pw@cam/x")
    'no route to rtsp://cam'
    >>> scrubbed("digest for user admin, secret: failed", "rtsp://admin:secret@cam/x")
    'digest for user ***, ***: failed'
    """
    text = text.replace(url, shown(url))
    text = _ANY_LOGIN.sub(rf"\1{HIDDEN}@", text)
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(url: str) -> set[str]:
    """Return what must not be shown: user, password, path and query, as written and as decoded."""
    _, colon, rest = url.partition("://")
    if not colon:
        return set()
    login, _, after = rest.rpartition("@")
    user, _, password = login.partition(":")
    found = {login, user, password, *re.findall(r"=([^&]*)", rest)}
    # A path of plain letters is a name; hiding it would make holes in sentences.
    found |= {one for one in re.split(r"[/?#\\]", after, maxsplit=1)[1:] if not one.isalpha()}
    if not shown(url).partition("://")[2]:  # nobody knows where the password ends
        found |= {rest, rest.partition(":")[2]}
    found |= {unquote(one) for one in found}
    return {one for one in found if len(one) >= SHORT}


def check_address(url: str) -> None:
    """Raise UsageError unless `url` is a valid address of a camera, or the name of a file.

    >>> check_address("rtsp://admin:pa/ss@10.0.0.5/live")
    Traceback (most recent call last):
    hiprobe.errors.UsageError: rtsp:// is not a valid address: the user name or password seems to \
hold one of @ / : # ?; write these as %40, %2F, %3A, %23 and %3F
    """
    kind = kind_of(url)
    if kind in ("device", "file"):
        _check_local(url)
        return
    if not shown(url).partition("://")[2]:
        holds = "the user name or password seems to hold one of @ / : # ?"
        wrong = holds if "@" in url else "it must name a host, and a port from 1 to 65535 if any"
        raise UsageError(
            f"{shown(url)} is not a valid address: {wrong}", cure=_ENCODE if "@" in url else None
        )
    try:
        valid = urlsplit(url).port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{shown(url)} is not a valid address", cure="the port is from 1 to 65535")


def _check_local(url: str) -> None:
    wanted = "avfoundation:" if sys.platform == "darwin" else "/dev/video"
    if not url or "\0" in url:
        raise UsageError("an address must not be empty")
    if DEVICE.fullmatch(url) and not url.startswith(wanted):
        raise UsageError(
            f"{url} is not a local camera on this machine", cure=f"write {wanted} and its number"
        )
