"""Flickr8k: photographs with five captions each, and what the vision tower makes of them.

The features of all photographs are computed once and kept below HIPROBE_RUNS, as the tower is
frozen. For research that is not commercial only: neither the photographs nor weights trained on
them are committed or shipped.

Source: Hodosh, Young and Hockenmaier 2013.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from experiments.assembled import parts, vision
from hiprobe.backbones._video import VideoProcessor

CAPTIONS, PHOTOS = "captions.txt", "photos.zip"
HELD_OUT = 1000
CHUNK, BATCH = 256, 4  # photographs in a file of features, and in a pass of the tower
FILTER = 3  # bicubic, as the model's own processor


class FeatureError(ValueError):
    """Raised for features that must not be used: damaged, or of another tower."""


@dataclass(frozen=True)
class Photographs:
    """Names of photographs, each with its captions, in the order of their digests.

    The first `HELD_OUT` (fewer of a small set) are never trained on.
    """

    folder: Path
    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]

    @property
    def held_out(self) -> range:
        """The numbers of the photographs that are not trained on."""
        return range(min(HELD_OUT, len(self.names) // 4))

    @property
    def trained(self) -> range:
        """The numbers of the photographs that are trained on."""
        return range(len(self.held_out), len(self.names))

    def frames(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Read photographs (n, H, W, 3), which all have one size."""
        with zipfile.ZipFile(self.folder / PHOTOS) as held:
            made = [_picture(held.read(self.names[number])) for number in numbers]
        return np.stack(made)


def _picture(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def tidy(caption: str) -> str:
    """Return a caption as it is usually written: no space before a full stop.

    >>> tidy("A dog , wet , runs .")
    'A dog, wet, runs.'
    """
    joined = re.sub(r"\s+([.,;:!?'])", r"\1", " ".join(caption.split())).rstrip(".")
    return f"{joined}."


def load_photographs(folder: Path) -> Photographs:
    """Return the photographs of a folder with `captions.txt` and `photos.zip`."""
    captions: dict[str, list[str]] = defaultdict(list)
    for line in (folder / CAPTIONS).read_text(encoding="utf-8").splitlines():
        name, _, caption = line.partition("\t")
        captions[name.partition("#")[0]].append(tidy(caption))
    with zipfile.ZipFile(folder / PHOTOS) as held:
        names = sorted(set(held.namelist()) & captions.keys(), key=_digest)
    return Photographs(folder, tuple(names), tuple(tuple(captions[name]) for name in names))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


class Features:
    """The features (49, 1280) of each photograph, float16, in files of 256 photographs.

    Raises FeatureError for a file that is damaged or of another tower.
    """

    def __init__(self, folder: Path, tower: str) -> None:
        opening: Any = safe_open
        self._files = []
        for file in sorted(folder.glob("*.safetensors")):
            noted = json.loads(file.with_suffix(".json").read_text())
            if noted != {"sha256": _file_digest(file), "tower": tower}:
                raise FeatureError(f"{file} is damaged or of another tower: delete the folder")
            self._files.append(opening(str(file), "pt").get_slice("features"))

    def __call__(self, numbers: Sequence[int]) -> Tensor:
        """Return the features float32 (n, 49, 1280) of some photographs."""
        rows = [self._files[number // CHUNK][number % CHUNK] for number in numbers]
        return torch.stack(rows).float()


def load_features(photographs: Photographs, tower: Any, folder: Path) -> Features:
    """Return the features of all photographs; those that `folder` lacks are computed."""
    key = tower_digest(tower)
    for first in range(0, len(photographs.names), CHUNK):
        file = folder / f"{first:06d}.safetensors"
        if not file.with_suffix(".json").is_file():
            last = min(first + CHUNK, len(photographs.names))
            _keep(file, _features(photographs, tower, range(first, last)), key)
    return Features(folder, key)


def tower_digest(tower: Any) -> str:
    """Return a digest of the weights of a tower."""
    total = hashlib.sha256()
    for name, value in sorted(tower.state_dict().items()):
        total.update(name.encode() + value.numpy().tobytes())
    return total.hexdigest()


def _features(photographs: Photographs, tower: Any, numbers: range) -> Tensor:
    side = vision.SIZE
    settings = {"size": {"height": side, "width": side}, "resample": FILTER, **vision.PIXELS}
    processor, made = VideoProcessor(settings), []
    with torch.inference_mode():
        for first in numbers[::BATCH]:
            frames = photographs.frames(range(first, min(first + BATCH, numbers.stop)))
            made.append(tower.cells(processor.pixels(frames)).half())
    return torch.cat(made)


def _keep(file: Path, features: Tensor, tower: str) -> None:
    """Write a file of features, and then its digest."""
    parts.write_file(file, lambda to: save_file({"features": features.contiguous()}, to))
    noted = json.dumps({"sha256": _file_digest(file), "tower": tower})
    parts.write_file(file.with_suffix(".json"), lambda to: to.write_text(noted))


def _file_digest(file: Path) -> str:
    with file.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()
