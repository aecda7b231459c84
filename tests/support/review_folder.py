"""A results folder for tests of the review page: small videos, and states with known events."""

from __future__ import annotations

import dataclasses
import http.client
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import av
import numpy as np

from hiprobe import probe as probes
from hiprobe import store, video
from hiprobe.labels import label_segments
from hiprobe.localize import Localization
from hiprobe.probe import Probe
from hiprobe.review.session import Session, score_states
from hiprobe.store.results import save_result
from hiprobe.types import Event, Gap, HiddenStates, Recipe, Result, Site
from hiprobe.video import Root

SECONDS, FPS, SEGMENT_S, WIDTH, LAYERS = 30, 10, 1.5, 12, 3
RECIPE = Recipe("made-by-hand", ("Is anything abnormal?",), segment_s=SEGMENT_S)
SITES = tuple(Site("residual", layer) for layer in range(LAYERS))
ATTACK = (
    "</script><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"> --> =1+1"
)
HOSTILE = "=cmd()<b>&amp;'\" onload=x.mp4"


def write_clip(path: Path, codec: str = "libx264", mark: int = 0) -> Path:
    """Write 30 s of video of brightness 40 + 6 per second; `mark` makes its digest unique."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = str(mark)
        fast = {
            "libx264": {"crf": "10", "preset": "ultrafast"},
            "libvpx": {"deadline": "realtime", "cpu-used": "8"},
        }
        options = {"g": "10", **fast.get(codec, {})}
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for k in range(SECONDS * FPS):
            frame = av.VideoFrame.from_ndarray(
                np.full((90, 160, 3), 40 + 6 * (k // FPS), np.uint8), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if codec == "libx264":
        with path.open("ab") as file:
            file.write(b"\x00\x00\x00\x0cfree" + mark.to_bytes(4, "big"))
    return path


def made_states(
    video_id: str,
    spans: Sequence[Event],
    dimension: int,
    seed: int,
    *,
    count: int = 20,
    gaps: tuple[Gap, ...] = (),
) -> HiddenStates:
    """Noise with one dimension 4 higher inside `spans` in layer 1, and 1 higher in layer 2."""
    rng = np.random.default_rng(seed)
    starts = np.arange(count) * SEGMENT_S
    keep = np.array([not any(g.start < s + SEGMENT_S and s < g.end for g in gaps) for s in starts])
    values = rng.normal(size=(count, LAYERS, WIDTH)).astype(np.float32)
    inside = label_segments(starts, starts + SEGMENT_S, spans) == 1
    values[inside, 1, dimension] += 4.0
    values[inside, 2, dimension] += 1.0
    return HiddenStates(
        video_id,
        RECIPE,
        SITES,
        starts[keep],
        starts[keep] + SEGMENT_S,
        values[keep],
        count * SEGMENT_S,
        gaps,
    )


@dataclass(frozen=True)
class Made:
    """The folders, the probe, the true events by digest, the labelled clips, digests by name."""

    out: Path
    videos: Path
    probe: Probe
    probe_path: Path
    truth: dict[str, tuple[Event, ...]]
    labelled: dict[str, tuple[Event, ...]]
    ids: dict[str, str]

    def session(self) -> Session:
        """A session with the probe in use and the labelled clips known."""
        session = Session(
            self.out, (Root(str(self.videos)),), self.probe_path, (self.out / ".store",)
        )
        session.keep(self.probe, "ann", "given")
        if session.judgements.chosen_probe() is None:
            session.judgements.choose_probe(self.probe.digest, "ann")
        session.judgements.set_labelled(self.labelled.items())
        return session


NAMES = (HOSTILE, "b.mp4", "c.mp4", "d.avi", "e.mp4", "f.mp4", "g.mp4", "h.mp4")


def make(folder: Path, names: Sequence[str] = NAMES) -> Made:
    """Make labelled clips with anomalies in dimension 0, and videos with more in dimension 4.

    The probe, fitted on the clips, misses those in dimension 4.
    """
    out, videos = folder / "out", folder / "videos"
    labelled, pairs = {}, []
    for k in range(8):
        spans = (Event(6.0, 12.0),) if k % 2 else ()
        name = f"{k:x}" * 64
        labelled[name] = spans
        states = made_states(name, spans, 0, 100 + k)
        store.save_states(out / ".store", states, "float32")
        pairs.append((states, label_segments(states.starts, states.ends, spans)))
    rule = Localization.named("paper")
    made = probes.fit("hiprobe", pairs, permutations=2, localization=rule)
    made.save(out / "a.probe.safetensors")
    result, truth, ids = [], {}, {}
    for k, name in enumerate(names):
        codec = {".avi": "mpeg4", ".webm": "libvpx"}.get(Path(name).suffix, "libx264")
        path = write_clip(videos / "cam" / name, codec, k)
        ids[name] = digest = video.digest(path)
        seen, unseen = Event(4.5, 9.0), Event(18.0, 24.0)
        gaps = (Gap(13.5, 16.5, "2 damaged packets"),) if k == 0 else ()
        states = made_states(digest, (seen,), 0, 200 + k, gaps=gaps)
        other = made_states(digest, (unseen,), 4, 200 + k, gaps=gaps)
        states = dataclasses.replace(states, values=np.maximum(states.values, other.values))
        store.save_states(out / ".store", states, "float32")
        truth[digest] = (seen, unseen)
        result.append(_written(out, path, states, made, hostile=k == 0))
    failed = Result(str(videos / "empty.mp4"), "", "failed", reason="EmptyVideo: no frame <b>")
    store.note(out, [*result, failed])
    return Made(out, videos, made, out / "a.probe.safetensors", truth, labelled, ids)


def _written(out: Path, path: Path, states: HiddenStates, probe: Probe, hostile: bool) -> Result:
    scores, events = score_states(states, probe)
    words = (ATTACK, ATTACK) if hostile else ("fall", "A person falls.")
    events = tuple(
        dataclasses.replace(event, label=words[0], explanation=words[1]) for event in events
    )
    provenance = {
        "model": {"id": RECIPE.model, "revision": None, "sites": [str(s) for s in probe.sites]},
        "probe": probe.digest,
    }
    result = Result(
        str(path),
        states.video_id,
        "partial" if states.gaps else "done",
        states.duration,
        scores,
        events,
        "2 packets lost" if states.gaps else None,
        provenance,
    )
    save_result(store.result_folder(out, result), result, {})
    return result


@dataclass
class Page:
    """A running server, asked over a socket, so that no client library changes path or headers."""

    port: int
    host: str = "127.0.0.1"

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, form: Any = None
    ) -> tuple[int, Any, bytes]:
        """Send one request, a form as the page sends it; returns (status, headers, body)."""
        sent = dict(headers or {})
        body = None
        if form is not None:
            body = urlencode(form, doseq=True)
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
            sent.setdefault("Origin", self.address)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, Any, bytes]:
        return self.ask(
            "GET", path, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    def post(self, path: str, **form: Any) -> tuple[int, str]:
        status, _, body = self.ask("POST", path, form=form)
        return status, body.decode()


def free_port() -> int:
    """A port that is not in use."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def served(
    session: Session,
    token: str | None = None,
    model: str = "embedded",
    host: str = "127.0.0.1",
    allowed: tuple[str, ...] = (),
) -> Iterator[Page]:
    """Serve the page of `session` on a free port of `host`, in a thread."""
    import uvicorn

    from hiprobe.review.guard import Guard
    from hiprobe.review.server import application

    port = free_port()
    app = application(session, Guard(host, port, token, allowed), who="ann", model=model)
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.02)
    try:
        yield Page(port)
    finally:
        server.should_exit = True
        thread.join(10)
        if app.state.run is not None:
            app.state.run.cancel()
