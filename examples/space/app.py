"""A page to upload a video and see its events, for a Space of Hugging Face. Not run there yet."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import hiprobe
from hiprobe import embedded, report

OWN = Path("probe.safetensors")
HEADINGS = ["start (s)", "end (s)", "score", "model's check", "explanation"]


@cache
def loaded() -> tuple[hiprobe.backbones.Backbone, hiprobe.Probe]:
    """Load the probe beside this file, else the one in the package, and its model."""
    probe = hiprobe.Probe.load(OWN if OWN.exists() else embedded.PROBE)
    name = probe.recipe.model if OWN.exists() else "embedded"
    return hiprobe.backbones.load(name, revision=probe.recipe.revision), probe


def analyse(path: str) -> tuple[str, list[list[object]], str]:
    """Return a timeline, the rows of the events, and the report page of one video."""
    model, probe = loaded()
    result = hiprobe.detect(path, model, probe)
    folder = Path(tempfile.mkdtemp())
    report.write_report(result, Path(path), folder)
    rows = [
        [
            round(event.start, 1),
            round(event.end, 1),
            round(event.score or 0, 2),
            event.verification.result,
            event.explanation or "",
        ]
        for event in result.alarms
    ]
    return str(folder / "timeline.png"), rows, str(folder / "report.html")


def main() -> None:
    """Serve the page."""
    import gradio

    gradio.Interface(
        analyse,
        gradio.Video(label="a video", sources=["upload"]),
        [
            gradio.Image(label="scores over time"),
            gradio.Dataframe(headers=HEADINGS, label="events"),
            gradio.File(label="report, one page that needs no network"),
        ],
        title="HiProbe",
        description=loaded()[0].notice or "",
    ).launch()


if __name__ == "__main__":
    main()
