"""The report: its files read by other programs, and its page used in a browser."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from rich.console import Console

from hiprobe import report
from hiprobe.cli._terminal import events_table
from hiprobe.report import curves, picture, texts
from hiprobe.types import Event, Gap, Result, Scores

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
ATTACK = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "{{ 7*7 }} --> =1+1"
)
NAME = "=cmd()<b>$\\frac{$ \u202egpj.mp4"
LABEL = "\u202e=HYPERLINK(1) 'fall' [bold]\x1b[31m"
SECONDS, FPS = 30, 10


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 s of H.264 whose brightness is 40 + 6 per second: a frame tells when it is shown."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for k in range(SECONDS * FPS):
            frame = av.VideoFrame.from_ndarray(
                np.full((90, 160, 3), 40 + 6 * (k // FPS), np.uint8), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def a_result(
    label: str | None = "fall", explanation: str | None = "A person falls.", **changes: Any
) -> Result:
    starts = np.arange(0, SECONDS, 1.5)
    starts = starts[(starts < 15) | (starts >= 18)]
    smoothed = np.clip(
        np.exp(-(((starts - 6) / 2) ** 2)) + np.exp(-(((starts - 22.5) / 3) ** 2)), 0, 1
    )
    raw = np.clip(smoothed + np.random.default_rng(0).normal(0, 0.05, len(starts)), 0, 1)
    threshold = np.full(len(starts), 0.5)
    scores = Scores(
        starts, starts + 1.5, raw, smoothed, threshold, (Gap(15.0, 18.0, "2 damaged packets"),)
    )
    events = (
        Event(4.5, 7.5, 6.0, 0.97, label, explanation),
        Event(21.0, 25.5, 22.5, 0.99, "fire", "Smoke."),
    )
    provenance = {
        "model": {"id": "embedded", "revision": "r1", "sites": ["residual/layer3/prompt0"]},
        "probe": "5f" * 32,
        "recipe": "ab" * 32,
        "versions": {"torch": "2.13.0"},
        "notice": "For study.",
    }
    result = Result(
        f"/home/someone/{NAME}",
        "9c" * 32,
        "partial",
        30.0,
        scores,
        events,
        "2 packets lost",
        provenance,
    )
    return dataclasses.replace(result, **changes)


def thumbnails() -> list[tuple[float, np.ndarray[Any, np.dtype[np.uint8]]]]:
    return [
        (time, np.full((90, 160, 3), shade, np.uint8)) for time, shade in ((6.0, 120), (22.5, 200))
    ]


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def embedded_data(page: str) -> Any:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match
    return json.loads(
        match.group(1), parse_constant=lambda word: pytest.fail(f"{word} is not JSON")
    )


def test_the_five_files_of_a_report_agree(clip: Path, tmp_path: Path) -> None:
    report.write_report(a_result(ATTACK, ATTACK), clip, tmp_path / "out", thumbnails())
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(files) == {"scores.csv", "events.jsonl", "events.vtt", "timeline.png", "report.html"}
    events = [json.loads(line) for line in files["events.jsonl"].decode().splitlines()]
    assert [(event["start"], event["end"]) for event in events] == [(4.5, 7.5), (21.0, 25.5)]
    rows = list(csv.DictReader(io.StringIO(files["scores.csv"].decode())))
    data = embedded_data(files["report.html"].decode())
    assert data["events"] == [[event["start"], event["end"]] for event in events]
    assert {row["smoothed"] for row in rows if row["smoothed"]} == {
        f"{value:.6f}" for value in data["smoothed"]
    }
    assert [row["status"] for row in rows].count("gap: 2 damaged packets") == 1
    assert files["events.vtt"].count(b"-->") == 2
    assert not any(b"someone" in content for content in files.values())


def test_the_same_result_gives_the_same_bytes(clip: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        report.write_report(a_result(), clip, tmp_path / folder, thumbnails())
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_result_without_scores_has_no_report(tmp_path: Path) -> None:
    failed = Result("x.mp4", "00", "failed", reason="broken")
    with pytest.raises(ValueError, match="no scores"):
        report.write_report(failed, None, tmp_path)
    assert not list(tmp_path.iterdir())


# Pictures


def share(
    image: Image.Image, colour: str, box: tuple[float, float, float, float] = (0, 0, 1, 1)
) -> float:
    """The share of pixels within 12 of a colour, in a box of relative coordinates."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    part = pixels[
        int(box[1] * height) : int(box[3] * height), int(box[0] * width) : int(box[2] * width)
    ]
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return float((np.abs(part - wanted).max(axis=-1) <= 12).mean())


LEFT = picture.LEFT / picture.WIDTH
SCALE = (1 - LEFT - picture.RIGHT / picture.WIDTH) / SECONDS


def test_the_timeline_shows_curve_threshold_events_gap_and_thumbnails(tmp_path: Path) -> None:
    report.timeline_png(a_result(LABEL, ATTACK), tmp_path / "full.png", thumbnails=thumbnails())
    calm = a_result(events=(), scores=dataclasses.replace(scores_of(a_result()), gaps=()))
    report.timeline_png(calm, tmp_path / "calm.png")
    full, bare = Image.open(tmp_path / "full.png"), Image.open(tmp_path / "calm.png")
    assert full.width == bare.width == 1650
    assert bare.height < full.height < 1000
    band = "#F9E4B8"  # the event colour at 28 % on white
    assert share(full, band) > 0.03
    assert share(bare, band) == 0
    for colour in (picture.BLUE, picture.VERMILION):
        assert share(full, colour) > 0.0005
        assert share(bare, colour) > 0.0005
    gap = (LEFT + 15.2 * SCALE, 0.35, LEFT + 17.8 * SCALE, 0.6)
    assert share(full, "#F0F2F4", gap) > 0.3
    assert share(full, picture.GREY, gap) > 0.02
    assert share(bare, picture.GREY, gap) < 0.02
    assert share(full, "#787878") > 0.01
    assert share(full, "#c8c8c8") > 0.01
    assert share(bare, "#787878") < 0.001


def scores_of(result: Result) -> Scores:
    assert result.scores is not None
    return result.scores


def test_hundreds_of_events_and_an_infinite_threshold_are_drawn(tmp_path: Path) -> None:
    starts = np.arange(3000) * 1.6
    values = np.sin(starts) * 40
    scores = Scores(starts, starts + 1.6, values, values, np.full(3000, np.inf))
    events = tuple(Event(t, t + 3, t, 1.0, "x" * 200, "y" * 500) for t in starts[::6])
    result = a_result(duration=4800.0, scores=scores, events=events)
    frames = [(float(t), np.zeros((40, 30, 3), np.uint8)) for t in starts[::6]]
    report.timeline_png(result, tmp_path / "many.png", thumbnails=frames)
    assert Image.open(tmp_path / "many.png").height < 1200
    report.report_html(result, None, tmp_path / "many.html")
    data = embedded_data((tmp_path / "many.html").read_text("utf-8"))
    assert len(data["t"]) <= report.page.POINTS
    assert set(data["threshold"]) == {None}
    assert max(data["smoothed"]) == pytest.approx(values.max(), abs=1e-6)


def test_layers_are_drawn_with_and_without_auc(tmp_path: Path) -> None:
    curves: dict[str, Any] = {"layers": [0, 1, 2, 3], "saliency": [0.0, 2.0, 3.0, 1.0], "chosen": 2}
    for key in ("kl", "ldr", "entropy"):
        curves |= {
            key: [1.0, 2.0, 3.0, 2.0],
            f"{key}_null_mean": [1.0] * 4,
            f"{key}_null_std": [0.2] * 4,
        }
    report.layers_png(curves, tmp_path / "without.png")
    found = {
        "auc": [0.6, 0.7, 0.9, 0.8],
        "auc_low": [0.5, 0.6, 0.8, 0.7],
        "auc_high": [0.7, 0.8, 0.95, 0.9],
    }
    report.layers_png({**curves, **found}, tmp_path / "with.png")
    without, with_auc = Image.open(tmp_path / "without.png"), Image.open(tmp_path / "with.png")
    bar = "#F4D48C"  # the chosen layer's bar on white
    lower_right = (0.55, 0.55, 1, 0.9)
    assert share(with_auc, bar) > share(without, bar) > 0.001
    assert share(with_auc, bar, lower_right) > 0
    assert share(without, bar, (0, 0, 1, 0.45)) == pytest.approx(
        share(with_auc, bar, (0, 0, 1, 0.45)), rel=0.2
    )
    with pytest.raises(KeyError):
        report.layers_png({"layers": [0], "chosen": 0}, tmp_path / "x.png")


def test_a_curve_never_crosses_a_gap_and_spans_its_segments() -> None:
    times, values, run = curves.curve(scores_of(a_result()))
    assert [(times[run == k].min(), times[run == k].max()) for k in np.unique(run)] == [
        (0.0, 15.0),
        (18.0, 30.0),
    ]
    assert (np.diff(times) > 0).all()
    at = scores_of(a_result()).at(np.minimum(times, 29.9) - 1e-6 * (times == 15.0))
    np.testing.assert_array_equal(values[:, 1], at)
    assert [len(part) for part in curves.curve(Scores(*[np.empty(0)] * 5))] == [0, 0, 0]


@given(arrays(np.float64, st.integers(1, 400), elements=st.floats(-5, 5)), st.integers(2, 60))
@settings(deadline=None, max_examples=60)
def test_thinning_keeps_order_limit_and_extremes(
    values: np.ndarray[Any, np.dtype[np.float64]], limit: int
) -> None:
    keep = curves.thin(values, limit)
    assert len(keep) <= limit
    assert (np.diff(keep) > 0).all()
    assert values[keep].max() == values.max()
    assert values[keep].min() == values.min()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (59.96, "1:00.0"),
        (61.25, "1:01.2"),
        (3599.99, "1:00:00.0"),
        (36_000.5, "10:00:00.5"),
        (-0.01, "0:00.0"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert texts.clock(seconds) == text


def test_the_terminal_table_shows_text_as_text() -> None:
    console = Console(width=160, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(events_table(a_result(LABEL, "[red]two\nlines[/red] \x1b]0;owned\x07")))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]" in shown
    assert "[red]two lines[/red]" in shown
    assert "0:21.0" in shown
    assert not re.search("[\u202e\x07]|\x1b\\]|\x1b\\[31m", shown)


# The page, as text


def test_the_page_holds_no_address_and_its_policy_forbids_them(clip: Path, tmp_path: Path) -> None:
    report.report_html(a_result(ATTACK, ATTACK), clip, tmp_path / "r.html", thumbnails=thumbnails())
    tags = Tags((tmp_path / "r.html").read_text("utf-8")).seen
    addresses = [
        value
        for _, attributes in tags
        for key, value in attributes.items()
        if key in ("src", "href", "data")
    ]
    assert len(addresses) == 2
    assert all(str(address).startswith("data:image/jpeg;base64,") for address in addresses)
    policy = next(a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_says_what_was_not_scored(tmp_path: Path) -> None:
    report.report_html(a_result(), None, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "Partial result" in page
    assert "0:15.0 – 0:18.0: 2 damaged packets" in page
    gaps = tuple(Gap(k, k + 0.5, "lost") for k in range(30))
    done = a_result(
        status="done", reason=None, scores=dataclasses.replace(scores_of(a_result()), gaps=gaps)
    )
    report.report_html(done, None, tmp_path / "done.html")
    page = (tmp_path / "done.html").read_text("utf-8")
    assert "Partial" not in page
    assert "and 20 more spans" in page


def test_an_event_that_the_model_calls_normal_is_marked(tmp_path: Path) -> None:
    events = (
        Event(0.0, 3.0, label="normal", explanation="normal, people jog by"),
        Event(4.0, 6.0, explanation="a person falls"),
    )
    report.report_html(a_result(events=events), None, tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text("utf-8").count("described as normal") == 1


def test_the_page_of_a_video_without_events_says_so(tmp_path: Path) -> None:
    report.report_html(a_result(events=()), None, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "No event was found." in page
    assert re.search(r"highest smoothed score is 1\.00 at 0:\d\d\.\d; the threshold is 0\.50", page)
    empty = a_result(events=(), scores=Scores(*[np.empty(0)] * 5, (Gap(0, 30, "lost"),)))
    report.report_html(empty, None, tmp_path / "empty.html")
    assert "No segment of this video was scored." in (tmp_path / "empty.html").read_text("utf-8")


def test_provenance_is_complete(tmp_path: Path) -> None:
    report.report_html(a_result(), None, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    details = page[page.index("<details>") :]
    for fact in (
        "9c" * 32,
        "embedded",
        "r1",
        "residual/layer3/prompt0",
        "5f" * 32,
        "ab" * 32,
        "2.13.0",
        "For study.",
    ):
        assert f"<bdi>{fact}</bdi>" in details


# The page, in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not here: the page is not tried in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab that records every console error and every request."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.complaints = []
    page.requests = []
    page.on(
        "console",
        lambda message: page.complaints.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    yield page
    page.close()


def opened(tab: Any, path: Path) -> Any:
    tab.goto(path.as_uri())
    tab.wait_for_function(
        "!document.getElementById('video') || document.getElementById('video').readyState >= 2"
    )
    return tab


def settled(tab: Any, seconds: float) -> None:
    there = "t => Math.abs(video.currentTime - t) < 0.02 && !video.seeking && video.readyState >= 2"
    tab.wait_for_function(there, arg=seconds)


BRIGHTNESS = """() => { const c = document.createElement('canvas').getContext('2d');
                 c.drawImage(video, 0, 0, 8, 8);
                 return c.getImageData(4, 4, 1, 1).data[1]; }"""


def current_rows(tab: Any) -> list[int]:
    rows = tab.locator("#events tbody tr").element_handles()
    return [k for k, row in enumerate(rows) if row.get_attribute("aria-current") == "true"]


@pytest.fixture
def page_path(clip: Path, tmp_path: Path) -> Path:
    report.report_html(
        a_result(ATTACK, f"{ATTACK}\nsecond line"),
        clip,
        tmp_path / "r.html",
        thumbnails=thumbnails(),
    )
    return tmp_path / "r.html"


def test_choosing_an_event_moves_the_player(tab: Any, page_path: Path) -> None:
    opened(tab, page_path)
    assert tab.evaluate("video.duration") == pytest.approx(30, abs=0.2)
    tab.locator("#events tbody tr").nth(1).locator(".explanation").click()
    settled(tab, 21.0)
    assert tab.evaluate(BRIGHTNESS) == pytest.approx(40 + 6 * 21, abs=4)
    assert current_rows(tab) == [1]
    tab.locator("#events button").first.focus()
    tab.keyboard.press("Enter")
    settled(tab, 4.5)
    assert tab.evaluate(BRIGHTNESS) == pytest.approx(40 + 6 * 4, abs=4)
    assert current_rows(tab) == [0]
    assert "Event 1 of 2" in tab.locator("#said").inner_text()


def test_keys_and_curve_move_the_player(tab: Any, page_path: Path) -> None:
    opened(tab, page_path)
    for key, seconds in (("n", 4.5), ("n", 21.0), ("n", 21.0), ("p", 4.5), ("p", 4.5)):
        tab.keyboard.press(key)
        settled(tab, seconds)
    line = "document.querySelector('#curve .now').getBoundingClientRect().left"
    before = tab.evaluate(line)
    left, right = (
        tab.evaluate(f"chart.x({time}) + find('curve').getBoundingClientRect().left")
        for time in (0, 30)
    )
    tab.mouse.click(
        left + (right - left) * 16.5 / 30, tab.locator("#curve").bounding_box()["y"] + 60
    )
    settled(tab, tab.evaluate("now"))
    assert tab.evaluate("video.currentTime") == pytest.approx(16.5, abs=0.1)
    assert tab.evaluate(line) - before == pytest.approx((right - left) * 12 / 30, abs=3)
    assert "not scored" in tab.locator("#readout").inner_text()
    tab.locator("#curve").press("ArrowRight")
    assert float(tab.locator("#curve").get_attribute("aria-valuenow")) == pytest.approx(
        17.5, abs=0.1
    )


def test_the_row_of_the_playing_event_is_marked(tab: Any, page_path: Path) -> None:
    opened(tab, page_path)
    tab.evaluate(
        "() => { video.muted = true; video.playbackRate = 4;"
        " video.currentTime = 20.2; return video.play(); }"
    )
    tab.wait_for_selector("#events tbody tr:nth-child(2)[aria-current=true]")
    tab.wait_for_selector("#events tbody tr:nth-child(2):not([aria-current])")
    assert tab.evaluate("video.currentTime") >= 25.5
    assert tab.evaluate("[...document.querySelectorAll('[aria-current]')].length") == 0


def test_hostile_text_is_shown_as_text_and_no_request_leaves_the_page(
    tab: Any, page_path: Path
) -> None:
    opened(tab, page_path)
    assert ATTACK in tab.locator("#events tbody tr").first.inner_text()
    assert f"{ATTACK}\nsecond line" in tab.locator("#events .explanation").first.inner_text()
    assert tab.locator("h1").text_content() == NAME
    assert tab.title() == "=cmd()<b>$\\frac{$ gpj.mp4 – HiProbe"
    assert tab.locator("script").count() == 2
    assert [url for url in tab.requests if not url.startswith(("blob:", "data:"))] == [
        page_path.as_uri()
    ]
    assert tab.complaints == []


def test_the_policy_stops_scripts_that_are_not_ours(tab: Any, page_path: Path) -> None:
    page = page_path.read_text("utf-8").replace(
        "<main", "<script>document.title='owned'</script><main", 1
    )
    page_path.write_text(
        page.replace("</main>", "<img src='http://127.0.0.1:9/x.png'></main>"), "utf-8"
    )
    opened(tab, page_path)
    assert "owned" not in tab.title()
    assert len(tab.complaints) == 2
    assert all("Content Security Policy" in text for text in tab.complaints)


@pytest.mark.parametrize("width", [390, 820, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window(tab: Any, page_path: Path, width: int, scheme: str) -> None:
    tab.set_viewport_size({"width": width, "height": 844})
    tab.emulate_media(color_scheme=scheme)
    opened(tab, page_path)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background))) < 64) == (scheme == "dark")


@pytest.fixture(scope="module")
def unplayable(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    """The clip in a codec that no browser plays."""
    path = tmp_path_factory.mktemp("unplayable") / "clip.avi"
    with av.open(str(clip)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for frame in source.decode(video=0):
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
                )
            )
        container.mux(stream.encode(None))
    return path


def test_a_video_that_no_browser_plays_is_copied_into_the_page_or_beside_it(
    tab: Any, unplayable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report.report_html(a_result(), unplayable, tmp_path / "inside.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside.html"]
    opened(tab, tmp_path / "inside.html")
    assert tab.evaluate("video.duration") == pytest.approx(30, abs=0.2)
    monkeypatch.setattr(report.page, "EMBED_BYTES", 0)
    report.report_html(a_result(), unplayable, tmp_path / "a page#1.html")
    assert (tmp_path / "a page#1.video.mp4").stat().st_size > 0
    check_player(tab, tmp_path / "a page#1.html")


def test_a_large_video_is_linked_beside_the_page(
    tab: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report.page, "EMBED_BYTES", 0)
    (tmp_path / "link.mp4").symlink_to(clip)
    for path in (clip, tmp_path / "link.mp4", clip):  # the second one replaces the first
        report.report_html(a_result(), path, tmp_path / "a page#1.html")
        assert (tmp_path / "a page#1.video.mp4").samefile(clip)
    check_player(tab, tmp_path / "a page#1.html")


def test_a_large_video_on_another_disk_is_copied(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report.page, "EMBED_BYTES", 0)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        report.report_html(a_result(), clip, Path(other) / "r.html")
        assert sorted(path.name for path in Path(other).iterdir()) == ["r.html", "r.video.mp4"]
        assert not (Path(other) / "r.video.mp4").samefile(clip)
        assert (Path(other) / "r.video.mp4").read_bytes() == clip.read_bytes()


def check_player(tab: Any, page: Path) -> None:
    """Check that a page plays the video beside it, and says that the video must stay there."""
    opened(tab, page)
    assert f"{page.stem}.video.mp4" in tab.locator(".player").inner_text()
    tab.keyboard.press("n")
    settled(tab, 4.5)
    assert tab.evaluate("video.duration") == pytest.approx(30, abs=0.2)
    assert tab.complaints == []


def test_a_missing_video_file_is_reported(
    tab: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report.page, "EMBED_BYTES", 0)
    report.report_html(a_result(), clip, tmp_path / "r.html")
    (tmp_path / "r.video.mp4").unlink()
    tab.goto((tmp_path / "r.html").as_uri())
    tab.wait_for_selector("#trouble:not([hidden])")
    assert (
        "r.video.mp4 must be in the same folder as this page"
        in tab.locator("#trouble").inner_text()
    )


def test_keys_move_along_the_curve_without_a_player(tab: Any, tmp_path: Path) -> None:
    report.report_html(a_result(), None, tmp_path / "r.html")
    opened(tab, tmp_path / "r.html")
    tab.keyboard.press("n")
    assert current_rows(tab) == [0]
    assert tab.locator("#curve").get_attribute("aria-valuetext").startswith("0:04.5, score 0.")
    assert tab.complaints == []
