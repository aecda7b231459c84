"""The card of a shared probe: a README for the hub, from the probe alone. Text only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hiprobe.probe.file import Probe
from hiprobe.probe.sharing import check_text
from hiprobe.probe.summary import LIMITS, Line, summarize

TAGS = ("hiprobe", "video-anomaly-detection", "probe")
FILE = "probe.safetensors"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
STAYED = (
    "No frame of a video, no path, no name of a video, no label in words and no name of a machine "
    "is in this repository. The file holds numbers that were fitted to hidden states, the words "
    "that the model is asked, settings and figures."
)


def card(probe: Probe, name: str, licence: str | None = None, about: str | None = None) -> str:
    """Write the card of a probe, which must be one that `shareable` returns, as Markdown.

    `name` is that of the repository, `licence` an identifier such as `apache-2.0`, `about` a text
    of the user on the data. Raises ProbeError if that text holds a path.

    >>> from hiprobe import embedded
    >>> from hiprobe.probe.sharing import shareable
    >>> text = card(shareable(Probe.load(embedded.PROBE)).probe, "org/clips", "apache-2.0")
    >>> print(*[line for line in text.splitlines() if line.startswith("## ")], sep=", ")
    ## Use, ## What it reads, ## What it was fitted on, ## How good it is, ## Limits, ## Licence
    """
    return "\n\n".join([_head(probe, licence), *_body(probe, name, licence, about)]) + "\n"


def _head(probe: Probe, licence: str | None) -> str:
    """Return the fields that the hub sorts by, as YAML."""
    from huggingface_hub import ModelCardData

    model = probe.recipe.model
    known = "/" in model and ":" not in model
    fields = ModelCardData(
        library_name="hiprobe",
        pipeline_tag="video-classification",
        tags=list(TAGS),
        license=licence,
        base_model=model if known else None,
    )
    return f"---\n{fields.to_yaml()}\n---"


def _body(probe: Probe, name: str, licence: str | None, about: str | None) -> Iterator[str]:
    found = summarize(probe)
    yield f"# {_plain(name)}"
    yield (
        "A probe for HiProbe, which finds, locates and explains anomalies in video from the hidden "
        "states of a frozen multimodal model."
    )
    yield "## Use"
    yield f"```\nhiprobe detect VIDEOS --probe {name}@main\n```"
    yield "For `main` give the commit that you have looked at: a branch may change."
    for title, lines in found.sections.items():
        yield f"## {title.capitalize()}"
        if about and lines == found.fitted_on:
            yield _plain(check_text(about, "the description of the data"))
        yield _listed(lines)
    yield "In brackets: 95 % intervals, from a bootstrap over whole videos or groups of them."
    yield "## Limits"
    yield "\n".join(f"- {_plain(text)}" for text in (*found.doubts, *LIMITS, STAYED))
    yield "## Licence"
    yield _plain(licence) if licence else "No licence was stated: ask the owner before you use it."


def _listed(lines: Sequence[Line]) -> str:
    return "\n".join(f"- **{_plain(name)}**: {_plain(text)}" for name, text in lines)


def _plain(text: str) -> str:
    """Return a text on one line, without effect as Markdown."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
