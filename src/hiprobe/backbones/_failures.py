"""Errors of the libraries that load and run a model, as a ModelError with a cure.

A model's files may come from a stranger, and the libraries raise many kinds of errors on bad ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from jinja2 import TemplateError
from safetensors import SafetensorError

from hiprobe.backbones._folder import Checkpoint, StrictDataclassError
from hiprobe.backbones._memory import ran_out
from hiprobe.errors import ModelError

# The packages that transformers needs for a quantised checkpoint.
QUANTISERS: Mapping[str, str] = {
    "aqlm": "aqlm",
    "auto-round": "auto-round",
    "awq": "gptqmodel",
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "compressed-tensors": "compressed-tensors",
    "eetq": "kernels",
    "gptq": "gptqmodel",
    "hqq": "hqq",
    "quanto": "optimum-quanto",
    "torchao": "torchao",
    "vptq": "vptq",
}
_UNFIT = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    SafetensorError,
    StrictDataclassError,
    TemplateError,
)


@contextmanager
def named_failure(found: Checkpoint, quantised: str | None = None) -> Iterator[None]:
    """Turn what the libraries raise on a bad checkpoint into a ModelError."""
    try:
        yield
    except FAILURES as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise ModelError(
            f"cannot be loaded ({type(error).__name__}: {first[:200]})",
            where=found.model if found.revision else found.folder,
            cure=_cure(error, quantised),
        ) from error


def _cure(error: Exception, quantised: str | None) -> str:
    text = str(error)
    if ran_out(error):
        return "use a smaller model, 16 bits, or max_layer"
    if quantised is not None and isinstance(error, ImportError):
        package = QUANTISERS.get(quantised, "what it names")
        return f"it is quantised ({quantised}): pip install {package}"
    if "num2words" in text:
        return "pip install num2words"
    if "remote code" in text or "trust_remote_code" in text:
        return "remote code is never run: use an -hf conversion"
    if "torchvision" in text:
        return "pip uninstall torchvision, which does not fit this torch"
    return "fetch the model again, or use another"


@contextmanager
def named_template_failure(folder: str) -> Iterator[None]:
    """Turn what a chat template raises, which may be any error at all, into a ModelError."""
    try:
        yield
    except (*FAILURES, MemoryError) as error:
        raise ModelError(
            f"its chat template cannot be used ({type(error).__name__}: {str(error)[:200]})",
            where=folder,
            cure="fetch the model again, or use another",
        ) from error


@contextmanager
def named_inputs_failure(folder: str) -> Iterator[None]:
    """Turn what a processor raises on files that do not fit each other into a ModelError.

    RuntimeError passes, because a lack of memory is one.
    """
    try:
        yield
    except _UNFIT as error:
        raise ModelError(
            f"its processor cannot prepare a prompt ({type(error).__name__}: {str(error)[:200]})",
            where=folder,
            cure="fetch the model again, or use another",
        ) from error
