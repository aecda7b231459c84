"""Time refits and the page of a long video: `python -m benchmarks.review_speed [--json FILE]`.

Hidden states are random, in the shapes of the shipped model and of a 7B model: what is timed does
not depend on them.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks.review_pictures import FLAGS, PORT, started

from hiprobe import probe as probes
from hiprobe import store
from hiprobe.labels import label_segments
from hiprobe.localize import Localization, localize
from hiprobe.probe import Probe
from hiprobe.review import curve, pages, similar, views
from hiprobe.review.proposals import propose_refit
from hiprobe.review.session import Session, score_states
from hiprobe.store.results import save_result
from hiprobe.types import Event, HiddenStates, Recipe, Result, Site

RECIPE = Recipe("random", ("Is anything abnormal?",))
SEGMENTS, VIDEOS = 1000, 20
HOURS, EVENTS, LONG = 8, 1000, "a" * 64
CHROMIUM = Path("/usr/bin/chromium")
ROUNDS = 5
Took = tuple[float, float | None]


def states(number: int, count: int, layers: int, width: int) -> HiddenStates:
    """Noise in which every fourth run of five segments has one direction raised."""
    rng = np.random.default_rng(number)
    values = rng.standard_normal((count, layers, width), np.float32)
    values[np.arange(count) // 5 % 4 == 3, :, : width // 20] += 0.4
    starts = np.arange(count) * 1.6
    sites = tuple(Site("residual", layer) for layer in range(layers))
    return HiddenStates(
        f"{number:016x}" * 4, RECIPE, sites, starts, starts + 1.6, values, count * 1.6
    )


def written(out: Path, found: HiddenStates, probe: Probe) -> Result:
    """The states and the result of one video, as `detect` leaves them."""
    store.save_states(out / ".store", found, "float32")
    scores, events = score_states(found, probe)
    model = {"id": RECIPE.model, "revision": None, "sites": [str(site) for site in probe.sites]}
    result = Result(
        f"{found.video_id[:16]}.mp4",
        found.video_id,
        "done",
        found.duration,
        scores,
        events,
        None,
        {"model": model, "probe": probe.digest},
    )
    save_result(store.result_folder(out, result), result, {})
    return result


def prepared(out: Path, layers: int, width: int, judged: int = VIDEOS) -> Session:
    """1,000 segments in 20 videos, `judged` of them labelled; the probe in use knew five."""
    each = SEGMENTS // VIDEOS
    found = [states(k + 1, each, layers, width) for k in range(VIDEOS)]
    spans = [(start * 1.6, (start + 5) * 1.6, start // 5 % 4 == 3) for start in range(0, each, 5)]
    truth = tuple(Event(a, b) for a, b, anomalous in spans if anomalous)
    pairs = [(one, label_segments(one.starts, one.ends, truth)) for one in found]
    probe = probes.fit("hiprobe", pairs[:5], permutations=0, layer_curve=False)
    store.note(out, [written(out, one, probe) for one in found])
    session = Session(out, (), out / "probe.safetensors", (out / ".store",))
    session.keep(probe, "bench", "given")
    session.use(probe.digest, "bench")
    session.judgements.set_labelled([(one.video_id, truth) for one in found[:5]])
    for one in found[5:judged]:
        for a, b, anomalous in spans:
            session.judgements.judge(
                [(one.video_id, a, b)], "missed" if anomalous else "normal", "bench"
            )
    return session


def timed(what: Callable[[], object], rounds: int = ROUNDS) -> Took:
    """The median of several calls: seconds on the wall, and of this process's processor time."""
    took = []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        what()
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    return median(wall for wall, _ in took), median(cpu for _, cpu in took)


def refits(rows: dict[str, Took]) -> None:
    """Refit on 1,000 segments, 400 or all of them judged, with the same layer or choosing one."""
    for name, layers, width in (
        ("shipped model, 8 x 160", 8, 160),
        ("7B model, 28 x 3584", 28, 3584),
    ):
        for judged in (8, VIDEOS):
            with tempfile.TemporaryDirectory() as place:
                session = prepared(Path(place), layers, width, judged)
                about = f"{name}, {judged * SEGMENTS // VIDEOS} of 1,000 segments labelled"
                rows[f"refit, {about}"] = timed(partial(propose_refit, session), 3)
                if layers == 8:
                    rows[f"refit, {about}, layer chosen again"] = timed(
                        partial(propose_refit, session, choose=True), 3
                    )
                found, sites = (
                    [one for _, one in session.every_state(session.needed_probe())],
                    session.needed_probe().sites,
                )
        rows[f"segments like this one, {name}"] = timed(
            partial(similar.neighbours, found, sites, found[0].video_id, 10.0)
        )


def long_result(out: Path) -> Result:
    """An 8-hour video with 1,000 events, as `detect` leaves it."""
    count = HOURS * 3600 * 5 // 8
    starts = np.arange(count) * 1.6
    raw = (
        np.where(np.arange(count) % (count // EVENTS) < 3, 0.9, 0.1)
        + np.random.default_rng(0).random(count) / 20
    )
    scores, events = localize(
        starts, starts + 1.6, raw, (), Localization(rule="fixed", threshold=0.5, sigma=0.0)
    )
    events = tuple(
        replace(event, explanation="A person climbs over the fence near the gate.")
        for event in events
    )
    made = {"model": {"id": "x", "revision": None, "sites": []}, "probe": "b" * 64}
    result = Result("long.mp4", LONG, "done", count * 1.6, scores, events, None, made)
    save_result(store.result_folder(out, result), result, {})
    store.note(out, [result])
    return result


def long_video(rows: dict[str, Took]) -> None:
    """Time what a reviewer waits for in a long video: the server, then the browser too."""
    with tempfile.TemporaryDirectory() as place:
        result = long_result(Path(place))
        session = Session(Path(place), (), Path(place) / "probe.safetensors", ())
        entry = session.entry(LONG)
        assert entry is not None
        rows["8 h, first read of the result"] = timed(partial(session.shown, entry), 1)
        if CHROMIUM.exists():
            browser(rows, session)
        for event in result.events:
            session.judgements.judge([(LONG, event.start, event.end)], "true_alarm", "bench")
        shown = session.shown(entry)
        rows["8 h, the curve, 18,000 segments to 1,600 points"] = timed(
            partial(curve.points, shown.scores, 0, 1e9)
        )
        rows["8 h, list of 1,000 events, all judged"] = timed(
            partial(pages.event_values, session, shown, None, demoted=True)
        )
        rows["8 h, events of another threshold"] = timed(
            partial(pages.event_values, session, shown, 0.42, demoted=True)
        )
        rows["8 h, list of videos"] = timed(partial(views.cards, session))
        rows["one judgement, on disk"] = timed(
            partial(session.judgements.judge, [(LONG, 1.0, 2.0)], "true_alarm", "bench"), 20
        )


def browser(rows: dict[str, Took], session: Session) -> None:
    """Time keys until the picture, in Debian's chromium; processor time is not measured."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        server = started(session)
        tab = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS).new_page()
        ready, painted = (
            "body[data-ready]",
            "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))",
        )

        def opened() -> None:
            tab.goto(f"http://127.0.0.1:{PORT}/v/{LONG}")
            tab.wait_for_selector(ready)

        def pressed(key: str) -> None:
            tab.keyboard.press(key)
            tab.evaluate(painted)

        def judged() -> None:
            many = tab.locator("#events .chip").count()
            tab.keyboard.press("r")
            tab.wait_for_function(
                "n => document.querySelectorAll('#events .chip').length > n", arg=many
            )

        rows["browser, 8 h and 1,000 events: page opened"] = timed(opened)[0], None
        rows["browser, next event by key, until painted"] = timed(partial(pressed, "n"))[0], None
        rows["browser, event judged by key, until the list shows it"] = timed(judged)[0], None
        tab.context.browser.close()
        server.should_exit = True


def main(arguments: list[str]) -> None:
    """Prints the table, and writes it where `--json` says."""
    rows: dict[str, Took] = {}
    refits(rows)
    long_video(rows)
    print("| what | seconds | processor seconds |\n|---|---|---|")
    for name, (wall, cpu) in rows.items():
        print(f"| {name} | {wall:.3f} | {'not measured' if cpu is None else f'{cpu:.3f}'} |")
    listed = [
        {"what": name, "seconds": wall, "processor seconds": cpu}
        for name, (wall, cpu) in rows.items()
    ]
    if arguments[:1] == ["--json"]:
        machine = {
            "machine": platform.processor() or platform.machine(),
            "python": platform.python_version(),
        }
        Path(arguments[1]).write_text(json.dumps({**machine, "rows": listed}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
