"""Run the checks of a plug-in in order and name the first promise that is broken.

A check is a function whose name is the promise: `_it_scores_each_segment`. It returns None, or what
it saw and how to fix it. Knows no kind of plug-in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from hiprobe.errors import HiProbeError
from hiprobe.plugins import FAILURES

Trial = TypeVar("Trial")


class Broken(NamedTuple):
    """What a check saw instead of what is promised, and how to fix it."""

    seen: str
    fix: str


class BrokenPromise(HiProbeError, AssertionError):
    """A plug-in breaks a promise of its protocol; `promise` says which one."""

    def __init__(self, plugin: str, promise: str, broken: Broken) -> None:
        super().__init__(
            f"breaks the promise '{promise}': {broken.seen}", where=plugin, cure=broken.fix
        )
        self.promise = promise


def run_checks(
    plugin: str, trial: Trial, checks: Sequence[Callable[[Trial], Broken | None]]
) -> list[str]:
    """Run `checks` on `trial`; return the promises kept. Raises BrokenPromise for the first broken.

    `plugin` names it in the error. An exception in the plug-in's own code breaks the promise too.

    >>> def it_counts(trial):
    ...     return Broken(f"counted to {len(trial)}", "count to 3") if len(trial) != 3 else None
    >>> run_checks("counter", "abc", [it_counts])
    ['it counts']
    >>> run_checks("counter", "ab", [it_counts])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    hiprobe.checks.promises.BrokenPromise: counter: breaks the promise 'it counts': counted to 2...
    """
    kept = []
    for check in checks:
        promise = check.__name__.strip("_").replace("_", " ")
        try:
            broken = check(trial)
        except (HiProbeError, *FAILURES) as error:
            raised = Broken(
                f"raised {type(error).__name__}: {error}", "see the exception it came from"
            )
            raise BrokenPromise(plugin, promise, raised) from error
        if broken is not None:
            raise BrokenPromise(plugin, promise, broken)
        kept.append(promise)
    return kept


def title(kind: str, plugin: Any) -> str:
    """Name a plug-in, given by name or as an object, for an error."""
    if isinstance(plugin, str):
        return f"{kind} {plugin}"
    return f"{kind} {getattr(plugin, '__name__', type(plugin).__name__)}"


def lacking(plugin: Any, members: Sequence[str]) -> Broken | None:
    """Say which of `members` the plug-in lacks; None if it has all."""
    missing = [member for member in members if not hasattr(plugin, member)]
    return Broken(f"it lacks {', '.join(missing)}", "define it") if missing else None


def refusal(call: Callable[[], Any], asked: str) -> Broken | None:
    """Say what is wrong if `call`, which asks for what does not exist, raises no HiProbeError."""
    try:
        call()
    except HiProbeError:
        return None
    except FAILURES as error:
        return Broken(
            f"{asked} raised {type(error).__name__}: {error}", "raise a HiProbeError that names it"
        )
    return Broken(f"{asked} raised nothing", "raise a HiProbeError that names it")
