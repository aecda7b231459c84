"""`index.html`: all videos of a folder, the failed ones first, and used in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.report.test_report import ATTACK, CHROMIUM, FLAGS

from hiprobe import report, store
from hiprobe.store.manifest import ManifestLine

HOSTILE = f"cam1/{ATTACK}\u202e\n\x1b[31m.mp4"


def a_line(name: str, **other: Any) -> ManifestLine:
    values = {
        "digest": "ab" * 32, "status": "done", "duration": 1.6, "segments": 1, "events": 0,
        "gaps": 0, "peak": 0.5, "margin": -0.5, "reason": None, "folder": "v-0123456789abcdef",
    }  # fmt: skip
    return ManifestLine(name=name, **{**values, **other})


def unread(name: str, status: str = "failed", reason: str = "EmptyVideo: no frame") -> ManifestLine:
    none = {"peak": None, "margin": None, "folder": None, "segments": 0, "duration": 0.0}
    return a_line(name, status=status, reason=reason, **none)


def write(out: Path, lines: Sequence[ManifestLine]) -> list[Path]:
    import json

    out.mkdir(exist_ok=True)
    text = "".join(json.dumps(vars(line)) + "\n" for line in lines)
    (out / store.MANIFEST).write_text(text)
    return report.write_index(out)


class Rows(HTMLParser):
    """Reads the names of the rows of a page, and all links, with Python's own parser."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self._inside = False
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        facts = dict(attrs)
        if (tag, facts.get("scope")) == ("th", "row"):
            self._inside = True
            self.names.append("")
        if tag == "a":
            self.links.append(str(facts["href"]))

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "th"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.names[-1] += data


def test_failed_videos_come_first_and_then_the_furthest_above_the_threshold(tmp_path: Path) -> None:
    lines = [
        a_line("quiet.mp4", margin=-0.9, peak=0.1),
        a_line("loud.mp4", margin=0.3, peak=0.4, events=2),
        a_line("high but normal.mp4", margin=-0.1, peak=0.99),
        unread("cams/z.mp4", "quarantined"),
        a_line("unknown.mp4", margin=None, peak=0.5, status="partial", reason="spans lost"),
        unread("cams/a.mp4"),
        a_line("back/loud.mp4", margin=0.3, peak=0.4, events=1),
    ]
    (page,) = write(tmp_path, lines)
    assert (page, Rows(page).names) == (
        tmp_path / "index.html",
        [
            "cams/a.mp4",
            "cams/z.mp4",
            "back/loud.mp4",
            "loud.mp4",
            "high but normal.mp4",
            "quiet.mp4",
            "unknown.mp4",
        ],
    )
    text = page.read_text()
    assert "7 videos, 4 done, 1 failed, 1 partial, 1 quarantined, 3 events" in text
    assert "EmptyVideo: no frame" in text
    assert "spans lost" in text
    assert set(Rows(page).links) == {"v-0123456789abcdef/report.html"}


def test_a_page_has_500_rows_and_pages_of_a_longer_list_are_removed(tmp_path: Path) -> None:
    lines = [a_line(f"{number:04}.mp4", margin=-float(number)) for number in range(1201)]
    pages = write(tmp_path, lines)
    assert [path.name for path in pages] == ["index.html", "index-2.html", "index-3.html"]
    rows = [Rows(path) for path in pages]
    assert [len(one.names) for one in rows] == [500, 500, 201]
    assert [name for one in rows for name in one.names] == [line.name for line in lines]
    assert [one.links[-1] for one in rows] == ["index-2.html", "index-3.html", "index-2.html"]
    assert rows[1].links[-2] == "index.html"
    (tmp_path / "index-old.html").touch()  # not one of ours
    write(tmp_path, lines[:500])
    assert {path.name for path in tmp_path.glob("index*.html")} == {"index.html", "index-old.html"}


def test_a_folder_without_a_video_has_a_page_too(tmp_path: Path) -> None:
    (page,) = write(tmp_path, [])
    assert "0 videos" in page.read_text()
    assert "No video yet" in page.read_text()


def test_hostile_names_are_text(tmp_path: Path) -> None:
    folder = 'javascript:alert(1)"><img src=x>-0123456789abcdef'
    lines = [a_line(HOSTILE, folder=folder), unread("b.mp4", reason=ATTACK)]
    (page,) = write(tmp_path, lines)
    found = Rows(page)
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert not set(page.read_text()) & set("\x1b\u202e")
    assert [unquote(link) for link in found.links] == [f"{folder}/report.html"]
    assert not re.match(r"\w+:", found.links[0])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("playwright")
    if not CHROMIUM.exists():
        pytest.skip("no Chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


def test_the_filter_shows_the_rows_of_a_folder_and_nothing_leaves_the_page(
    browser: Any, tmp_path: Path
) -> None:
    names = ["cams/front/0900.mp4", "cams/back/0900.mp4", HOSTILE, "Front.mp4"]
    write(tmp_path, [a_line(name, margin=-float(k)) for k, name in enumerate(names)])
    context = browser.new_context(viewport={"width": 390, "height": 700})
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "index.html").as_uri())
    rows = page.locator("#rows tr")
    shown = lambda: [rows.nth(k).is_visible() for k in range(rows.count())]  # noqa: E731
    assert shown() == [True] * 4
    page.get_by_label("Show only names with").fill("front")
    assert shown() == [True, False, False, True]
    page.get_by_label("Show only names with").fill("CAMS/")
    assert shown() == [True, True, False, False]
    page.get_by_label("Show only names with").fill("")
    assert shown() == [True] * 4
    assert page.title() == f"{tmp_path.name} – HiProbe"  # and not what the hostile name says
    assert asked == [(tmp_path / "index.html").as_uri()]
    assert said == []
    context.close()
