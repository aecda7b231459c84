"""Take the pictures of the review page: `python -m benchmarks.review_pictures WORK docs/images`.

Renders four videos into the folder WORK, fits a probe on the shipped clips, detects, judges a few
events and takes the pictures; what WORK holds already is used again. Uses Debian's chromium; the
files hold 256 colours, so that they stay small.
"""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright
from training.drawn.clips import make_video
from training.ship import write_video

from hiprobe import datasets, embedded, video
from hiprobe.probe import Probe
from hiprobe.review.guard import Guard
from hiprobe.review.server import application
from hiprobe.review.session import Session
from hiprobe.video import Root

PORT = 8719
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
# Name, seed, seconds and events of each video.
FOOTAGE: tuple[tuple[str, int, float, list[tuple[str, float, float]]], ...] = (
    ("cam1_morning", 9101, 64.0, [("fight", 30.0, 36.0)]),
    (
        "cam2_evening",
        9102,
        76.8,
        [("fall", 16.0, 22.0), ("fire", 43.0, 51.0), ("panic", 58.0, 64.0)],
    ),
    ("cam3_night", 9103, 51.2, [("fire", 40.0, 47.0)]),
    ("cam4_door", 9104, 51.2, []),
)
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


def results(work: Path) -> tuple[Path, Path, Path]:
    """Return the folders of results and videos and the probe, made first if they are missing."""
    out, videos, probe = work / "out", work / "videos", work / "probe.safetensors"
    for name, seed, seconds, spans in FOOTAGE:
        if not (videos / f"{name}.mp4").exists():
            frames, _ = make_video(np.random.default_rng(seed), "seen", spans, seconds, busy=0.7)
            write_video(frames, videos / f"{name}.mp4")
    if not (out / "manifest.jsonl").exists():
        store = ["--store", str(out / ".store")]
        hiprobe("fit", str(embedded.CLIPS), "-o", str(probe), *store)
        hiprobe("extract", str(videos), *store)
        hiprobe("detect", str(videos), "--probe", str(probe), "-o", str(out))
    return out, videos, probe


def hiprobe(*arguments: str) -> None:
    """Run a command of the package."""
    subprocess.run([sys.executable, "-m", "hiprobe", *arguments], check=True)


def opened(out: Path, videos: Path, path: Path) -> Session:
    """The session with the probe in use and the shipped clips as first labels."""
    session, probe = Session(out, (Root(str(videos)),), path, (out / ".store",)), Probe.load(path)
    session.keep(probe, "ann", "given")
    session.judgements.choose_probe(probe.digest, "ann")
    clips = datasets.load("folder", embedded.CLIPS)
    session.judgements.set_labelled((video.digest(c.path), c.events or ()) for c in clips)
    return session


def main(work: Path, docs: Path) -> None:
    """Judges a few events, takes the pictures, and takes the judgements back."""
    session = opened(*results(work))
    batches = 0
    for entry in session.entries():
        for number, event in enumerate(session.shown(entry).events if entry.folder else ()):
            if number == 0 and entry.video_id and entry.name != "cam3_night.mp4":
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
    main(*map(Path, sys.argv[1:3]))
