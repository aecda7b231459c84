"""The page of a watcher over HTTP: alerts, judgements, refits, deletion, and who may see them."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.page_watcher import (
    PageWatcher,
    raise_alert,
    watched,
)
from tests.support.review_folder import Made, Page, made_states

from hiprobe.errors import RecipeMismatch
from hiprobe.live.alert_archive import footage_id
from hiprobe.live.destinations import SinkState
from hiprobe.probe import Probe
from hiprobe.review.live_session import LiveSession
from hiprobe.review.seen_alerts import SeenAlerts

TOKEN = "correct-horse-battery"


def until(true: Callable[[], Any], within_s: float = 20.0) -> Any:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def told(page: Page, path: str, **form: Any) -> dict[str, Any]:
    status, text = page.post(path, **form)
    assert status == 200, text
    found: dict[str, Any] = json.loads(text)
    return found


class Heard:
    """The server-sent events of a page, as (event, data, id), and every byte."""

    def __init__(self, page: Page, query: str = "", **headers: str) -> None:
        self.events: list[tuple[str, Any, str | None]] = []
        self.text = ""
        self._socket = socket.create_connection(("127.0.0.1", page.port), 60)
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(
            f"GET /live/stream{query} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n{more}\r\n".encode()
        )
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._socket.makefile("r", newline="\n") as lines:
            kind, number = "", None
            for line in lines:
                self.text += line
                name, _, value = line.rstrip("\r\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    number = value
                elif name == "data":
                    self.events.append((kind, json.loads(value), number))
                    kind, number = "", None
        self.ended.set()

    def of(self, kind: str) -> list[Any]:
        return [data for one, data, _ in list(self.events) if one == kind]

    def last_probe(self) -> str:
        return " ".join(self.of("probe")[-1]["html"].split())

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


# The page


def test_the_first_page_shows_cameras_and_alerts_the_newest_first(
    live_page: Page, watcher: PageWatcher
) -> None:
    for number in range(3):
        raise_alert(watcher, number)
    watcher.sinks = (SinkState("phone", "apprise", "ntfy://…", "cannot be reached", waiting=3),)
    body = live_page.get("/")[2].decode()
    assert re.findall(r'data-id="(\w+)"', body) == ["a2", "a1", "a0"]
    assert re.findall(r'class="tile[^"]*" data-camera="([^"]+)"', body) == ["yard", "front door"]
    assert "Alerts wait for <strong><bdi>phone</bdi></strong>" in body
    assert "3 not delivered yet" in body
    assert "a person falls" in body
    assert "/videos" in body  # recorded footage is on the same page
    assert live_page.get("/videos")[0] == 200
    assert "b.mp4" in live_page.get("/videos")[2].decode()


def test_the_list_is_filtered_and_paged(live_page: Page, watcher: PageWatcher) -> None:
    for number in range(4):
        raise_alert(watcher, number)
    told(live_page, "/live/alerts/a3/see")

    def listed(query: str) -> list[str]:
        return re.findall(r'data-id="(\w+)"', live_page.get(f"/?{query}")[2].decode())

    assert listed("camera=yard") == ["a2", "a0"]
    assert listed("show=open") == ["a2", "a1", "a0"]
    first = watcher.alert("a2")
    assert first is not None
    assert listed(f"before={first.start}") == ["a1", "a0"]
    assert listed("show=judged&alert=a3") == ["a3"]  # the one that is asked for is always there
    assert live_page.get("/?show=nonsense")[0] == 422


def test_pictures_clips_and_snapshots_are_sent(live_page: Page, watcher: PageWatcher) -> None:
    raise_alert(watcher, 0)
    status, headers, body = live_page.get("/live/picture/front%20door")
    assert (status, headers["Content-Type"], body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    status, headers, body = live_page.get("/live/alerts/a0/clip.mp4", Range="bytes=0-99")
    assert (status, len(body), headers["Cache-Control"]) == (206, 100, "no-store")
    assert live_page.get("/live/alerts/a0/snapshot.jpg")[0] == 200
    assert b"<video" in live_page.get("/live/alerts/a0/player")[2]
    assert b"Download the clip" in live_page.get("/live/alerts/a0")[2]
    for path in ("picture/nobody", "picture/..", "alerts/none/clip.mp4", "alerts/..%2f../player"):
        assert live_page.get(f"/live/{path}")[0] == 404, path


def test_an_alert_without_files_yet_says_so(live_page: Page, watcher: PageWatcher) -> None:
    raise_alert(watcher, 0, type="new", clip=None, snapshot=None, provisional=True)
    assert b"The clip follows" in live_page.get("/live/alerts/a0/player")[2]
    assert live_page.get("/live/alerts/a0/clip.mp4")[0] == 404
    raise_alert(watcher, 1, clip="clips/yard/gone.mp4")
    assert b"there is no clip of this alert" in live_page.get("/live/alerts/a1/player")[2]


@pytest.mark.parametrize("name", ["../../secret.mp4", "clips/link.mp4"])
def test_a_file_outside_of_the_folder_is_not_sent(
    live_page: Page, watcher: PageWatcher, name: str
) -> None:
    secret = watcher.folder.parent.parent / "secret.mp4"
    secret.write_bytes(b"secret")
    link = watcher.folder / "clips" / "link.mp4"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    alert = raise_alert(watcher, 0)
    object.__setattr__(alert, "clip", name)  # its own check would refuse the first one
    assert live_page.get("/live/alerts/a0/clip.mp4")[0] == 404


# Judgements


def test_a_judgement_refits_and_the_watcher_uses_the_new_probe(
    live_page: Page, live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    watcher.run("yard", made_states("1" * 64, (), 0, 7), every_s=0.005)
    for number in range(6):
        raise_alert(watcher, number, dimension=4)  # the probe does not know these
    for number in range(6):
        answer = told(live_page, f"/live/alerts/a{number}/judge", kind="true_alarm")
        assert answer["said"].startswith("true alarm: ")
        assert 'data-kind="true_alarm"' in answer["rows"][f"a{number}"]
    newest = until(lambda: [one for one in live.judgements.probes() if one.upto == 6], within_s=30)[
        0
    ]
    until(lambda: live.judgements.chosen_probe() == newest.digest)
    refit = watcher.swaps[-1][0]
    assert refit.digest == live.needed_probe().digest == Probe.load(made.probe_path).digest
    assert refit.digest != made.probe.digest
    found = live.states(footage_id("a0"), made.probe.recipe)
    assert found is not None
    assert refit.score(found)[4:8].min() > made.probe.score(found)[4:8].max()
    before = watcher.scored
    until(lambda: watcher.scored > before + 20)
    assert watcher.lost == 0
    assert watcher.judged[-1] == ("a5", "true_alarm", "ann")


def test_the_refit_says_what_it_changes(
    live_page: Page, live: LiveSession, watcher: PageWatcher
) -> None:
    heard = Heard(live_page)
    for number in range(4):
        raise_alert(watcher, number, dimension=0 if number else None)
    told(live_page, "/live/alerts/a0/judge", kind="false_alarm")
    told(live_page, "/live/alerts/a1/judge", kind="true_alarm")
    text = until(lambda: [one["html"] for one in heard.of("probe") if "refitted" in one["html"]])[
        -1
    ]
    assert "after a judgement of <bdi>ann</bdi>" in text
    assert "AUC" in text
    until(lambda: "It finds 1 of 1 alert judged true, before 1." in heard.last_probe())
    heard.close()


def test_undoing_a_judgement_brings_back_the_very_probe_from_before(
    live_page: Page, live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    raise_alert(watcher, 0, dimension=4)
    told(live_page, "/live/alerts/a0/judge", kind="true_alarm")
    until(lambda: watcher.probe.digest != made.probe.digest)
    answer = told(live_page, "/live/undo")
    assert answer["said"] == "undone: true alarm, yard a0"
    assert 'data-kind=""' in answer["rows"]["a0"]
    until(lambda: watcher.probe.digest == made.probe.digest)
    assert watcher.judged[-1] == ("a0", None, "ann")
    assert told(live_page, "/live/undo")["said"] == "nothing to undo"


def test_the_previous_probe_is_restored(
    live_page: Page, live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    status, text = live_page.post("/live/restore")
    assert (status, "no other probe was in use before" in text) == (400, True)
    raise_alert(watcher, 0, dimension=4)
    told(live_page, "/live/alerts/a0/judge", kind="true_alarm")
    new = until(lambda: watcher.swaps and watcher.swaps[-1][0].digest)
    until(lambda: live.judgements.chosen_probe() == new)
    told(live_page, "/live/restore")
    assert watcher.probe.digest == made.probe.digest == Probe.load(made.probe_path).digest
    told(live_page, "/live/restore")
    assert watcher.probe.digest == new


def test_a_probe_that_the_watcher_refuses_is_not_put_into_use(
    live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    other = replace(made.probe, recipe=replace(made.probe.recipe, frames=4))
    live.keep(other, "ann", "given")
    with pytest.raises(RecipeMismatch, match="frames per segment"):
        live.use(other.digest, "ann")
    assert live.needed_probe().digest == made.probe.digest == Probe.load(made.probe_path).digest


def test_too_few_labels_leave_the_probe_as_it_is(
    live_page: Page, live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    live.judgements.set_labelled([])
    heard = Heard(live_page)
    raise_alert(watcher, 0)
    told(live_page, "/live/alerts/a0/judge", kind="true_alarm")
    until(lambda: any("The probe stays as it is" in one["html"] for one in heard.of("probe")))
    assert watcher.swaps == []
    assert "The probe stays as it is" in live_page.get("/")[2].decode()
    heard.close()


def test_a_judgement_of_recorded_footage_refits_too(
    live_page: Page, live: LiveSession, watcher: PageWatcher, made: Made
) -> None:
    digest = made.ids["b.mp4"]
    status, text = live_page.post(
        f"/v/{digest}/judge", kind="missed", start=18.0, end=24.0, threshold=0.5
    )
    assert status == 200, text
    until(lambda: watcher.swaps)
    raise_alert(watcher, 0, dimension=4)
    told(live_page, "/live/alerts/a0/judge", kind="true_alarm")
    body = live_page.post("/refit")[1]
    assert "cannot be compared" not in body  # the alert is compared like a video
    names = live_page.get("/judgements.csv")[2].decode()
    assert "yard a0" in names


def test_acknowledging_is_kept_and_refits_nothing(
    live_page: Page, live: LiveSession, watcher: PageWatcher
) -> None:
    raise_alert(watcher, 0)
    assert 'data-act="see"' in live_page.get("/")[2].decode()
    answer = told(live_page, "/live/alerts/a0/see")
    assert "seen</span>" in answer["rows"]["a0"]
    assert watcher.judged == [("a0", None, "ann")]
    assert "a0" in SeenAlerts(live.folder)
    assert live.judgements.all() == []
    assert watcher.swaps == []


def test_a_deleted_alert_is_gone_with_all_that_belongs_to_it(
    live_page: Page, live: LiveSession, watcher: PageWatcher
) -> None:
    alert = raise_alert(watcher, 0)
    told(live_page, "/live/alerts/a0/judge", kind="false_alarm")
    until(lambda: watcher.swaps)
    heard = Heard(live_page)
    assert told(live_page, "/live/alerts/a0/delete")["deleted"] == "a0"
    until(lambda: {"id": "a0"} in heard.of("deleted"))
    assert not (watcher.folder / str(alert.clip)).exists()
    assert live.judgements.standing() == []
    assert "a0" not in SeenAlerts(live.folder)
    assert live_page.get("/live/alerts/a0/clip.mp4")[0] == 404
    assert live_page.post("/live/alerts/a0/judge", kind="true_alarm")[0] == 404
    heard.close()


# Server-sent events


def test_alerts_and_tiles_are_sent_as_they_come(
    live_page: Page, watcher: PageWatcher, made: Made
) -> None:
    heard = Heard(live_page)
    until(lambda: heard.of("tiles"))
    watcher.run("yard", made_states("1" * 64, (), 0, 7), every_s=0.05)
    raise_alert(watcher, 0, type="new", provisional=True)
    first = until(lambda: heard.of("alert"))[0]
    assert (first["id"], first["type"]) == ("a0", "new")
    assert "provisional" in first["html"]
    until(lambda: any(one.get("yard", {}).get("alarm") for one in heard.of("tiles")))
    until(lambda: any("polyline" in str(one.get("yard")) for one in heard.of("tiles")))
    tile = [one["yard"] for one in heard.of("tiles") if "yard" in one]
    assert tile[-1]["alarm"] is True
    assert "0.4 s behind" in tile[-1]["html"]
    heard.close()


def test_a_page_that_comes_back_gets_what_it_has_missed(
    live_page: Page, watcher: PageWatcher
) -> None:
    heard = Heard(live_page)
    until(lambda: heard.of("tiles"))
    raise_alert(watcher, 0)
    until(lambda: heard.of("alert"))
    mark = [number for kind, _, number in heard.events if kind == "alert"][-1]
    heard.close()
    raise_alert(watcher, 1)
    raise_alert(watcher, 2)
    raise_alert(watcher, 2, explanation="a fight")
    again = Heard(live_page, **{"Last-Event-ID": str(mark)})
    until(lambda: len(again.of("alert")) == 2)
    assert [one["id"] for one in again.of("alert")] == ["a1", "a2"]  # the last state of each
    assert "a fight" in again.of("alert")[1]["html"]
    again.close()
    stranger = Heard(live_page, "?mark=0123abcd-7")
    until(lambda: stranger.of("reload"))
    stranger.close()


def test_a_page_that_has_missed_too_much_loads_again(live_page: Page, watcher: PageWatcher) -> None:
    body = live_page.get("/")[2].decode()
    mark = re.findall(r'data-mark="([^"]+)"', body)[0]
    alert = raise_alert(watcher, 0)
    for _ in range(1100):
        watcher.put(alert)
    time.sleep(0.5)
    heard = Heard(live_page, f"?mark={mark}")
    until(lambda: heard.of("reload"))
    heard.close()


def test_pages_that_are_gone_are_forgotten_and_the_end_of_the_server_ends_all(
    live: LiveSession, watcher: PageWatcher
) -> None:
    with watched(live) as page:
        some = [Heard(page) for _ in range(5)]
        for one in some:
            until(lambda one=one: one.of("tiles"))
        for one in some[:4]:
            one.close()
        raise_alert(watcher, 0)
        until(lambda: some[4].of("alert"))
        began = time.monotonic()
    assert time.monotonic() - began < 4
    assert some[4].ended.wait(2)
    assert "owned" not in some[4].text


# Who may see it


PATHS = (
    "/", "/live/stream", "/live/picture/yard", "/live/alerts/a0", "/live/alerts/a0/player",
    "/live/alerts/a0/clip.mp4", "/live/alerts/a0/snapshot.jpg", "/static/live.js", "/videos",
)  # fmt: skip
CHANGES = (
    "/live/alerts/a0/judge", "/live/alerts/a0/see", "/live/alerts/a0/delete", "/live/undo",
    "/live/restore",
)  # fmt: skip


def test_health_and_metrics_are_told_to_programs(
    live_page: Page, live: LiveSession, watcher: PageWatcher
) -> None:
    watcher.cameras["yard"] = replace(watcher.cameras["yard"], pictured=time.time())
    status, _, body = live_page.get("/healthz")
    assert status == 503
    assert body.startswith(b"camera front door is online, but nothing was scored for ")
    watcher.cameras["front door"] = replace(watcher.cameras["front door"], state="offline")
    assert live_page.get("/healthz")[::2] == (200, b"ok\n")
    status, headers, body = live_page.get("/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'\nhiprobe_camera_online{camera="yard"} 1\n' in body
    with watched(live, TOKEN) as page:
        assert page.get("/metrics")[0] == 401
        for wrong in (f"Basic {TOKEN}", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x"):
            assert page.get("/metrics", Authorization=wrong)[0] == 401, wrong
        assert page.get("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        watcher.cameras["front door"] = replace(watcher.cameras["front door"], state="online")
        assert page.get("/healthz")[::2] == (503, b"not well\n")
        assert b"front door" in page.get("/healthz", Authorization=f"Bearer {TOKEN}")[2]
        assert page.get("/healthz", Host="evil.example")[0] == 400


def test_nothing_is_shown_without_the_token(live: LiveSession, watcher: PageWatcher) -> None:
    raise_alert(watcher, 0)
    with watched(live, TOKEN) as page:
        for path in PATHS:
            status, _, body = page.get(path)
            assert status == 401, path
            assert b"a token is needed: open this page with ?token=" in body
        for path in CHANGES:
            assert page.post(path, kind="true_alarm")[0] == 401, path
        cookie = {"Cookie": f"hiprobe-token={TOKEN}"}
        for path in PATHS:
            if path != "/live/stream":
                assert page.get(path, **cookie)[0] == 200, path
    assert watcher.alert("a0") is not None
    assert live.judgements.all() == []


def test_another_site_sees_and_changes_nothing(
    live_page: Page, live: LiveSession, watcher: PageWatcher
) -> None:
    raise_alert(watcher, 0)
    for path in PATHS:
        assert live_page.get(path, Host="evil.example")[0] == 400, path
        assert live_page.get(path, **{"Sec-Fetch-Site": "cross-site"})[0] == 403, path
    for path in CHANGES:
        status, _, _ = live_page.ask("POST", path, {"Origin": "http://evil.example"}, {"kind": "x"})
        assert status == 403, path
        assert live_page.ask("POST", path)[0] == 403, path  # no proof where it comes from
    assert live.judgements.all() == []
    assert watcher.judged == []


def test_hostile_words_of_a_model_are_shown_as_text(live_page: Page, watcher: PageWatcher) -> None:
    attack = "<img src=x onerror=\"document.title='owned'\"></script>\n\nevent: reload\ndata: {}"
    heard = Heard(live_page)
    until(lambda: heard.of("tiles"))
    raise_alert(watcher, 0, explanation=attack, label=attack)
    row = until(lambda: heard.of("alert"))[0]["html"]
    assert "&lt;img src=x" in row
    assert "<img src=x" not in row
    assert heard.of("reload") == []
    assert "<img src=x" not in live_page.get("/")[2].decode()
    heard.close()
