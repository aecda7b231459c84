"""ELAN (.eaf): labels from the tiers of an annotation document. Knows no video; writes nothing.

Format: EAF 2.8 and 3.0 (Max Planck Institute for Psycholinguistics). Times are whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

from hiprobe.errors import LabelError
from hiprobe.formats import LabelledSpan, LabelledVideo
from hiprobe.formats._documents import check_order, read_number

label_suffix = ".eaf"
MILLISECONDS = "milliseconds"


def recognizes(document: Any) -> bool:
    """Tell whether an XML element is a document of ELAN."""
    return isinstance(document, Element) and document.tag == "ANNOTATION_DOCUMENT"


def read_labels(document: Element, where: str) -> Iterator[LabelledVideo]:
    """Yield the one video of a document, with the annotations of all tiers that have no parent.

    The label is the annotation's text, or the tier's name where that is blank. Tiers with a parent
    only say more about its annotations. Without an annotation the video is normal. Raises
    LabelError.
    """
    header = document.find("HEADER")
    unit = MILLISECONDS if header is None else header.get("TIME_UNITS", MILLISECONDS)
    if unit != MILLISECONDS:
        raise LabelError(f"its times are in {unit[:40]}, expected {MILLISECONDS}", where=where)
    media = _media(header)
    origin = 0.0 if media is None else _seconds(media.get("TIME_ORIGIN", "0"), where)
    slots = {
        one.get("TIME_SLOT_ID", ""): one.get("TIME_VALUE") for one in document.iter("TIME_SLOT")
    }
    spans = [
        _span(one, tier, slots, origin, where)
        for tier in document.iter("TIER")
        if "PARENT_REF" not in tier.attrib
        for one in tier.iter("ALIGNABLE_ANNOTATION")
    ]
    found = tuple(sorted(spans, key=lambda one: one.start))
    yield LabelledVideo(_names(media, where), found, where=where)


def _media(header: Element | None) -> Element | None:
    """Return the first video that is described, or else the first sound."""
    found = [] if header is None else header.findall("MEDIA_DESCRIPTOR")
    pictures = [one for one in found if one.get("MIME_TYPE", "").startswith("video/")]
    return next(iter(pictures or found), None)


def _names(media: Element | None, where: str) -> tuple[str, ...]:
    urls = (
        [media.get(key, "") for key in ("RELATIVE_MEDIA_URL", "MEDIA_URL")]
        if media is not None
        else []
    )
    paths = [unquote(urlsplit(url).path) for url in urls]
    own = where.rpartition("/")[2].removesuffix(label_suffix)
    return tuple(dict.fromkeys(one for one in (*paths, own) if one))


def _span(
    annotation: Element, tier: Element, slots: dict[str, str | None], origin: float, where: str
) -> LabelledSpan:
    at = f"{where}: annotation {annotation.get('ANNOTATION_ID', '?')}"
    values = [slots.get(annotation.get(f"TIME_SLOT_REF{n}", "")) for n in (1, 2)]
    if None in values:
        raise LabelError("it has no start or no end", where=at, cure="give it both in ELAN")
    start, end = (_seconds(value, at) + origin for value in values)
    check_order(start, end, at)
    text = " ".join((annotation.findtext("ANNOTATION_VALUE") or "").split())
    return LabelledSpan(text or tier.get("TIER_ID", "") or "event", start, end, where=at)


def _seconds(value: Any, where: str) -> float:
    return read_number(value, "a time in milliseconds", where) / 1000
