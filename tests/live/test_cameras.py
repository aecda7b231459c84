"""The file of cameras: what it may hold, and one line with file, key and cure for what it may not."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hiprobe.errors import UsageError
from hiprobe.live.camera_file import CameraTable, ClipTable
from hiprobe.live.cameras import Camera, ClipSettings, SeverityRule, cameras_of, load
from hiprobe.live.regions import Regions

YARD = '[[camera]]\nname = "yard"\nurl = "rtsp://admin:s3cret@10.0.0.5/live"\n'
ALL = """
state = "kept"
probe = "probes/yard.safetensors"
model = "embedded"
timezone = "Europe/Berlin"

[clips]
before_s = 3
keep_days = 7
keep_gb = 1.5

[defaults]
cooldown_s = 30
schedule = ["mon-fri 22:00-06:00", "sat,sun"]

[[camera]]
name = "Yard, north"
url = "rtsp://admin:s3cret@10.0.0.5/live"

[[sink]]
name = "phone"
sink = "apprise"
target = "ntfy://s3cret-topic"
types = ["new"]
min_severity = "high"
wait = "verified"
wait_s = 20
options = { tag = "yard" }
[sink.parts.snapshot]
wait = "none"
""".replace("Yard, north", "Yard north")


def written(folder: Path, text: str) -> Path:
    path = folder / "cameras.toml"
    path.write_text(text)
    return path


def test_all_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_PASSWORD", "a@b/c")
    more = """
[[camera]]
name = "gate"
url = "rtsp://admin:${CAM_PASSWORD}@10.0.0.6/live"
place = "Gate, behind the house"
schedule = "daily 00:00-24:00"
cooldown_s = 5
severity = { above = 0.9, schedule = ["22:00-06:00"] }
ignore = [[[0, 0], [1, 0], [1, 0.2], [0, 0.2]]]
threshold = 0.75
still = "skip"
clips = false
transport = "udp"
offline_after_s = 20
frozen_after_s = 120

[[camera]]
name = "played"
url = "videos/shop.mp4"
speed = 4
severity = "high"
"""
    watch = load(written(tmp_path, ALL + more))
    yard, gate, played = watch.cameras
    assert (watch.state, watch.probe) == (
        tmp_path / "kept",
        str(tmp_path / "probes/yard.safetensors"),
    )
    assert watch.model == "embedded"
    assert watch.clips == ClipSettings(before_s=3, keep_days=7, keep_gb=1.5)
    assert (yard.cooldown_s, gate.cooldown_s) == (30, 5)
    night = datetime(2025, 12, 1, 22, 30, tzinfo=UTC).timestamp()  # 23:30 in Berlin
    assert yard.schedule.applies(night)
    assert not yard.schedule.applies(night - 2 * 3600)
    assert gate.schedule.applies(night - 2 * 3600)
    assert gate.url == "rtsp://admin:a%40b%2Fc@10.0.0.6/live"
    assert (gate.shown, gate.place) == ("rtsp://10.0.0.6", "Gate, behind the house")
    assert (gate.threshold, gate.still, gate.clips, gate.transport) == (0.75, "skip", False, "udp")
    assert gate.ignore == Regions.parse([[[0, 0], [1, 0], [1, 0.2], [0, 0.2]]])
    assert [gate.severity.severity(score, night - 7200) for score in (0.5, 0.95)] == [
        "medium",
        "high",
    ]
    assert gate.severity.severity(0.5, night) == "high"
    assert (played.url, played.speed) == (str(tmp_path / "videos/shop.mp4"), 4)
    assert played.severity == SeverityRule(always=True)
    (phone,) = watch.sinks
    assert (phone.name, phone.sink, phone.target) == ("phone", "apprise", "ntfy://s3cret-topic")
    assert phone.settings == {
        "types": ["new"],
        "min_severity": "high",
        "wait": "verified",
        "wait_s": 20,
    }
    assert (phone.options, phone.parts) == ({"tag": "yard"}, {"snapshot": {"wait": "none"}})
    assert "s3cret" not in repr(watch)
    assert "a%40b" not in repr(watch)


def test_every_path_in_a_camera_file_is_relative_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP", "videos/shop.mp4")
    text = """
    state = "kept"
    probe = "yard.safetensors"
    [[camera]]
    name = "shop"
    url = "env:SHOP"
    [[sink]]
    sink = "jsonl"
    target = "alerts.jsonl"
    [[sink]]
    sink = "webhook"
    target = "https://example.org/hook"
    options = { template = "chat.j2", secret_file = "/etc/secret", ca_file = "ca.pem" }
    [[sink]]
    sink = "mqtt"
    target = "mqtts://broker"
    options = { ca_file = "ca.pem", discovery = false }
    """
    watch = load(written(tmp_path, text))
    log, hook, broker = watch.sinks
    assert (watch.state, watch.probe) == (tmp_path / "kept", str(tmp_path / "yard.safetensors"))
    assert watch.cameras[0].url == str(tmp_path / "videos/shop.mp4")
    assert log.target == str(tmp_path / "alerts.jsonl")
    assert hook.target == "https://example.org/hook"
    assert hook.options == {
        "template": str(tmp_path / "chat.j2"),
        "secret_file": "/etc/secret",
        "ca_file": str(tmp_path / "ca.pem"),
    }
    assert broker.options == {"ca_file": str(tmp_path / "ca.pem"), "discovery": False}


def test_every_setting_of_a_camera_has_its_key() -> None:
    assert {one.name for one in fields(Camera)} == set(CameraTable.model_fields)
    assert {one.name for one in fields(ClipSettings)} == set(ClipTable.model_fields)


REGION = "ignore = [[[0, 0], [1.5, 0], [1, 1]]]"
WRONG = {  # what is wrong with a camera file, and what the line says
    "camera 'yard': there is no key 'colour'; use one of name, url, ": YARD + 'colour = "red"',
    "camera 'yard': there is no key 'Threshold'": YARD + "Threshold = 0.5",
    "there is no key 'sinks'; use one of camera, sink": YARD + "[[sinks]]\nsink = 'jsonl'",
    "[defaults]: there is no key 'name'; use one of": "[defaults]\nname = 'a'\n" + YARD,
    "[defaults]: there is no key 'url'": "[defaults]\nurl = 'rtsp://a'\n" + YARD,
    "[clips]: there is no key 'days'; use one of before_s, after_s": "[clips]\ndays = 3\n" + YARD,
    "sink 'jsonl': there is no key 'to'": YARD + "[[sink]]\nname = 'jsonl'\nto = 'a'",
    "camera 'yard': there is no key 'over'; use one of above, schedule": YARD + "severity = { over = 0.9 }",
    "two cameras have the name 'yard' and 'Yard'": YARD + YARD.replace("yard", "Yard"),
    "two sinks have the name 'jsonl' and 'jsonl'": YARD + "[[sink]]\nsink = 'jsonl'\ntarget = 'a'\n" * 2,
    "camera 'yard': ignore: a region must be in the picture": YARD + REGION,
    "[defaults]: ignore must be a list of regions": "[defaults]\nignore = [[0, 0], [1, 1]]\n" + YARD,
    "camera 'yard': schedule: '22:00-22:00': it ends when it starts, so it never applies": YARD + "schedule = ['22:00-22:00']",
    "camera 'yard': schedule: it has no times, so it never applies": YARD + "schedule = []",
    "camera 'yard': schedule must be a list of texts like": YARD + "schedule = 8",
    "camera 'yard': severity: it needs above = SCORE": YARD + "severity = {}",
    'camera \'yard\': severity must be "medium", "high", or a table': YARD + "severity = 'loud'",
    "camera 'yard': threshold must be a number": YARD + "threshold = 'high'",
    "camera 'yard': threshold must be a number from": YARD + "threshold = nan",
    "camera 'yard': cooldown_s must be a number from 0 to 86400 seconds, got -1": YARD + "cooldown_s = -1",
    "camera 'yard': clips must be true or false": YARD + "clips = 1",
    "camera 'yard': still must be 'read' or 'skip'": YARD + "still = 'maybe'",
    "camera 'yard': speed is for files only": YARD + "speed = 2",
    "camera 'yard': transport must be 'tcp' or 'udp'": YARD + "transport = 'http'",
    "camera 1: the key name is missing; add name = ": '[[camera]]\nplace = "a"',
    "camera 'yard': the key url is missing": '[[camera]]\nname = "yard"',
    "camera 'a/b': name must be 1 to 64 letters": YARD.replace("yard", "a/b"),
    "camera '': name must be": YARD.replace("yard", ""),
    "camera 'yard': url: the address must begin with rtsp://": YARD.replace("rtsp://", "ftp://"),
    "camera 'yard': rtsp:// is not a valid address: the user name or password": YARD.replace("s3cret", "s3cret/x"),
    "camera 'yard': url: the environment variable NO_SUCH is not set; set NO_SUCH": YARD.replace("s3cret", "${NO_SUCH}"),
    "camera 'yard': url must be a text in quotes": '[[camera]]\nname = "yard"\nurl = 5',
    "there is no [[camera]]; add [[camera]] with": 'state = "a"',
    "there is no camera to watch": "camera = []",
    "camera must be a list": "camera = 5",
    "camera 1 must be a table": "camera = [5]",
    "timezone: there is no time zone 'Mars/Base'": 'timezone = "Mars/Base"\n' + YARD,
    "timezone: there is no time zone '../../etc/passwd'": 'timezone = "../../etc/passwd"\n' + YARD,
    "clips: keep_days must be a number from": "[clips]\nkeep_days = 0\n" + YARD,
    "clips: keep_unreviewed_days must be at least keep_days": "[clips]\nkeep_days = 90\n" + YARD,
    "not valid TOML": YARD + "url = rtsp://admin:s3cret@x",
    "not valid TOML: Cannot": YARD + "name = 'b'",
}  # fmt: skip


@pytest.mark.parametrize("says", WRONG)
def test_what_is_wrong_is_one_line_with_file_key_and_cure(tmp_path: Path, says: str) -> None:
    path = written(tmp_path, WRONG[says])
    with pytest.raises(UsageError) as caught:
        load(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert says in line
    assert "\n" not in line
    assert caught.value.cure
    assert caught.value.exit_code == 2
    assert "s3cret" not in line
    # Nothing of it is in the causes either, which a traceback would show.
    cause = caught.value.__cause__
    assert cause is None or "s3cret" not in str(cause)


def test_a_file_of_alerts_is_where_the_file_of_cameras_is(tmp_path: Path) -> None:
    sinks = "[[sink]]\nsink = 'jsonl'\ntarget = 'a.jsonl'\n"
    sinks += "[[sink]]\nsink = 'webhook'\ntarget = 'env:HOOK'\n"
    found = [one.target for one in load(written(tmp_path, YARD + sinks)).sinks]
    assert found == [str(tmp_path / "a.jsonl"), "env:HOOK"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file; check the path"):
        load(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="not a regular file"):
        load(tmp_path)
    (tmp_path / "a.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match="not UTF-8"):
        load(tmp_path / "a.toml")


def test_a_whole_address_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YARD", "rtsp://admin:pw@cam/live")
    path = written(tmp_path, '[[camera]]\nname = "yard"\nurl = "env:YARD"')
    assert load(path).cameras[0].url == "rtsp://admin:pw@cam/live"


def test_sources_of_the_command_line_get_names() -> None:
    cameras = cameras_of(
        ["rtsp://u:pw@10.0.0.5:554/a", "/videos/a b.mp4", "other/a b.mp4", "/dev/video0"], 2.0
    )
    assert [one.name for one in cameras] == ["10.0.0.5-554", "a-b", "a-b-2", "video0"]
    assert [one.speed for one in cameras] == [1.0, 2.0, 2.0, 1.0]
    with pytest.raises(UsageError, match="speed must be"):
        cameras_of(["a.mp4"], 0.0)
    with pytest.raises(UsageError, match="must begin with"):
        cameras_of(["rtmp://cam/x"])
