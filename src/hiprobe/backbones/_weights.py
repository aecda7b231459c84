"""Load weights from a checkpoint to a device, in the right precision, with none missing.

Knows no text and no frames.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING
from transformers.utils import logging as transformers_logging

from hiprobe.backbones._failures import named_failure
from hiprobe.backbones._folder import Checkpoint, check_config, weight_bytes
from hiprobe.backbones._memory import GB, Place, fits, free, one_memory_error
from hiprobe.errors import ModelError, UsageError, counted

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_config(found: Checkpoint) -> Any:
    """Load the model's configuration.

    Raises ModelError for a text-only model, an unknown family or remote code.
    """
    values = found.json("config.json") or {}
    family = values.get("model_type")
    if family not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        kind = ", ".join(values.get("architectures") or [str(family)])
        raise ModelError(
            f"{kind} is not a video model that transformers can load without remote code",
            where=found.model if found.revision else found.folder,
            cure="use a multimodal checkpoint of a known family, such as an -hf conversion",
        )
    check_config(values, found)
    with named_failure(found):
        config = AutoConfig.from_pretrained(
            found.folder, trust_remote_code=False, local_files_only=True
        )
    # transformers would load an unknown kind as if it were not quantised
    if quantiser(config) not in (None, *AUTO_QUANTIZER_MAPPING):
        raise ModelError(
            f"it is quantised with {quantiser(config)!r}, which this transformers does not know",
            where=found.model if found.revision else found.folder,
            cure="use another version of the model",
        )
    return config


def pick_dtype(name: str, device: torch.device, quantised: bool = False) -> torch.dtype | str:
    """Return the precision `name`; "auto" is the checkpoint's own, but float32 on a CPU.

    A CPU is slow in 16 bits. A quantised checkpoint keeps its own precision there too. Raises
    UsageError for an unknown name.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" and not quantised else "auto"
    if name not in DTYPES:
        raise UsageError(f"there is no dtype {name!r}", cure=f"give auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def shorten(config: Any, max_layer: int | None) -> bool:
    """Cut the decoder's configuration after block `max_layer` where that is exact; tell if it did.

    Where blocks share keys and values, or one embedding table serves all blocks (Gemma), all blocks
    are loaded.
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


def quantiser(config: Any) -> str | None:
    """Return how a checkpoint is quantised ("fp8", "bitsandbytes_4bit" ...), None if it is not."""
    given = getattr(config, "quantization_config", None)
    if given is None:
        return None
    values = given if isinstance(given, Mapping) else given.to_dict()
    method = getattr(values.get("quant_method"), "value", values.get("quant_method"))
    if method == "bitsandbytes":
        return "bitsandbytes_4bit" if values.get("load_in_4bit") else "bitsandbytes_8bit"
    return str(method)


def layout(
    found: Checkpoint, config: Any, device: torch.device, dtype: torch.dtype | str, spread: bool
) -> dict[str, Any]:
    """Return a device map: `device` if the weights fit on it, else, with `spread`, every device.

    That is all cards and the machine's memory. Blocks that `shorten` cut do not count. Raises
    ModelError if the weights are larger than what is free.
    """
    floats = dtype.itemsize if isinstance(dtype, torch.dtype) else None
    need = weight_bytes(found, config.get_text_config().num_hidden_layers, floats)
    places = free()
    how = fits(need, device, spread, places)
    if how is None:
        raise ModelError(
            f"its weights take {need / GB:.1f} GB and {_sizes(places)} can be used",
            where=found.model if found.revision else found.folder,
            cure="use a smaller or quantised model, 16 bits (--dtype bfloat16), or free memory",
        )
    return (
        {"device_map": {"": device}}
        if how == "one"
        else {"device_map": "auto", "max_memory": places}
    )


def _sizes(places: Mapping[Place, int]) -> str:
    names = {place: place if isinstance(place, str) else f"cuda:{place}" for place in places}
    return ", ".join(f"{size / GB:.1f} GB on {names[place]}" for place, size in places.items())


def devices(model: Any) -> list[str]:
    """List the devices that hold parts of a model, each once; "disk" for parts read from there."""
    spread = getattr(model, "hf_device_map", None) or {"": model.device}
    return list(
        dict.fromkeys(
            "disk" if one == "disk" else str(torch.device(one)) for one in spread.values()
        )
    )


def is_spread(model: Any) -> bool:
    """Tell whether parts of the model are on different devices."""
    return len(set((getattr(model, "hf_device_map", None) or {}).values())) > 1


def entry(model: Any) -> torch.device:
    """Return the device for a model's inputs: the first card if it is spread over several."""
    found = [place for place in devices(model) if place != "disk"]
    return torch.device(next((place for place in found if place != "cpu"), found[0]))


def load_weights(
    found: Checkpoint, config: Any, where: Mapping[str, Any], dtype: torch.dtype | str
) -> Any:
    """Load the model by the device map `where`, frozen, in evaluation mode.

    Raises ModelError if it cannot be loaded or a weight is missing.
    """
    with named_failure(found, quantiser(config)), one_memory_error(), quiet():
        loader: Any = AutoModelForImageTextToText
        model, report = loader.from_pretrained(
            found.folder,
            config=config,
            dtype=dtype,
            **where,
            attn_implementation="sdpa",
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    lacking = sorted([*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])])
    if lacking:
        raise ModelError(
            f"missing or misshapen: {counted(len(lacking), 'weight')}, first {lacking[0]}",
            where=found.folder,
            cure="fetch the weights again",
        )
    return model.eval().requires_grad_(False)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide progress bars and advice while a model loads: unused blocks are meant to be unused.

    Advice may also hold any text of the model's files.
    """
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
