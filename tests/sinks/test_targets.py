"""Addresses are shown without what may be secret in them."""

from __future__ import annotations

import pytest

from hiprobe.errors import UsageError
from hiprobe.sinks import shown_target
from hiprobe.sinks._targets import address_of

SHOWN = {
    "https://user:pw@example.org:8443/hook?token=x#y": "https://example.org:8443",
    "https://example.org/services/T0/B0/secret": "https://example.org",
    "https://example.org/hook/@me:secret": "https://",
    "https://user:pa/ss@example.org/": "https://",
    "https://user:pa#ss@example.org/": "https://",
    "https://user:pa\\ss@example.org/": "https://",
    "https://[::1]:80/x": "https://[::1]:80",
    "mqtt://me:pw@broker/prefix": "mqtt://broker",
    "MQTTS://me:pw@broker/prefix": "MQTTS://broker",
    "tgram://123:token/chat": "tgram://",
    "ntfy://user:pw@host/topic": "ntfy://",
    "env:MY_HOOK": "env:MY_HOOK",
    "alerts.jsonl": "alerts.jsonl",
}


@pytest.mark.parametrize("target", SHOWN)
def test_what_is_shown_of_a_target(target: str) -> None:
    assert shown_target(target) == SHOWN[target]


def test_an_address_is_taken_apart_and_hides_its_parts() -> None:
    address = address_of("mqtt://me:p%40%2Fss@broker:1884/home/cams", ("mqtt", "mqtts"))
    assert (address.user, address.password) == ("me", "p@/ss")
    assert (address.host, address.port, address.path) == ("broker", 1884, "/home/cams")
    assert address.url == "mqtt://broker:1884/home/cams"
    assert not [part for part in ("me'", "p@", "p%40", "home") if part in repr(address)]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("broker", r"must begin with mqtt://HOST or mqtts://HOST, got no scheme"),
        ("http://broker", "got http://broker"),
        ("mqtt://", "must begin with mqtt://HOST"),
        ("mqtt://u:pw@broker:port", "mqtt:// is not a valid address"),
        ("mqtt://u:pw@broker:70000", "mqtt://broker:70000 is not a valid address"),
        ("mqtt://[::1", "is not a valid address"),
    ],
)
def test_a_wrong_address_is_named_without_its_password(target: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        address_of(target, ("mqtt", "mqtts"))
    assert "pw" not in str(caught.value)
