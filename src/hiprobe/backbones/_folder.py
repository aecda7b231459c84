"""Where a checkpoint lies and what its files say: hub or local folder, content digest, `hiprobe.json`. Knows no torch.

Only the kinds of file that a model needs are fetched or digested: weights as safetensors, never a pickle or code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.errors import ModelError
from hiprobe.types import SHORTEST_S

SETTINGS_FILE = "hiprobe.json"
_NAMES = frozenset({
    "config.json", "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
    "merges.txt", "vocab.txt", "added_tokens.json", "special_tokens_map.json", "chat_template.json",
    "chat_template.jinja", "preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json",
})  # fmt: skip
_SUFFIXES = frozenset({".safetensors", ".model"})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES})
_BLOCK = re.compile(r"\blayers\.(\d+)\.")
_FETCHED = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk: its folder, its id for the recipe, and the pinned revision of a hub model."""

    folder: Path
    model: str
    revision: str | None

    def json(self, name: str) -> dict[str, Any] | None:
        """The JSON object in file `name`, or None if there is no such file; raises ModelError if it is no object."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"not readable as JSON: {error}", where=path, cure="fetch the file again"
            ) from error
        if not isinstance(values, dict):
            raise ModelError("holds no JSON object", where=path, cure="fetch the file again")
        return values


def find_checkpoint(name: str, revision: str | None) -> Checkpoint:
    """The checkpoint called `name`, an existing folder or a hub id (fetched if need be); raises ModelError."""
    folder = Path(name)
    if not folder.is_dir():
        return _checked(_from_hub(name, revision))
    if revision is not None:
        raise ModelError(
            "a local folder has no revision", where=name, cure="leave the revision out"
        )
    return _checked(Checkpoint(folder, f"sha256:{content_digest(folder)}", None))


def content_digest(folder: Path) -> str:
    """SHA-256, in hex, over the names and contents of the files that make a model's states, in sorted order."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and (path.name in _NAMES or path.suffix in _SUFFIXES):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name}\0{content}\n".encode())
    return digest.hexdigest()


def _checked(found: Checkpoint) -> Checkpoint:
    if not (found.folder / "config.json").is_file():
        raise ModelError(
            "holds no config.json, so it is no model", where=found.folder, cure="check the path"
        )
    if not any(found.folder.glob("*.safetensors")):
        raise ModelError(
            "holds no .safetensors weights; pickled weights are never loaded",
            where=found.folder,
            cure="fetch the weights again, or save the model as safetensors",
        )
    return found


def _from_hub(name: str, revision: str | None) -> Checkpoint:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Not enough free disk space"
            )  # it fails by name if there is none
            folder = snapshot_download(
                name, revision=revision, allow_patterns=_FETCHED, ignore_patterns=["*/*"]
            )
    except HFValidationError as error:
        raise ModelError("is no hub id", where=name, cure="give org/name or a folder") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise _unreachable(name, error) from error
    return Checkpoint(Path(folder), name, Path(folder).name)


def _unreachable(name: str, error: Exception) -> ModelError:
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return ModelError(
            f"cannot be written to {constants.HF_HUB_CACHE}: {error.strerror}",
            where=name,
            cure="make room there, or set HF_HOME to a folder with more; what was fetched is kept",
        )
    if isinstance(error, GatedRepoError):
        return ModelError(
            "access is gated",
            where=name,
            cure="accept its licence on the hub and run `hf auth login`",
        )
    if isinstance(error, RevisionNotFoundError):
        return ModelError(
            "has no such revision", where=name, cure="give a branch, tag or commit that exists"
        )
    if isinstance(error, RepositoryNotFoundError):
        return ModelError(
            "no such model on the hub, or it is private", where=name, cure="check the name, log in"
        )
    return ModelError(
        f"cannot be fetched from the hub ({type(error).__name__})",
        where=name,
        cure="go online, or give a local folder that holds the model",
    )


def weight_bytes(found: Checkpoint, blocks: int | None = None, floats: int | None = None) -> int:
    """Bytes that the weights take once loaded, by the headers of their files.

    Only the first `blocks` blocks of the decoder, if given; every floating-point number in `floats` bytes, if given.
    Raises ModelError for a file whose header cannot be read.
    """
    index = found.json("model.safetensors.index.json") or {}
    names = set(index.get("weight_map", {}).values()) or {
        path.name for path in found.folder.glob("*.safetensors")
    }
    entries = [entry for name in sorted(names) for entry in _header(found.folder / name).items()]
    return sum(
        _size(entry, floats)
        for name, entry in entries
        if blocks is None or _decoder_block(name) < blocks
    )


def _header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors: dtype, shape and place of each."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            entries: dict[str, Any] = json.loads(file.read(min(length, path.stat().st_size)))
        found = {name: entry for name, entry in entries.items() if name != "__metadata__"}
        for entry in found.values():
            _size(entry, 1)
            _size(entry, None)
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
    """The number of the decoder block that a weight belongs to; -1 for weights outside of them."""
    found = _BLOCK.search(name)
    return -1 if found is None or "vision" in name or "visual" in name else int(found[1])


def checkpoint_settings(found: Checkpoint) -> Mapping[str, Any]:
    """The folder's `hiprobe.json`, empty if there is none; raises ModelError for an unknown or mistyped entry."""
    values = found.json(SETTINGS_FILE) or {}
    where = found.folder / SETTINGS_FILE
    for name, value in values.items():
        if name not in _CHECKS:
            raise ModelError(
                f"unknown entry {name!r}", where=where, cure=f"known: {', '.join(_CHECKS)}"
            )
        if not _CHECKS[name](value):
            raise ModelError(
                f"entry {name!r} is {value!r}", where=where, cure="see the guide for its form"
            )
    return values


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(text, str) and text for text in value)
    )


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "prompts": _texts,
    "frames": lambda value: _positive(value) and isinstance(value, int),
    "size": lambda value: (
        value is None
        or (isinstance(value, list) and len(value) == 2 and all(map(_positive, value)))
    ),
    "segment_s": lambda value: _positive(value) and value >= SHORTEST_S,
    "explain_prompt": lambda value: isinstance(value, str) and bool(value),
    "explain_span_s": lambda value: value is None or _positive(value),
    "notice": lambda value: value is None or isinstance(value, str),
    "verdict": lambda value: (
        isinstance(value, dict) and set(value) == {"normal"} and _texts(value["normal"])
    ),
}
