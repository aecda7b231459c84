"""The video processors of the families, with torch alone: settings and frames in, inputs out.

They replace transformers' own video processors, which need torchvision. They never sample: every
frame given is used. They know no text and no weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiprobe.backbones._copying import to_device
from hiprobe.backbones._pixels import fit_budget, normalise, patchify, resize, to_tensor
from hiprobe.backbones._video_settings import check_setting
from hiprobe.errors import ModelError

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
FILTERS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # the numbers of PIL.Image.Resampling


def _joined(parts: list[Tensor]) -> Tensor:
    """Join tensors along the first dimension; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class VideoProcessor:
    """Make pixels of one fixed size.

    Class attributes are the defaults that a checkpoint's settings override.
    """

    size: Mapping[str, int] = {"height": 384, "width": 384}
    image_mean: Sequence[float] = CLIP[0]
    image_std: Sequence[float] = CLIP[1]
    resample: int = 3
    do_resize = True
    do_rescale = True
    do_normalize = True
    do_center_crop: bool | None = None
    rescale_factor = 1 / 255
    num_frames: int | None = None  # for some chat templates; nothing is sampled
    fps: float | None = None

    def __init__(self, settings: Mapping[str, Any]) -> None:
        # The device that normalises pixels; frames are resized on the CPU.
        self.device = torch.device("cpu")
        self._kept: tuple[NDArray[np.uint8], Mapping[str, Any]] | None = None
        for name in self.known_settings() & settings.keys():
            if settings[name] is not None:
                check_setting(name, settings[name], getattr(self, name))
                setattr(self, name, settings[name])
        if self.do_center_crop:
            raise ModelError("the video processor crops to the centre, which is not supported")

    @classmethod
    def known_settings(cls) -> set[str]:
        """Return the names of the class attributes that a checkpoint may set."""
        values = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
        return {
            name
            for name, value in values.items()
            if not callable(value) and not isinstance(value, property)
        }

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """The (height, width) that all frames are resized to, or None if it follows the frames."""
        if not {"height", "width"} <= set(self.size):
            raise ModelError(f"the video processor's size {dict(self.size)} is not supported")
        return self.size["height"], self.size["width"]

    @property
    def grain(self) -> int:
        """The pixels that each side of a frame is a multiple of."""
        return 1

    def target(self, frames: int, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size that `frames` frames of (height, width) `size` are resized to."""
        return self.fixed_size or size

    def resized(self, frames: Tensor) -> Tensor:
        """Resize frames uint8 (T, 3, H, W) to the model's size."""
        size = self.target(len(frames), (frames.shape[-2], frames.shape[-1]))
        return resize(frames, size, FILTERS[self.resample])

    def pixels(self, frames: NDArray[np.uint8]) -> Tensor:
        """Turn frames uint8 (T, H, W, 3) into float32 (T, 3, h, w), resized and normalised."""
        tensor = to_tensor(frames)
        tensor = to_device(self.resized(tensor) if self.do_resize else tensor, self.device)
        rescale = self.rescale_factor if self.do_rescale else None
        if not self.do_normalize:
            return tensor * rescale if rescale else tensor.to(torch.float32)
        return normalise(tensor, rescale, self.image_mean, self.image_std)

    def pack(self, clips: list[Tensor]) -> dict[str, Any]:
        """Make the model's inputs of the pixels of several clips."""
        return {"pixel_values_videos": _joined([clip[None] for clip in clips])}

    def __call__(
        self, videos: Sequence[NDArray[np.uint8]], *, video_metadata: Sequence[Any], **_: Any
    ) -> dict[str, Any]:
        # Compared by identity, as another thread may be working on another clip.
        kept = self._kept
        if kept is not None and len(videos) == 1 and videos[0] is kept[0]:
            return {**kept[1], "video_metadata": list(video_metadata)}
        return {
            **self.pack([self.pixels(frames) for frames in videos]),
            "video_metadata": list(video_metadata),
        }

    @contextmanager
    def keeping(self, frames: NDArray[np.uint8]) -> Iterator[Mapping[str, Any]]:
        """Make the pixels of `frames` once for every prompt in a block; yield what `pack` makes."""
        packed = self.pack([self.pixels(frames)])
        self._kept = frames, packed
        try:
            yield packed
        finally:
            self._kept = None


class Qwen2VL(VideoProcessor):
    """Qwen2-VL, Qwen2.5-VL: patches of space and time, with a pixel budget per frame."""

    size: Mapping[str, int] = {"shortest_edge": 128 * 28 * 28, "longest_edge": 768 * 28 * 28}
    min_pixels: int | None = None
    max_pixels: int | None = None
    patch_size = 14
    temporal_patch_size = 2
    merge_size = 2
    cap_pixels_per_frame: bool | None = None
    max_video_tokens = 128000

    @property
    def fixed_size(self) -> None:
        return None

    @property
    def factor(self) -> int:
        """Pixels per side of one token."""
        return self.patch_size * self.merge_size

    @property
    def grain(self) -> int:
        return self.factor

    def budget(self) -> tuple[int, int]:
        """Return the least and the most pixels; raises ModelError if the settings name none."""
        low, high = self.size.get("shortest_edge"), self.size.get("longest_edge")
        low, high = self.min_pixels or low, self.max_pixels or high
        if not low or not high:
            raise ModelError(f"the video processor's size {dict(self.size)} is not supported")
        return low, high

    def target(self, frames: int, size: tuple[int, int]) -> tuple[int, int]:
        low, high = self.budget()
        if self.cap_pixels_per_frame:
            total = int(self.max_video_tokens * self.factor**2 * 0.9)
            high = max(min(high, total * self.temporal_patch_size // frames), int(low * 1.05))
        return fit_budget(size, self.factor, low, high)

    def pack(self, clips: list[Tensor]) -> dict[str, Any]:
        packed = [
            patchify(clip, self.patch_size, self.merge_size, self.temporal_patch_size)
            for clip in clips
        ]
        grids = torch.tensor([grid for _, grid in packed])
        return {
            "pixel_values_videos": _joined([rows for rows, _ in packed]),
            "video_grid_thw": grids,
        }


class Qwen3VL(Qwen2VL):
    """Qwen3-VL, Qwen3.5: a pixel budget for the whole clip."""

    size: Mapping[str, int] = {"shortest_edge": 128 * 32 * 32, "longest_edge": 768 * 32 * 32}
    image_mean = HALF[0]
    image_std = HALF[1]
    patch_size = 16
    max_video_tokens = 768

    def clip_budget(self, frames: int) -> tuple[int, int]:
        """Return the least and the most pixels of a clip of `frames` frames."""
        low, high = self.budget()
        if self.cap_pixels_per_frame:
            cap = self.max_video_tokens * self.factor**2
            high = max(min(cap, high // frames), int(low * 1.05)) * frames
        return low, high

    def target(self, frames: int, size: tuple[int, int]) -> tuple[int, int]:
        frames = max(frames, self.temporal_patch_size)
        low, high = self.clip_budget(frames)
        if min(size) < self.factor:
            scale = max(self.factor / size[0], self.factor / size[1])
            size = (int(size[0] * scale), int(size[1] * scale))
        grid_frames = round(frames / self.temporal_patch_size) * self.temporal_patch_size
        return fit_budget(size, self.factor, low, high, frames, grid_frames)


class Glm4V(Qwen3VL):
    """GLM-4.1V to 4.6V: as Qwen3-VL, with its own defaults."""

    size: Mapping[str, int] = {"shortest_edge": 112 * 112, "longest_edge": 28 * 28 * 2 * 30000}
    image_mean = CLIP[0]
    image_std = CLIP[1]
    patch_size = 14
    fps: float | None = 2


class VideoLlama3(Qwen2VL):
    """VideoLLaMA3: no temporal patches; frames share the budget; still tokens are dropped."""

    image_mean = HALF[0]
    image_std = HALF[1]
    temporal_patch_size = 1
    use_token_compression = True
    threshold = 0.1

    def target(self, frames: int, size: tuple[int, int]) -> tuple[int, int]:
        low, high = self.budget()
        return fit_budget(size, self.factor, low, high // frames)

    def pack(self, clips: list[Tensor]) -> dict[str, Any]:
        packed = super().pack(clips)
        grids = packed["video_grid_thw"]
        rows = packed["pixel_values_videos"].split(grids.prod(dim=1).tolist())
        keep = [self._moving(clip, int(grid[0])) for clip, grid in zip(rows, grids, strict=True)]
        sizes = torch.full((len(grids),), self.merge_size, dtype=grids.dtype)
        return {**packed, "video_merge_sizes": sizes, "video_compression_mask": torch.cat(keep)}

    def _moving(self, rows: Tensor, frames: int) -> Tensor:
        """Tell which tokens changed by more than the threshold, on 0 to 255, in one frame."""
        tokens = rows.view(frames, len(rows) // self.merge_size**2 // frames, -1)
        if frames == 1 or not self.use_token_compression:
            return torch.ones(tokens.shape[0] * tokens.shape[1], dtype=torch.bool)
        change = (tokens[1:] - tokens[:-1]).abs().mean(dim=-1) * 255
        keep = torch.cat([torch.ones_like(change[:1], dtype=torch.bool), change > self.threshold])
        keep[~keep.any(dim=1), 0] = True  # at least one token for each frame
        return keep.flatten()


class SmolVLM(VideoProcessor):
    """SmolVLM: resized twice, first by its longest edge, then to a square."""

    size: Mapping[str, int] = {"longest_edge": 4 * 364}
    max_image_size: Mapping[str, int] = {"longest_edge": 364}
    image_mean = HALF[0]
    image_std = HALF[1]
    resample = 1

    def __init__(self, settings: Mapping[str, Any]) -> None:
        sampling = settings.get("video_sampling") or {}
        size = settings.get("size") or sampling.get("video_size")
        super().__init__({**settings, "size": size})

    @property
    def fixed_size(self) -> tuple[int, int]:
        side = self.max_image_size["longest_edge"]
        return side, side

    def resized(self, frames: Tensor) -> Tensor:
        first = self._by_longest_edge(frames.shape[-2], frames.shape[-1])
        frames = resize(frames, first, FILTERS[self.resample])
        return resize(frames, self.fixed_size, FILTERS[self.resample])

    def _by_longest_edge(self, height: int, width: int) -> tuple[int, int]:
        if "longest_edge" not in self.size:
            return self.size["height"], self.size["width"]
        longest = min(4096, self.size["longest_edge"])
        ratio = width / height
        if width >= height:
            short = int(longest / ratio)
            return max(short + short % 2, 1), longest
        short = int(longest * ratio)
        return longest, max(short + short % 2, 1)

    def pack(self, clips: list[Tensor]) -> dict[str, Any]:
        pixels = torch.stack(clips)
        mask = torch.ones_like(pixels[:, :, 0], dtype=torch.int64)
        return {"pixel_values": pixels, "pixel_attention_mask": mask}


class Gemma4(VideoProcessor):
    """Gemma 4: patches of single frames, padded to the budget of soft tokens, with positions."""

    image_mean = (0.0, 0.0, 0.0)
    image_std = (1.0, 1.0, 1.0)
    patch_size = 16
    max_soft_tokens = 70
    pooling_kernel_size = 3

    @property
    def fixed_size(self) -> None:
        return None

    @property
    def grain(self) -> int:
        return self.pooling_kernel_size * self.patch_size

    @property
    def max_patches(self) -> int:
        """The length that every frame's patches are padded to."""
        return self.max_soft_tokens * self.pooling_kernel_size**2

    def target(self, frames: int, size: tuple[int, int]) -> tuple[int, int]:
        side = self.grain
        scale = math.sqrt(self.max_patches * self.patch_size**2 / (size[0] * size[1]))
        tall, wide = (math.floor(scale * edge / side) * side for edge in size)
        longest = self.max_soft_tokens * side
        if not tall:
            tall, wide = side, min(size[1] // size[0] * side, longest)
        elif not wide:
            tall, wide = min(size[0] // size[1] * side, longest), side
        return tall, wide

    def pack(self, clips: list[Tensor]) -> dict[str, Any]:
        packed = [self._padded(clip) for clip in clips]
        return {
            "pixel_values_videos": torch.cat([patches for patches, _, _ in packed]),
            "video_position_ids": torch.cat([positions for _, positions, _ in packed]),
            "num_frames_per_video": [len(clip) for clip in clips],
            "num_soft_tokens_per_video": [tokens for _, _, tokens in packed],
        }

    def _padded(self, clip: Tensor) -> tuple[Tensor, Tensor, int]:
        count, channels, height, width = clip.shape
        tall, wide = height // self.patch_size, width // self.patch_size
        cells = clip.reshape(count, channels, tall, self.patch_size, wide, self.patch_size)
        patches = cells.permute(0, 2, 4, 3, 5, 1).reshape(count, tall * wide, -1)
        # (x, y) of each patch
        places = torch.cartesian_prod(torch.arange(tall), torch.arange(wide)).flip(-1)
        missing = self.max_patches - tall * wide
        patches = torch.nn.functional.pad(patches, (0, 0, 0, missing))
        positions = torch.nn.functional.pad(
            places.expand(count, -1, -1), (0, 0, 0, missing), value=-1
        )
        return patches, positions, tall * wide // self.pooling_kernel_size**2


_BY_TYPE: Mapping[str, type[VideoProcessor]] = {
    "Qwen2VLVideoProcessor": Qwen2VL,
    "Qwen3VLVideoProcessor": Qwen3VL,
    "Glm4vVideoProcessor": Glm4V,
    "Glm46VVideoProcessor": Glm4V,
    "InternVLVideoProcessor": VideoProcessor,
    "LlavaOnevisionVideoProcessor": VideoProcessor,
    "SmolVLMVideoProcessor": SmolVLM,
    "VideoLlama3VideoProcessor": VideoLlama3,
    "Gemma4VideoProcessor": Gemma4,
}
# For checkpoints that are older than video processor files.
_BY_FAMILY: Mapping[str, type[VideoProcessor]] = {
    "qwen2_vl": Qwen2VL,
    "qwen2_5_vl": Qwen2VL,
    "qwen3_vl": Qwen3VL,
    "qwen3_vl_moe": Qwen3VL,
    "qwen3_5": Qwen3VL,
    "qwen3_5_moe": Qwen3VL,
    "glm4v": Glm4V,
    "glm4v_moe": Glm4V,
    "glm46v": Glm4V,
    "internvl": VideoProcessor,
    "llava_onevision": VideoProcessor,
    "smolvlm": SmolVLM,
    "video_llama_3": VideoLlama3,
    "gemma4": Gemma4,
}


def video_processor(settings: Mapping[str, Any], family: str) -> VideoProcessor:
    """Make the processor for a checkpoint's settings; raises ModelError for an unknown kind."""
    kind = settings.get("video_processor_type")
    found = _BY_TYPE.get(kind) if kind else _BY_FAMILY.get(family)
    if found is None:
        raise ModelError(
            f"video cannot be prepared for {kind or family!r}: its processor is not known",
            cure=f"use a model of one of these families: {', '.join(_BY_FAMILY)}",
        )
    return found(settings)
