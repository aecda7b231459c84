"""List checkpoints that load, and what each needs. Knows no torch and loads nothing.

Parameters are counted on the architecture with the published sizes, without weights, except
Gemma's, which are its publisher's figures. tests/backbones/test_catalogue.py compares them with
counts that others have published. Models in `UNCONFIRMED` were not found there, nor their
configuration.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from hiprobe.backbones._catalogue_cheaper import CHEAPER
from hiprobe.backbones._catalogue_work import WORK
from hiprobe.backbones._work import SegmentWork
from hiprobe.types import FRAMES

# The families that tests/backbones/test_conformance.py runs over.
PROVEN = frozenset(
    {
        "gemma4",
        "glm46v",
        "glm4v",
        "internvl",
        "llava_onevision",
        "qwen2_5_vl",
        "qwen3_5",
        "qwen3_vl",
        "smolvlm",
        "video_llama_3",
    }
)
RENDERED = "tiny, trained on rendered scenes: for trying HiProbe out"
RESEARCH = "the licence allows research but no commercial use"
REMOTE = (
    "InternVL2.5 as published needs remote code, which is never run; "
    "these conversions load (the licence is the original's)"
)
TWO = "the licence is Apache-2.0 for the original, Qwen for this conversion"
PARTLY = (
    "as published (DAMO-NLP-SG) it needs remote code, which is never run; "
    "these conversions of the image checkpoints load"
)

# Sizes that were written down without seeing a configuration or a published count of parameters.
UNCONFIRMED = frozenset(
    {
        "Qwen/Qwen2.5-VL-72B-Instruct",  # the inner width of its vision encoder
        "zai-org/GLM-4.6V-Flash",  # taken to be that of GLM-4.1V-9B
        "lkhl/VideoLLaMA3-2B-Image-HF",
        "lkhl/VideoLLaMA3-7B-Image-HF",
        "google/gemma-4-E2B-it",
        "google/gemma-4-E4B-it",
        "google/gemma-4-31B-it",
    }
)
# What a short name leaves out of the last part of a hub id.
_LEFT_OUT = re.compile(r"-(?:video|instruct|mpo|hf|it|qwen2|ov|image|thinking)\b")


@dataclass(frozen=True)
class CatalogueEntry:
    """A checkpoint: its family (transformers' `model_type`), size and licence.

    What could not be confirmed is None.
    """

    model: str
    family: str
    parameters: int
    layers: int
    width: int | None
    licence: str | None
    note: str | None = None
    frames: int = FRAMES

    @property
    def fp16_gb(self) -> float:
        """Memory of the weights alone in 16 bits, in GB of 1e9 bytes: two bytes a parameter."""
        return 2 * self.parameters / 1e9

    @property
    def work(self) -> SegmentWork | None:
        """What a pass over one segment computes, None if its sizes are not known."""
        return WORK.get(self.model)

    @property
    def cheaper(self) -> tuple[int, tuple[int, int] | None, SegmentWork] | None:
        """Fewer frames, their size if that is another one, and the work then; None if not known."""
        if self.work is None or self.model not in CHEAPER:
            return None
        frames, size, vision, block = CHEAPER[self.model]
        return frames, size, replace(self.work, vision=vision, block=block)

    @property
    def short(self) -> str:
        """The short name by which it can be loaded too, such as `qwen3-vl-8b`."""
        name = self.model.rpartition("/")[2].lower().replace("_", ".")
        return _LEFT_OUT.sub("", name)

    @property
    def proven(self) -> bool:
        """Whether the conformance test runs over its family, on a tiny random model."""
        return self.family in PROVEN

    @property
    def confirmed(self) -> bool:
        """Whether its sizes were compared with a configuration or a count that others published."""
        return self.model not in UNCONFIRMED

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, with what is computed."""
        known = {"short": self.short, "fp16_gb": round(self.fp16_gb, 2), "proven": self.proven}
        return {**asdict(self), **known, "confirmed": self.confirmed}


def _qwen2_5(
    size: str, parameters: int, layers: int, width: int, licence: str = "Apache-2.0", **more: Any
) -> CatalogueEntry:
    return CatalogueEntry(
        f"Qwen/Qwen2.5-VL-{size}-Instruct", "qwen2_5_vl", parameters, layers, width, licence, **more
    )


def _qwen3(size: str, parameters: int, layers: int, width: int) -> CatalogueEntry:
    return CatalogueEntry(
        f"Qwen/Qwen3-VL-{size}-Instruct",
        "qwen3_vl",
        parameters,
        layers,
        width,
        "Apache-2.0",
    )


def _internvl(
    name: str, parameters: int, layers: int, width: int, licence: str | None, **more: Any
) -> CatalogueEntry:
    return CatalogueEntry(
        f"OpenGVLab/{name}", "internvl", parameters, layers, width, licence, **more
    )


def _smolvlm(size: str, parameters: int, layers: int, width: int) -> CatalogueEntry:
    name = f"HuggingFaceTB/SmolVLM2-{size}"
    return CatalogueEntry(
        name,
        "smolvlm",
        parameters,
        layers,
        width,
        "Apache-2.0",
        note="needs pip install num2words",
    )


def _qwen3_5(size: str, parameters: int, layers: int, width: int) -> CatalogueEntry:
    note = "heads in every fourth block only: the others have linear attention"
    return CatalogueEntry(
        f"Qwen/Qwen3.5-{size}", "qwen3_5", parameters, layers, width, "Apache-2.0", note=note
    )


ENTRIES = (
    CatalogueEntry("embedded", "qwen2_5_vl", 4_602_592, 8, 160, "Apache-2.0", RENDERED, 8),
    _qwen2_5("3B", 3_754_622_976, 36, 2048, "Qwen research", note=RESEARCH),
    _qwen2_5("7B", 8_292_166_656, 28, 3584),
    _qwen2_5("32B", 33_452_718_336, 64, 5120),
    _qwen2_5("72B", 73_410_777_344, 80, 8192, "Qwen"),
    _qwen3("2B", 2_127_532_032, 28, 2048),
    _qwen3("4B", 4_437_815_808, 36, 2560),
    _qwen3("8B", 8_767_123_696, 36, 4096),
    _qwen3("32B", 33_357_390_064, 64, 5120),
    _qwen3_5("4B", 4_539_265_536, 32, 2560),
    _qwen3_5("9B", 9_409_813_744, 32, 4096),
    _internvl("InternVL2_5-2B-MPO-hf", 2_205_754_368, 24, 2048, "MIT", note=REMOTE),
    _internvl("InternVL2_5-8B-MPO-hf", 8_075_365_376, 32, 4096, "MIT", note=REMOTE),
    _internvl("InternVL3-1B-hf", 938_193_024, 24, 896, None),
    _internvl("InternVL3-8B-hf", 7_944_373_760, 28, 3584, "Apache-2.0", note=TWO),
    _internvl("InternVL3_5-4B-HF", 4_732_489_216, 36, 2560, "Apache-2.0"),
    _internvl("InternVL3_5-8B-HF", 8_528_318_464, 36, 4096, "Apache-2.0"),
    CatalogueEntry(
        "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
        "llava_onevision",
        893_675_552,
        24,
        896,
        "Apache-2.0",
    ),
    CatalogueEntry(
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        "llava_onevision",
        8_030_807_584,
        28,
        3584,
        "Apache-2.0",
    ),
    _smolvlm("256M-Video-Instruct", 256_484_928, 30, 576),
    _smolvlm("500M-Video-Instruct", 507_482_304, 32, 960),
    _smolvlm("2.2B-Instruct", 2_246_784_880, 24, 2048),
    CatalogueEntry("zai-org/GLM-4.1V-9B-Thinking", "glm4v", 10_292_777_472, 40, 4096, "MIT"),
    CatalogueEntry("zai-org/GLM-4.6V-Flash", "glm4v", 10_292_777_472, 40, 4096, "MIT"),
    CatalogueEntry(
        "lkhl/VideoLLaMA3-2B-Image-HF", "video_llama_3", 1_959_993_584, 28, 1536, None, note=PARTLY
    ),
    CatalogueEntry(
        "lkhl/VideoLLaMA3-7B-Image-HF", "video_llama_3", 8_044_744_944, 28, 3584, None, note=PARTLY
    ),
    CatalogueEntry("google/gemma-4-E2B-it", "gemma4", 5_100_000_000, 35, 1536, "Apache-2.0"),
    CatalogueEntry("google/gemma-4-E4B-it", "gemma4", 8_000_000_000, 42, 2560, "Apache-2.0"),
    CatalogueEntry("google/gemma-4-31B-it", "gemma4", 30_700_000_000, 60, None, "Apache-2.0"),
)
