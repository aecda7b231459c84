"""Take the pictures of the review page: `python -m benchmarks.review_pictures OUT VIDEOS DOCS`.

OUT is a results folder with the hidden states of all layers, on which `hiprobe review OUT --videos
VIDEOS --probe PROBE --labels CLIPS` has run once; VIDEOS is the folder of its videos, one of them
called cam2*. Judgements made for the pictures are taken back. Uses Debian's chromium; the files
hold 256 colours, so that
they stay small.
"""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from hiprobe.review.guard import Guard
from hiprobe.review.server import application
from hiprobe.review.session import Session

PORT = 8719
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
VIEWS = (("dark", 1280, "_dark"), ("light", 390, "_phone"), ("light", 1280, ""))


def started(session: Session) -> uvicorn.Server:
    """The page at a fixed port, in a thread."""
    app = application(session, Guard("127.0.0.1", PORT), who="ann")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        threading.Event().wait(0.05)
    return server


def keep(tab: Any, path: Path) -> None:
    """The window as a PNG of 256 colours."""
    picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path, path.stat().st_size)


def pictures(tab: Any, session: Session, docs: Path, tag: str) -> None:
    """Each view once, in the window and colours of the tab."""
    base = f"http://127.0.0.1:{PORT}"
    worst = next(e for e in session.entries() if e.folder and e.name.startswith("cam2"))
    for name, path in (
        ("videos", "/"),
        ("moments", "/moments"),
        ("layers", "/layers"),
        ("run", "/run"),
    ):
        tab.goto(base + path)
        tab.wait_for_load_state("networkidle")
        keep(tab, docs / f"review_{name}{tag}.png")
    tab.goto(f"{base}/v/{worst.video_id}?t=44")
    tab.wait_for_function(
        "() => document.getElementById('video')?.readyState >= 2 && !video.seeking"
    )
    tab.wait_for_timeout(500)
    keep(tab, docs / f"review_video{tag}.png")
    tab.locator("#similar").click()
    tab.wait_for_selector(".neighbours .tiles li")
    tab.locator(".neighbours").scroll_into_view_if_needed()
    tab.wait_for_timeout(4000)  # pictures are fetched as they come into view
    keep(tab, docs / f"review_similar{tag}.png")
    tab.goto(f"{base}/probes")
    tab.get_by_role("button", name="Refit").click()
    tab.wait_for_selector(".proposal")
    keep(tab, docs / f"review_refit{tag}.png")


def main(out: Path, videos: Path, docs: Path) -> None:
    """Judges a few events, takes the pictures, and takes the judgements back."""
    session = Session(out, videos, out / "probe.safetensors", (out / ".store",))
    batches = 0
    for entry in session.entries():
        for number, event in enumerate(session.shown(entry).events if entry.folder else ()):
            if number == 0 and entry.video_id:
                session.judgements.judge(
                    [(entry.video_id, event.start, event.end)], "true_alarm", "ann"
                )
                batches += 1
    server = started(session)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for scheme, width, tag in VIEWS:
            tab = browser.new_page(viewport={"width": width, "height": 900 if width > 400 else 844})
            tab.emulate_media(color_scheme=scheme)
            pictures(tab, session, docs, tag)
        browser.close()
    server.should_exit = True
    for _ in range(batches):
        session.judgements.undo("ann")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
