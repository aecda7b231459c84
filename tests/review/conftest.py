"""A real browser for the tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.page_watcher import PageWatcher
    from tests.support.review_folder import Made, Page

    from hiprobe.review.live_session import LiveSession

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
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.complaints, tab.asked = [], []
    tab.on(
        "console",
        lambda message: tab.complaints.append(message.text) if message.type == "error" else None,
    )
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    yield tab
    tab.close()


@pytest.fixture
def watcher(made: Made) -> Iterator[PageWatcher]:
    """A watcher of two cameras without alerts, whose probe is that of `made`."""
    from tests.support.page_watcher import make_watcher

    one = make_watcher(made)
    yield one
    one.close()


@pytest.fixture
def live(made: Made, watcher: PageWatcher) -> LiveSession:
    """A session over `made` with the watcher."""
    from tests.support.page_watcher import live_session

    return live_session(made, watcher)


@pytest.fixture
def live_page(live: LiveSession) -> Iterator[Page]:
    """The live page, served over HTTP."""
    from tests.support.page_watcher import watched

    with watched(live) as page:
        yield page
