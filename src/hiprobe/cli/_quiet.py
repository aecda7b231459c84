"""`--quiet`: whether a command shows its progress and what it is about to do. Errors are shown."""

from __future__ import annotations

asked = False


def be_quiet(wanted: bool) -> None:
    """Show no notes and no progress from now on, or, without `wanted`, both."""
    global asked
    asked = wanted


def say_first(text: str) -> None:
    """Print a line with markup on standard error, unless the command is quiet."""
    from hiprobe.cli._terminal import err

    if not asked:
        err.print(text, soft_wrap=True)
