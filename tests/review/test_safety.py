"""Promises 23 to 26 of the list of faults, on a running server that gets raw requests."""

from __future__ import annotations

import csv
import io
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra hiprobe[review] is not installed")

from tests.support.review_folder import ATTACK, HOSTILE, Made, Page, make, served

from hiprobe.errors import UsageError
from hiprobe.review import results
from hiprobe.review.guard import Guard
from hiprobe.review.media import served_videos
from hiprobe.review.run_process import videos_in
from hiprobe.video import Root

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = make(tmp_path_factory.mktemp("review"), (HOSTILE, "b.mp4"))
    secret = made.videos.parent / "secret.mp4"
    secret.write_bytes(b"secret")
    (made.videos / "cam" / "link.mp4").symlink_to(secret)
    (made.videos / "way-out").symlink_to("/etc")
    return made


@pytest.fixture(scope="module")
def page(made: Made) -> Iterator[Page]:
    with served(made.session()) as page:
        yield page


@pytest.fixture(scope="module")
def locked(made: Made) -> Iterator[Page]:
    with served(made.session(), TOKEN) as page:
        yield page


# 23. Listens on 127.0.0.1; another address needs a token; Host and Origin are checked, for
# media too.


def test_23_the_address_that_is_printed_never_holds_the_token() -> None:
    """It goes to logs, such as the journal of a service."""
    shown = Guard("0.0.0.0", 8010, TOKEN).address
    assert TOKEN not in shown
    assert shown.endswith(":8010/?token=TOKEN, where TOKEN is the one you gave")
    assert Guard("127.0.0.1", 8010).address == "http://127.0.0.1:8010/"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "127.0.0.1.example.com"]
)
def test_23_another_address_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="needs a token"):
        Guard(host, 8010)
    with pytest.raises(UsageError, match="16 ASCII"):
        Guard(host, 8010, "short")
    served_as = f"[{host}]:8010" if ":" in host else f"{host}:8010"
    hosts = Guard(host, 8010, TOKEN).hosts
    assert hosts == {served_as} if host not in ("0.0.0.0", "::") else "localhost:8010" in hosts


def test_23_every_name_and_address_of_this_machine_is_accepted_with_a_token(made: Made) -> None:
    """`--host 0.0.0.0`: browsers ask for the machine's name, or for the address that they reach."""
    name = platform.node().lower()
    with served(
        made.session(), TOKEN, host="0.0.0.0", allowed=("cam.example", "[fd00::1]:9")
    ) as page:
        cookie = {"Cookie": f"hiprobe-token={TOKEN}"}
        for host in ("127.0.0.1", "localhost", name, f"{name.split('.')[0]}.local", "cam.example"):
            assert page.get("/", Host=f"{host}:{page.port}", **cookie)[0] == 200, host
        assert page.get("/", Host="cam.example", **cookie)[0] == 200  # a proxy's port 80 or 443
        assert page.get("/", Host="[fd00::1]:9", **cookie)[0] == 200
        other = Page(page.port, host="127.0.0.7")  # another address of this machine
        assert other.get("/", **cookie)[0] == 200
        for host in ("evil.example", f"evil.example:{page.port}", f"127.0.0.7:{page.port}", "[::]"):
            assert page.get("/", Host=host, **cookie)[0] == 400, host
        assert page.get("/")[0] == 401


@pytest.mark.parametrize("name", ["http://cam", "cam/x", "*", "", "cam:x", "a b"])
def test_23_an_allowed_host_is_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="--allow-host must be a name"):
        Guard("127.0.0.1", 8010, allowed=(name,))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.5"])
def test_23_loopback_needs_no_token(host: str) -> None:
    assert "127.0.0.1:8010" in Guard(host, 8010).hosts


def test_23_the_command_takes_allowed_names(made: Made) -> None:
    """A wrong name ends the command before anything is served."""
    command = [sys.executable, "-m", "hiprobe", "review", str(made.out)]
    names = ["--allow-host", "cam.example", "--allow-host", "http://cam"]
    ended = subprocess.run([*command, *names], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "--allow-host must be a name, with or without a port, got 'http://cam'" in ended.stderr


def addresses(made: Made) -> list[str]:
    digest = made.ids["b.mp4"]
    return [
        "/",
        f"/v/{digest}",
        f"/v/{digest}/curve.json",
        f"/media/{digest}",
        f"/preview/{digest}/3.jpg",
        "/moments",
        "/probes",
        "/run",
        "/judgements.csv",
        "/static/review.js",
    ]


def test_23_another_host_name_that_points_here_is_refused(page: Page, made: Made) -> None:
    for path in addresses(made):
        assert page.get(path)[0] == 200, path
        for host in (
            "evil.example",
            f"evil.example:{page.port}",
            "127.0.0.1",
            f"127.0.0.1:{page.port + 1}",
            "",
        ):
            assert page.get(path, Host=host)[0] == 400, (path, host)


def test_head_is_answered_as_get_without_a_body(page: Page, locked: Page, made: Made) -> None:
    for path in addresses(made):
        status, headers, body = page.ask("HEAD", path)
        full = page.get(path)
        assert (status, body) == (200, b""), path
        for name in ("Content-Type", "Content-Length", "Content-Security-Policy"):
            assert headers[name] == full[1][name], path
        assert page.ask("HEAD", path, {"Host": "evil.example"})[0] == 400
        assert page.ask("HEAD", path, {"Origin": "http://evil.example"})[0] == 403
        assert locked.ask("HEAD", path)[0] == 401
    ranged = page.ask("HEAD", f"/media/{made.ids['b.mp4']}", {"Range": "bytes=100-199"})
    assert (ranged[0], ranged[1]["Content-Length"], ranged[2]) == (206, "100", b"")
    assert locked.ask("HEAD", f"/?token={TOKEN}")[0] == 303
    assert page.ask("HEAD", f"/v/{made.ids['b.mp4']}/judge")[0] == 405


def test_23_another_site_reads_nothing(page: Page, made: Made) -> None:
    for path in addresses(made):
        assert page.get(path, Origin="http://evil.example")[0] == 403, path
        assert page.get(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403, path
        assert page.get(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200, (
            path
        )


@pytest.mark.parametrize(
    "origin",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Origin": "evil://HERE"},
        {"Origin": "://HERE"},
        {"Origin": "HERE"},
        {"Origin": "http://HERE@evil.example"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_23_another_site_changes_nothing(page: Page, made: Made, origin: dict[str, str]) -> None:
    form = "kind=true_alarm&start=1&end=2&threshold=0.5"
    origin = {
        name: value.replace("HERE", f"127.0.0.1:{page.port}") for name, value in origin.items()
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", **origin}
    for path in (f"/v/{made.ids['b.mp4']}/judge", "/refit", "/run", "/moments/judge", "/who"):
        connection = page.ask("POST", path, {**headers, "Content-Length": str(len(form))})
        assert connection[0] == 403, path
    assert made.session().judgements.all() == []


def test_23_without_the_token_nothing_is_shown(locked: Page, made: Made) -> None:
    for path in addresses(made):
        assert locked.get(path)[0] == 401, path
        assert locked.get(path, Cookie="hiprobe-token=wrong-wrong-wrong-wrong")[0] == 401, path
        assert locked.get(path, Cookie=f"hiprobe-token={TOKEN}")[0] == 200, path
    assert locked.post("/refit")[0] == 401
    status, headers, _ = locked.get(f"/?token={TOKEN}")
    assert status == 303
    assert "httponly" in headers["Set-Cookie"].lower()
    assert "samesite=strict" in headers["Set-Cookie"].lower()
    assert TOKEN not in headers["Location"]
    assert locked.get("/?token=wrong-wrong-wrong-wrong")[0] == 401


def test_23_every_answer_carries_the_policy(page: Page, made: Made) -> None:
    for path in [*addresses(made), "/none", "/media/none"]:
        headers = page.get(path)[1]
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


# 24. Media are served by id, never by path.

PATHS = (
    "../secret.mp4",
    "..%2fsecret.mp4",
    "%2e%2e/secret.mp4",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "..\\secret.mp4",
    "%5c..%5csecret.mp4",
    "b.mp4",
    "cam/b.mp4",
    "link.mp4",
    "b.mp4%00.jpg",
    "%00",
    "",
    ".",
    "A" * 64,
    "0" * 64,
    "0" * 63 + "%0a",
    "....//secret.mp4",
)


@pytest.mark.parametrize(
    "route",
    ["/media/{}", "/v/{}", "/v/{}/curve.json", "/v/{}/player", "/preview/{}/1.jpg", "/static/{}"],
)
def test_24_a_path_is_not_accepted_as_an_id(page: Page, route: str) -> None:
    for path in PATHS:
        asked = route.format(path.replace("\\", "%5C"))
        status, _, body = page.get(asked)
        assert status == 404, asked
        assert b"secret" not in body, asked


def test_24_a_preview_number_out_of_range_is_refused(page: Page, made: Made) -> None:
    for number in ("-1", "99999", "1.5", "..%2f1", "x"):
        status = page.get(f"/preview/{made.ids['b.mp4']}/{number}.jpg")[0]
        assert status in (404, 422), number


def test_24_links_to_outside_are_not_listed(made: Made) -> None:
    assert sorted(path.name for path, _ in served_videos((Root(str(made.videos)),))) == sorted(
        [HOSTILE, "b.mp4"]
    )


FOLDERS = (
    "..",
    "../out",
    "/etc",
    "cam/../..",
    "way-out",
    "cam\0",
    "cam\\..",
    "file:///etc",
    "C:\\",
    "nothing",
    "cam/b.mp4",
)


def test_24_a_run_stays_under_the_videos_folder(page: Page, made: Made) -> None:
    for folder in FOLDERS:
        with pytest.raises(UsageError, match="no folder with videos"):
            videos_in((Root(str(made.videos)),), folder)
        assert page.post("/run", folder=folder)[0] == 400, folder


@pytest.mark.parametrize(
    "line",
    [
        {"folder": "../videos"},
        {"folder": "/etc"},
        {"folder": "link"},
        {"digest": "../x"},
        {"folder": "x\0"},
        {"duration": "long"},
        {"duration": float("nan")},
        {"duration": -1.0},
        {"duration": 1e308},
    ],
)
def test_24_a_manifest_from_a_stranger_leads_to_no_other_folder(
    tmp_path: Path, line: dict[str, object]
) -> None:
    (tmp_path / "link").symlink_to("/etc")
    whole = {
        "name": "x.mp4",
        "digest": "0" * 64,
        "status": "done",
        "duration": 1,
        "reason": None,
        "folder": "x",
    }
    lines = [json.dumps({**whole, **line}), json.dumps(whole)]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    wrong, right = results.entries(tmp_path)
    assert (wrong.name, wrong.status) == ("manifest.jsonl, line 1", "failed")
    assert (wrong.folder, wrong.video_id) == (None, None)
    assert str(wrong.reason).startswith("not a valid line: ")
    assert right.folder == tmp_path / "x"


def test_24_links_in_a_folder_from_a_stranger_are_not_followed(made: Made, page: Page) -> None:
    secret, digest = made.videos.parent / "secret.mp4", made.ids["b.mp4"]
    links = [
        made.out / ".review" / "copies" / f"{digest}.mp4",
        made.out / ".review" / "previews" / digest / "7.jpg",
    ]
    for link in links:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(secret)
    try:
        for path in (f"/media/{digest}", f"/preview/{digest}/7.jpg"):
            status, _, body = page.get(path)
            assert (status, b"secret" in body) == (200, False), path
        assert secret.read_bytes() == b"secret"
    finally:
        for link in links:
            link.unlink()


# 25. A URL from a user is refused.


URLS = (
    "http://127.0.0.1:22/",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "rtsp://localhost/cam",
    "http://[::1]/",
    "http://2130706433/",
)


def test_25_no_url_is_accepted(page: Page, made: Made) -> None:
    for url in URLS:
        assert page.post("/run", folder=url)[0] == 400, url
        assert page.get(f"/media/{url}")[0] == 404, url
        judged = page.post("/moments/judge", kind="true_alarm", span=f"{url}:0:1")[0]
        assert judged in (400, 404), url
    assert not [name for name in ("http", "urllib", "socket") if _review_imports(name)]


def _review_imports(name: str) -> bool:
    folder = Path(results.__file__).parent
    return any(
        f"import {name}\n" in file.read_text()
        for file in folder.glob("*.py")
        if file.name != "server.py"
    )


# 26. Names, labels and the model's words are escaped.


class Tags(HTMLParser):
    """Start tags with attributes, and all text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_26_hostile_text_is_shown_as_text(page: Page, made: Made) -> None:
    digest = made.ids[HOSTILE]
    page.ask("POST", "/who", {"Cookie": ""}, {"who": ATTACK})
    query = "q=%22%3E%3Cscript%3Ex%3C/script%3E"
    for path in (
        "/",
        f"/v/{digest}",
        f"/v/{digest}/events?threshold=0.5",
        "/moments",
        "/run",
        f"/v/{digest}/similar?t=6",
        f"/?{query}",
        f"/moments?{query}",
    ):
        status, _, body = page.get(path)
        read = Tags(body)
        assert status == 200
        assert not [
            tag
            for tag, a in read.tags
            if tag == "script" and not (a.get("src") or "").startswith("/static/")
        ]
        assert not [a for _, a in read.tags if any(name.startswith("on") for name in a)]
        assert not [a for tag, a in read.tags if tag == "img" and a.get("src") == "x"]
        if digest in path and "similar" not in path:
            assert ATTACK in read.text
    assert HOSTILE in Tags(page.get("/")[2]).text


def test_26_the_csv_holds_no_formula(made: Made) -> None:
    session = made.session()
    session.judgements.judge([(made.ids[HOSTILE], 1.0, 2.0)], "true_alarm", "=HYPERLINK(1)\nx")
    with served(session) as page:
        rows = list(csv.DictReader(io.StringIO(page.get("/judgements.csv")[2].decode())))
    assert rows[-1]["name"] == f"'{HOSTILE}"
    assert rows[-1]["who"] == "'=HYPERLINK(1) x"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]
    session.judgements.undo("=HYPERLINK(1) x")
