"""Find a checkpoint on the hub or in a local folder, and read its small files. Knows no torch.

Only the kinds of file that a model needs are fetched or digested: weights as safetensors, never a
pickle or code.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError as StrictDataclassError

from hiprobe.disk.regular import JSON_BYTES, open_regular, read_regular
from hiprobe.disk.safetensors_header import read_header
from hiprobe.errors import ModelError
from hiprobe.hub import Failures
from hiprobe.ranges import require, require_all

SETTINGS_FILE = "hiprobe.json"
INDEX_FILE = "model.safetensors.index.json"
_NAMES = frozenset(
    {
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "config.json",
        "merges.txt",
        INDEX_FILE,
        "preprocessor_config.json",
        "processor_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "video_preprocessor_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
_SUFFIXES = frozenset({".safetensors", ".model"})
_BLOCK = re.compile(r"\blayers\.(\d+)\.")
_READ = frozenset({".json", ".jinja", ".txt", ".model", ".safetensors"})
CHECKED_BYTES = 64 << 20  # the header of a larger file is read before the file is hashed
AGAIN = "fetch the file again"
_FAILURES = Failures(ModelError, "a local folder that holds the model")
_FETCHED = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk: its folder, its id for the recipe, and the revision of a hub model."""

    folder: Path
    model: str
    revision: str | None

    @property
    def name(self) -> str:
        """A name to read: the hub id, or the last part of a local folder."""
        return self.folder.name if self.revision is None else self.model

    def json(self, name: str) -> dict[str, Any] | None:
        """Read the JSON object in the file `name`; None if there is no such file.

        Raises ModelError if it does not hold one.
        """
        path, text = self.folder / name, self.text(name)
        if text is None:
            return None
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"not readable as JSON: {error}", where=path, cure=AGAIN) from error
        if not isinstance(values, dict):
            raise ModelError("holds no JSON object", where=path, cure=AGAIN)
        return values

    def text(self, name: str) -> str | None:
        """Read the text file `name`; None if there is no such file. Raises ModelError."""
        path = self.folder / name
        try:
            return read_regular(path, JSON_BYTES).decode() if os.path.lexists(path) else None
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot be read: {error}", where=path, cure=AGAIN) from error


def find_checkpoint(name: str, revision: str | None) -> Checkpoint:
    """Find the checkpoint `name`, a folder or a hub id; fetch it if needed. Raises ModelError."""
    folder = Path(name)
    if not folder.is_dir():
        fetched = _from_hub(name, revision)
        _check_files(fetched)
        return _checked(fetched)
    if revision is not None:
        raise ModelError(
            "a local folder has no revision", where=name, cure="leave the revision out"
        )
    _check_files(Checkpoint(folder, name, None))
    return _checked(Checkpoint(folder, local_id(folder), None))


def local_id(folder: Path) -> str:
    """Return the id of a local model for a recipe, which its content alone decides."""
    return f"sha256:{content_digest(folder)}"


def content_digest(folder: Path) -> str:
    """Digest the files that determine a model's states: SHA-256, in hex, of names and contents.

    They are taken in sorted order.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and (path.name in _NAMES or path.suffix in _SUFFIXES):
            with open_regular(path) as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name}\0{content}\n".encode())
    return digest.hexdigest()


def _check_files(found: Checkpoint) -> None:
    """Raise ModelError unless the folder holds regular files and names no file outside it.

    The libraries would wait for a pipe, read a device without end, and follow a name to anywhere.
    """
    for path in [*found.folder.iterdir(), *found.folder.glob("additional_chat_templates/*")]:
        if path.suffix in _READ and not path.is_dir():
            try:
                open_regular(path, None if path.suffix == ".safetensors" else JSON_BYTES).close()
            except OSError as error:
                raise ModelError(
                    f"cannot be read: {error.strerror}", where=path, cure=AGAIN
                ) from error
        if path.suffix == ".safetensors" and path.stat().st_size > CHECKED_BYTES:
            _header(path)
    _shards(found)
    for key, value in (found.json("tokenizer_config.json") or {}).items():
        # transformers reads the map from its own place, whatever is said here.
        if key.endswith("_file") and key != "special_tokens_map_file" and value is not None:
            _check_name(value, found.folder / "tokenizer_config.json")


def _check_name(name: object, where: Path) -> None:
    if not isinstance(name, str) or Path(name).name != name:
        raise ModelError(
            f"it names a file outside the model's folder: {name!r}", where=where, cure=AGAIN
        )


def _shards(found: Checkpoint) -> set[str]:
    """Return the names of the files of weights that the index lists; empty without an index."""
    listed = (found.json(INDEX_FILE) or {}).get("weight_map", {})
    if not isinstance(listed, dict):
        raise ModelError("weight_map is not a JSON object", where=found.folder / INDEX_FILE)
    for name in listed.values():
        _check_name(name, found.folder / INDEX_FILE)
    return set(listed.values())


def _checked(found: Checkpoint) -> Checkpoint:
    if not (found.folder / "config.json").is_file():
        raise ModelError(
            "has no config.json, so it is not a model", where=found.folder, cure="check the path"
        )
    if not any(found.folder.glob("*.safetensors")):
        raise ModelError(
            "has no .safetensors weights; pickled weights are never loaded",
            where=found.folder,
            cure="fetch the weights again, or save the model as safetensors",
        )
    return found


def _from_hub(name: str, revision: str | None) -> Checkpoint:
    from huggingface_hub import snapshot_download

    with _FAILURES.named(name), warnings.catch_warnings():
        # A full disk is an error of its own.
        warnings.filterwarnings("ignore", "Not enough free disk space")
        folder = snapshot_download(
            name, revision=revision, allow_patterns=_FETCHED, ignore_patterns=["*/*"]
        )
    return Checkpoint(Path(folder), name, Path(folder).name)


def weight_bytes(found: Checkpoint, blocks: int | None = None, floats: int | None = None) -> int:
    """Count the bytes that the weights take once loaded, by the headers of their files.

    With `blocks`, only that many first blocks of the decoder count; with `floats`, every
    floating-point number takes that many bytes. Raises ModelError for a file whose header cannot be
    read.
    """
    names = _shards(found) or {path.name for path in found.folder.glob("*.safetensors")}
    entries = [entry for name in sorted(names) for entry in _header(found.folder / name).items()]
    return sum(
        _size(entry, floats)
        for name, entry in entries
        if blocks is None or _decoder_block(name) < blocks
    )


def _header(path: Path) -> dict[str, Any]:
    """Read what a safetensors file says about its tensors: dtype, shape and position of each."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            entries, body = read_header(file, size)
        found = {name: entry for name, entry in entries.items() if name != "__metadata__"}
        for entry in found.values():
            _size(entry, 1)
            _size(entry, None)
        end = body + max((int(entry["data_offsets"][1]) for entry in found.values()), default=0)
        if end < size:
            raise ValueError(f"the tensors end at byte {end}, the file at byte {size}")
    except (OSError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"cannot be loaded: {error}", where=path, cure="fetch the weights again"
        ) from error
    return found


def _size(entry: Mapping[str, Any], floats: int | None) -> int:
    first, end = entry["data_offsets"]
    if floats is None or entry["dtype"] not in ("F32", "F16", "BF16", "F64"):
        return int(end - first)
    return int(math.prod(entry["shape"])) * floats


def _decoder_block(name: str) -> int:
    """Return the number of the decoder block that a weight belongs to; -1 for other weights."""
    found = _BLOCK.search(name)
    return -1 if found is None or "vision" in name or "visual" in name else int(found[1])


def checkpoint_settings(found: Checkpoint) -> Mapping[str, Any]:
    """Read the folder's `hiprobe.json`, empty if there is none.

    Raises ModelError for an unknown entry or one of a wrong type.
    """
    values = found.json(SETTINGS_FILE) or {}
    where = found.folder / SETTINGS_FILE
    for name, value in values.items():
        if name not in _CHECKS:
            raise ModelError(
                f"unknown entry {name!r}", where=where, cure=f"use {', '.join(_CHECKS)}"
            )
        try:
            valid, reason = _CHECKS[name](value), f"entry {name!r} is {value!r}"
        except ValueError as error:
            valid, reason = False, f"entry {name!r}: {error}"
        if not valid:
            raise ModelError(reason, where=where, cure="see docs/backbones.md")
    return values


def normal_words(values: Mapping[str, Any]) -> Sequence[str] | None:
    """Return the words by which the model says normal; None if it answers yes or no.

    The entry is called `verdict`, as the file is part of a model's content digest.
    """
    return values["verdict"]["normal"] if "verdict" in values else None


def check_config(values: Any, found: Checkpoint) -> None:
    """Check the sizes in a `config.json`, also of its parts, before anything is built from them.

    Raises ModelError.
    """
    for name, value in values.items():
        if isinstance(value, dict):
            check_config(value, found)
        elif name in _SIZES and value is not None:
            try:
                require_all(_SIZES[name], value if isinstance(value, list) else [value])
            except ValueError as error:
                raise ModelError(
                    f"{name}: {error}", where=found.folder / "config.json", cure="fetch it again"
                ) from error


def _number(name: str, value: Any) -> bool:
    """Return True, or raise ValueError for a number that is not in the range of `name`."""
    require(name, value)
    return True


def _size_of_frames(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return value is None
    return _number("height", value[0]) and _number("width", value[1])


def _texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(text, str) and text for text in value)
    )


_SIZES = {  # the range of each size of a model, by its name in config.json
    "depth": "blocks",
    "num_layers": "blocks",
    "num_hidden_layers": "blocks",
    "num_heads": "heads",
    "num_attention_heads": "heads",
    "num_key_value_heads": "heads",
    "head_dim": "model width",
    "hidden_size": "model width",
    "intermediate_size": "model width",
    "vocab_size": "tokens",
    "patch_size": "patch",
    "temporal_patch_size": "patch",
    "spatial_merge_size": "patch",
}
_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "prompts": _texts,
    "frames": partial(_number, "frames"),
    "size": _size_of_frames,
    "segment_s": partial(_number, "segment_s"),
    "explain_prompt": lambda value: isinstance(value, str) and bool(value),
    "explain_span_s": lambda value: value is None or _number("explain_span_s", value),
    "notice": lambda value: value is None or isinstance(value, str),
    "verdict": lambda value: (
        isinstance(value, dict) and set(value) == {"normal"} and _texts(value["normal"])
    ),
}
