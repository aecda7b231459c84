"""Weights from a checkpoint to a device, in the right precision, none missing. Knows no text and no frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from hiprobe.backbones._folder import Checkpoint
from hiprobe.errors import ModelError, UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FAILURES = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, SafetensorError)


def load_config(found: Checkpoint) -> Any:
    """The model's configuration; raises ModelError for a text-only model, an unknown family or remote code."""
    values = found.json("config.json") or {}
    family = values.get("model_type")
    if family not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        kind = ", ".join(values.get("architectures") or [str(family)])
        raise ModelError(
            f"{kind} is no video model that transformers can load without remote code",
            where=found.model if found.revision else found.folder,
            cure="use a multimodal checkpoint of a known family, such as an -hf conversion",
        )
    with named_failure(found):
        return AutoConfig.from_pretrained(found.folder, trust_remote_code=False, local_files_only=True)


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is cuda, then mps, then cpu. Raises ModelError if it is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError("cannot be used here", where=f"device {name}", cure="give auto or cpu") from error
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype | str:
    """The precision called `name`; "auto" is the checkpoint's own, but float32 on a CPU, which is slow in 16 bits."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    if name not in DTYPES:
        raise UsageError(f"no dtype {name!r}", cure=f"give auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def shorten(config: Any, max_layer: int | None) -> bool:
    """Cut the decoder's configuration after block `max_layer`, where that is exact; whether it was cut.

    Not where blocks share keys and values or one embedding table serves all blocks (Gemma): there all are loaded.
    """
    text = config.get_text_config()
    if max_layer is None or max_layer + 1 >= text.num_hidden_layers:
        return False
    if hasattr(text, "num_kv_shared_layers") or hasattr(text, "hidden_size_per_layer_input"):
        return False
    text.num_hidden_layers = max_layer + 1
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[: max_layer + 1]
    return True


def load_model(found: Checkpoint, config: Any, device: torch.device, dtype: torch.dtype | str) -> Any:
    """The model on `device`, frozen, in evaluation mode; raises ModelError if a weight is missing or misshapen."""
    with named_failure(found), _quiet():
        loader: Any = AutoModelForImageTextToText
        model, report = loader.from_pretrained(
            found.folder,
            config=config,
            dtype=dtype,
            device_map={"": device},
            attn_implementation="sdpa",
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    lacking = sorted([*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])])
    if lacking:
        raise ModelError(
            f"{len(lacking)} weights are missing or misshapen, first {lacking[0]}",
            where=found.folder,
            cure="fetch the weights again",
        )
    return model.eval().requires_grad_(False)


@contextmanager
def named_failure(found: Checkpoint) -> Iterator[None]:
    """Turn what transformers and safetensors raise on a bad checkpoint into a ModelError."""
    try:
        yield
    except FAILURES as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise ModelError(
            f"cannot be loaded ({type(error).__name__}: {first[:200]})",
            where=found.model if found.revision else found.folder,
            cure=_cure(error),
        ) from error


def _cure(error: Exception) -> str:
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return "use a smaller model, 16 bits, or max_layer"
    if "num2words" in text:
        return "pip install num2words"
    if "remote code" in text or "trust_remote_code" in text:
        return "remote code is never run: use an -hf conversion"
    if "torchvision" in text:
        return "pip uninstall torchvision, which does not fit this torch"
    return "fetch the model again, or use another"


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no advice while weights load: unused blocks are meant to be unused."""
    bars: Any = transformers_logging
    logger, shown = logging.getLogger("transformers"), bars.is_progress_bar_enabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    bars.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            bars.enable_progress_bar()
