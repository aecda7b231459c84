"""What `hiprobe doctor` finds, as JSON values, and how it says them."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hiprobe
from hiprobe.cli._run import in_precision
from hiprobe.errors import HiProbeError, counted, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from hiprobe.backbones import Backbone, Loading
    from hiprobe.estimate import Cheaper

LIBRARIES = (
    "torch", "transformers", "accelerate", "av", "numpy", "scipy", "scikit-learn", "safetensors",
    "matplotlib", "pillow", "rich", "typer",
)  # fmt: skip
USES = {  # what an extra is for
    "review": "the pages of hiprobe review and watch",
    "live": "hiprobe watch and verify",
    "alerts": "the sinks webhook, mqtt and apprise",
    "ray": "--ray",
    "s3": "addresses such as s3://",
    "hub": "probes on the Hugging Face hub",
    "formats": "scores as Parquet",
    "notebook": "notebooks, and tables in pandas",
}
OURS = {"assembled", "dev", "docs", "train"}  # extras for those who work on hiprobe
OTHERS = {"num2words": "SmolVLM models"}
USUAL_SIZE = (448, 448)
MEASURED_S = 15.0  # a model whose pass takes longer is estimated only
GB = 1e9
BUSY = "other programs use the processors now, so the speeds are rough"
Facts = Mapping[str, Any]
Line = tuple[str, str]


def versions() -> dict[str, str | None]:
    """Return the versions of hiprobe, Python, the system and the libraries; None if missing."""
    from hiprobe.video.codecs import library_versions

    return {
        "hiprobe": hiprobe.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: _version(name) for name in LIBRARIES},
        "ffmpeg libavcodec": library_versions().get("libavcodec"),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def machine() -> dict[str, Any]:
    """Return processors, memory in bytes, limits of the process, and the devices of torch."""
    from hiprobe import backbones, environment, estimate

    return {
        "processor": estimate.processor(),
        "cores": estimate.cores(),
        "memory": estimate.memory_bytes(),
        "limits": environment.limits(),
        **backbones.device_facts(),
    }


def codecs() -> dict[str, bool]:
    """Tell which kinds of video can be read."""
    from hiprobe.video.codecs import readable_codecs

    return readable_codecs()


def missing() -> list[dict[str, Any]]:
    """Return what is not installed: its packages, what it is for, and the command to install it."""
    found = [
        {
            "packages": lacking,
            "for": USES.get(extra, f"the extra {extra}"),
            "install": f"pip install 'hiprobe[{extra}]'",
        }
        for extra in _extras()
        if (lacking := [name for name in _packages(extra) if _version(name) is None])
    ]
    others = [name for name in OTHERS if _version(name) is None]
    return found + [
        {"packages": [name], "for": OTHERS[name], "install": f"pip install {name}"}
        for name in others
    ]


def _asked() -> list[tuple[str, str]]:
    """Return what the package asks for by extras: the extra, and the package with its versions."""
    try:
        asked = metadata.requires("hiprobe") or []
    except metadata.PackageNotFoundError:  # run from a folder that was not installed
        return []
    found = ((re.search(r"""extra == ["']([\w-]+)""", one), one) for one in asked)
    return [(extra[1], one) for extra, one in found if extra]


def _extras() -> list[str]:
    """Return the extras for users, as the package lists them."""
    return [one for one in dict.fromkeys(extra for extra, _ in _asked()) if one not in OURS]


def _packages(extra: str) -> list[str]:
    """Return the packages of an extra, with those of the extras that it includes."""
    named = [one for name, one in _asked() if name == extra]
    names: list[str] = []
    for one in named:
        inner = re.match(r"hiprobe\[(.+?)\]", one)
        more = [name for part in inner[1].split(",") for name in _packages(part)] if inner else []
        names += more or re.findall(r"^[\w.-]+", one)
    return [name for name in dict.fromkeys(names) if name != "hiprobe"]


def arithmetic() -> dict[str, Any]:
    """Measure 32-bit and 16-bit arithmetic on the device that auto means, in operations/s.

    Where torch cannot compute on it, return its error as a text.
    """
    from hiprobe import backbones, estimate

    device = str(backbones.device_facts()["auto"])
    try:
        return _measured(device)
    except estimate.CANNOT_COMPUTE as error:
        return {"device": device, "busy": False, "error": estimate.why_not(error)}


def _measured(device: str) -> dict[str, Any]:
    from hiprobe import estimate

    plain, short = (
        estimate.measured_speeds(device, dtype, again=True) for dtype in ("float32", "bfloat16")
    )
    width = min(plain.points[-1][0], 1024)
    return {
        "device": device,
        "busy": plain.busy or short.busy,
        "float32": round(plain.at(width)),
        "bfloat16": round(short.at(width)),
        "by_width": {
            one.dtype: {str(at): round(speed) for at, speed in one.points} for one in (plain, short)
        },
    }


def model_speed(loading: Loading) -> dict[str, Any]:
    """Return how fast a model reads here: measured if it is here and fast enough, else estimated.

    A model of the hub is not fetched. An error of a local model, or of torch while it runs, is
    returned as a text. A local folder is called by its last part.
    """
    from hiprobe import estimate

    name, folder = loading.name, Path(loading.name)
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) and not folder.is_dir():
        return {"name": name, **_listed(name)}
    called = folder.resolve().name if folder.is_dir() or "/" in name else name
    try:
        return {"name": called, **_read(in_precision(loading).load())}
    except HiProbeError as error:
        text = f"{error.reason}; {error.cure}" if error.cure else error.reason
    except estimate.CANNOT_COMPUTE as error:
        text = estimate.why_not(error)
    return {"name": called, "error": text.replace(name, called) if "/" in name else text}


def _listed(name: str) -> dict[str, Any]:
    """Return the estimate for a model of the catalogue."""
    from hiprobe import backbones, estimate

    here = estimate.this_machine()
    found = next((one for one in backbones.catalogue() if one.model == name), None)
    if found is None or found.work is None:
        return {"error": "it is not one that hiprobe models lists; doctor fetches nothing"}
    work = found.work
    frames, size, less = found.cheaper or (0, None, work)
    told, seconds = here.segment_s(work), here.segment_s(less)
    if told is None or seconds is None:
        return {"error": f"not estimated: {here.speeds.device} cannot compute: {here.error}"}
    cheaper = estimate.Cheaper(frames, size, seconds)
    return {
        "device": here.speeds.device,
        "dtype": here.speeds.dtype,
        "blocks_read": estimate.depth_read(work),
        "estimated_s": told,
        "fits": here.holds(work),
        "cheaper": _cheaper(
            cheaper if cheaper.seconds * estimate.LEAST_GAIN <= told else None, told
        ),
    }


def _cheaper(found: Cheaper | None, segment_s: float) -> dict[str, Any] | None:
    """Return a cheaper recipe if the model is slower than a camera, which gives 1.6 s in 1.6 s."""
    from hiprobe.types import SEGMENT_S

    return (
        None if found is None or segment_s <= SEGMENT_S else {**asdict(found), "said": str(found)}
    )


def _read(model: Backbone) -> dict[str, Any]:
    """Return what reading the last block of a loaded model takes: estimated, and measured."""
    from hiprobe import estimate
    from hiprobe.types import Site

    sites, recipe = [Site("residual", model.layers - 1)], model.recipe
    expected_s = estimate.expected_segment_s(model, sites, recipe)
    measured_s, told = None, expected_s or 0.0
    if expected_s is None or expected_s <= MEASURED_S:
        batch = model.batch if (expected_s or 0.0) * model.batch <= MEASURED_S else 1
        measured_s = estimate.measure_model(model, sites, recipe, batch).wall_s
    return {
        "device": model.provenance.get("device"),
        "dtype": model.provenance.get("dtype"),
        "blocks_read": model.layers,
        "estimated_s": expected_s,
        "measured_s": measured_s,
        "cheaper": _cheaper(estimate.cheaper_segment(model, sites, recipe, told), told),
        "frames": recipe.frames,
        "size": recipe.size,
    }


def decoding(model: Facts) -> dict[str, Any]:
    """Measure how fast videos are decoded for a model; an error is returned as a text."""
    from hiprobe import estimate
    from hiprobe.types import FRAMES, Recipe

    recipe = Recipe(
        "any", ("any",), frames=model.get("frames", FRAMES), size=model.get("size", USUAL_SIZE)
    )
    try:
        found = estimate.measure_decoding(recipe, _on_card(model))
    except HiProbeError as error:
        return {"error": str(error)}
    return {"video": found.kind, "segments_s": found.segments_s, "decoders": found.decoders}


def _on_card(model: Facts) -> bool:
    return str(model.get("device", "")).startswith("cuda")


def doctor_table(facts: Facts) -> Table:
    """Return what was found as a table without lines: what it is about, and the finding."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for about, text in doctor_lines(facts):
        table.add_row(about, Text(one_line(text)))
    return table


def doctor_lines(facts: Facts) -> Iterator[Line]:
    """Yield what was found: what it is about, and the finding."""
    known = {name: value for name, value in facts["versions"].items() if value}
    yield "versions", ", ".join(f"{name} {value}" for name, value in known.items())
    yield from _machine_lines(facts["machine"])
    lost = [name for name, there in facts["codecs"].items() if not there]
    here = ", ".join(name for name, there in facts["codecs"].items() if there)
    yield "decoders", here + (f"; missing: {', '.join(lost)}" if lost else "")
    yield from _missing_lines(facts["missing"])
    yield "16 bits", _arithmetic_line(facts["arithmetic"])
    yield "model", _model_line(facts["model"])
    yield "decoding", _decoding_line(facts["decoding"], facts["model"])
    if facts["arithmetic"]["busy"]:
        yield "busy", BUSY


def _machine_lines(facts: Facts) -> Iterator[Line]:
    yield (
        "machine",
        f"{facts['processor']}, {counted(facts['cores'], 'core')}, "
        f"{counted(facts['threads'], 'thread')} for the model, "
        f"{facts['memory'] / GB:.0f} GB of memory"
        + (f"; limits: {facts['limits']}" if facts["limits"] else ""),
    )
    for card in facts["cards"]:
        memory, free = f"{card['memory'] / GB:.0f} GB", f"{card['free'] / GB:.0f} GB free"
        yield "card", f"{card['name']}, {memory}, {free}"
    if not facts["cards"] and not facts["mps"]:
        build = "is for CPUs only" if facts["cuda_build"] is None else "finds no GPU"
        yield "card", f"none: this build of torch {build}"


def _missing_lines(missing: list[Facts]) -> Iterator[Line]:
    if not missing:
        yield "missing", "nothing"
    for one in missing:
        yield "missing", f"{', '.join(one['packages'])}, for {one['for']}: {one['install']}"


def _arithmetic_line(facts: Facts) -> str:
    if "error" in facts:
        return f"{facts['device']} cannot compute: {facts['error']}"
    ratio = facts["bfloat16"] / facts["float32"]
    speed = f"{facts['float32'] / 1e9:,.0f}e9 operations/s in float32"
    how = f"{ratio:.1f} times as fast" if ratio >= 1 else f"{1 / ratio:.1f} times slower"
    advice = "worth trying: --dtype bfloat16" if ratio >= 1.3 else "use float32"
    if facts["device"] != "cpu":
        advice = "models are read in their own precision"
    elif facts["busy"]:
        advice = "for advice, run it again when nothing else runs"
    return f"{facts['device']}: {speed}, bfloat16 {how}; {advice}"


def _model_line(facts: Facts) -> str:
    from hiprobe.estimate import say_duration

    if "error" in facts:
        return f"{facts['name']}: {facts['error']}"
    where = (
        f"{facts['name']} on {facts['device']} in {facts['dtype']}, {facts['blocks_read']} blocks"
    )
    told, found = facts.get("estimated_s"), facts.get("measured_s")
    said = [
        f"about {say_duration(told)} per segment" if told else "",
        f"measured {1 / found:.3g} segments per second" if found else "not measured",
        "its weights do not fit into memory" if facts.get("fits") is False else "",
        cheaper["said"] if (cheaper := facts.get("cheaper")) else "",
    ]
    return f"{where}: {', '.join(filter(None, said))}"


def _decoding_line(facts: Facts, model: Facts) -> str:
    if "error" in facts:
        return f"not measured: {facts['error']}"
    each, number = facts["segments_s"], facts["decoders"]
    said = f"{each:.3g} segments per second of {facts['video']} in each of "
    said += counted(number, "decoder")
    segment_s = model.get("measured_s") or model.get("estimated_s")
    if segment_s is None:
        return said
    limit = "the model" if segment_s * each * number > 1 else "decoding"
    beside = "" if _on_card(model) else ", which share the processors with the model"
    return f"{said}{beside}; {limit} is the limit"
