"""Addresses are shown without anything that is secret in them, however they are written."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hiprobe.errors import UsageError
from hiprobe.live.address import check_address, kind_of, scrubbed, shown

PASSWORDS = ["s3cret!pw", "p@ss/w#rd?x", "a:b@c/d", "pw%20enc", "päss-wörd", "secret\\back"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:{}@10.0.0.5/live",
        "rtsp://admin:{}@10.0.0.5:554/live?channel=1&x=2",
        "http://cam.local/video.cgi?user=admin&pwd={}",
        "rtsp://10.0.0.5:554/user=admin&password={}&channel=1_stream=0.sdp?real_stream",
        "https://{}@cam.local/x",
        "rtsp://admin:{}",
        "nonsense://admin:{}@host",
    ],
)
def test_no_part_of_a_password_is_shown(address: str, password: str) -> None:
    for written in (password, quote(password, safe="")):
        seen = shown(address.format(written))
        assert not any(
            part in seen
            for part in (
                "s3cret",
                "p@ss",
                "w#rd",
                "c/d",
                "20enc",
                "wörd",
                "secret",
                "back",
                "admin",
            )
        )
        words = f"cannot open {address.format(written)}: login {password} or {written} was refused"
        assert password not in scrubbed(words, address.format(written))
        assert written not in scrubbed(words, address.format(written))


secret = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=6, max_size=20)


@given(secret, secret)
@example("admin", "//////")
@example("admin", "@@@@@@")
def test_whatever_is_before_the_host_is_not_shown(user: str, password: str) -> None:
    url = f"rtsp://{user}:{password}@10.0.0.5:554/live"
    assert shown(url) in ("rtsp://10.0.0.5:554", "rtsp://")


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("rtsp://10.0.0.5", "rtsp://10.0.0.5"),
        ("rtsps://u:p@[fe80::1]:322/x", "rtsps://[fe80::1]:322"),
        ("http://cam_1.local:8080/a?b", "http://cam_1.local:8080"),
        ("/dev/video0", "/dev/video0"),
        ("videos/a b.mp4", "videos/a b.mp4"),
        ("rtsp://", "rtsp://"),
        ("://x", "?://"),
    ],
)
def test_host_and_port_are_shown(url: str, seen: str) -> None:
    assert shown(url) == seen


@pytest.mark.parametrize(
    "url",
    ["rtsp://cam/x", "https://u:p@cam:1/x", "/dev/video3", "a.mp4", "frames@25fps", "a:b.mp4"],
)
def test_good_addresses(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("rtsp://", "it must name a host"),
        ("rtsp://admin:s3cret/x@cam/y", "seems to hold one of"),
        ("rtsp://cam:99999/x", "the port is from 1 to 65535"),
        ("rtsp://cam:0/x", "the port is from 1 to 65535"),
        ("ftp://admin:s3cret@cam/x", "must begin with rtsp://"),
        ("file:///etc/passwd", "must begin with rtsp://"),
        ("", "must not be empty"),
        ("a\0b", "must not be empty"),
        ("avfoundation:0", "is not a local camera on this machine"),
    ],
)
def test_wrong_addresses_are_refused_without_their_secrets(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        check_address(url)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_kinds() -> None:
    kinds = [kind_of(one) for one in ("RTSP://x", "rtsps://x", "http://x", "/dev/video12", "x.mp4")]
    assert kinds == ["rtsp", "rtsp", "http", "device", "file"]
    assert kind_of("/dev/video") == "file"
