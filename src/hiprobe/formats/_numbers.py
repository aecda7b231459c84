"""Write a number down in every format alike. Knows no format."""

from __future__ import annotations

import math


def number(value: float | None) -> float | None:
    """Round to 6 decimals, without a negative zero; None for what JSON cannot hold.

    >>> number(-0.0), number(1 / 3), number(float("nan"))
    (0.0, 0.333333, None)
    """
    return None if value is None or not math.isfinite(value) else round(float(value), 6) + 0.0
