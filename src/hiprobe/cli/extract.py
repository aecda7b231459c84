"""`hiprobe extract`: hidden states, kept."""

from __future__ import annotations

from pathlib import Path

import typer

from hiprobe.cli import _ray, _run
from hiprobe.cli._options import (
    OUT,
    AsJson,
    Device,
    Dtype,
    Method,
    Model,
    Paths,
    Ray,
    Revision,
    StoreOrAddress,
    Worker,
)


def extract(
    paths: Paths,
    model: Model = "embedded",
    method: Method = "hiprobe",
    store: StoreOrAddress = str(OUT / ".store"),
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    ray: Ray = None,
    worker: Worker = None,
    as_json: AsJson = False,
) -> None:
    """Read the hidden states of all layers and keep them, so that fit and detect need not run the model again."""
    from hiprobe.cli import _terminal
    from hiprobe.types import Video

    if ray is not None:
        at = _ray.cluster(ray, worker)
        from hiprobe.scale import Loading

        raise typer.Exit(
            _ray.extract_and_show(
                *_ray.find_everywhere(paths),
                Loading(model, revision, device, dtype),
                store,
                method,
                at,
                as_json,
            )
        )
    _ray.without(worker, *paths, store)
    found, failed = _run.find_videos(paths)
    backbone = _run.load_model(model, revision, device, dtype)
    lost = [result.path for result in failed]
    for states, _ in _run.extract_with_progress(
        [Video(str(path)) for path in found], backbone, method, Path(store), lost
    ):
        segments, sites, width = states.values.shape
        if as_json:
            _terminal.emit(
                {
                    "video": states.video_id,
                    "segments": segments,
                    "sites": sites,
                    "width": width,
                    "duration": states.duration,
                    "gaps": len(states.gaps),
                }
            )
        else:
            _terminal.say(
                f"{states.video_id[:8]}  {segments} segments x {sites} sites x {width} wide"
            )
    raise typer.Exit(3 if lost else 0)
