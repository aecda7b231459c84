"""What the listed models compute for a segment with fewer and smaller frames.

Counted by `python -m benchmarks.count_models --cheaper`: the frames, their size (None for the
model's own, which it scales smaller ones up to), the operations before the decoder, and those of
one block. Not all are cheaper: VideoLLaMA3 shares its pixels among the frames.
"""

from __future__ import annotations

CHEAPER: dict[str, tuple[int, tuple[int, int] | None, float, float]] = {
    "Qwen/Qwen2.5-VL-3B-Instruct": (4, (336, 336), 1_500_205_547_520, 46_820_433_920),
    "Qwen/Qwen2.5-VL-7B-Instruct": (4, (336, 336), 1_504_735_395_840, 140_643_170_304),
    "Qwen/Qwen2.5-VL-32B-Instruct": (4, (336, 336), 1_519_457_402_880, 293_408_460_800),
    "Qwen/Qwen2.5-VL-72B-Instruct": (4, (336, 336), 1_528_517_099_520, 527_769_042_944),
    "Qwen/Qwen3-VL-2B-Instruct": (4, (256, 256), 349_502_963_712, 15_386_943_488),
    "Qwen/Qwen3-VL-4B-Instruct": (4, (256, 256), 351_650_447_360, 30_853_054_464),
    "Qwen/Qwen3-VL-8B-Instruct": (4, (256, 256), 480_126_173_184, 58_640_842_752),
    "Qwen/Qwen3-VL-32B-Instruct": (4, (256, 256), 484_958_011_392, 147_998_670_848),
    "Qwen/Qwen3.5-4B": (4, (256, 256), 330_712_481_792, 33_784_107_008),
    "Qwen/Qwen3.5-9B": (4, (256, 256), 449_323_204_608, 65_394_200_576),
    "OpenGVLab/InternVL2_5-2B-MPO-hf": (4, None, 2_919_072_006_144, 141_581_426_688),
    "OpenGVLab/InternVL2_5-8B-MPO-hf": (4, None, 2_962_021_679_104, 477_493_346_304),
    "OpenGVLab/InternVL3-1B-hf": (4, None, 2_902_462_562_304, 35_373_252_096),
    "OpenGVLab/InternVL3-8B-hf": (4, None, 2_949_673_648_128, 506_690_795_520),
    "OpenGVLab/InternVL3_5-4B-HF": (4, None, 2_928_198_811_648, 230_715_703_296),
    "OpenGVLab/InternVL3_5-8B-HF": (4, None, 2_962_021_679_104, 424_494_120_960),
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": (4, None, 2_570_086_678_528, 25_935_673_344),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": (4, None, 2_593_854_619_648, 379_115_003_904),
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": (4, None, 858_859_241_472, 2_560_833_792),
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": (4, None, 861_275_160_576, 6_839_688_960),
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": (4, None, 2_679_551_870_976, 54_294_159_360),
    "zai-org/GLM-4.1V-9B-Thinking": (4, (252, 252), 982_019_801_088, 73_538_355_200),
    "zai-org/GLM-4.6V-Flash": (4, (252, 252), 982_019_801_088, 73_538_355_200),
    "lkhl/VideoLLaMA3-2B-Image-HF": (4, None, 2_459_734_917_120, 69_235_955_712),
    "lkhl/VideoLLaMA3-7B-Image-HF": (4, None, 2_477_101_432_832, 336_692_901_888),
}
