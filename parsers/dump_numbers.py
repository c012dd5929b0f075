"""Numbers as dumps print them, read so that hostile text cannot make them expensive, endless or anything but a number.

Digits are those of ASCII, and bounded in number: Python takes long over thousands of them.
"""

from __future__ import annotations

import math
import re

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_IN_GROUPS = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3}){1,5}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,24}(?:\.[0-9]{0,24})?(?:[eE][+-]?[0-9]{1,3})?")


def whole(text: str) -> int | None:
    """Read a whole number of at most 18 digits; ``None`` where it is none."""
    text = text.strip()
    return int(text) if _WHOLE.fullmatch(text) else None


def whole_in_groups(text: str) -> int | None:
    """Read a whole number with commas between thousands (``1,234,567``) or without; ``None`` where it is none."""
    text = text.strip()
    return int(text.replace(",", "")) if _IN_GROUPS.fullmatch(text) else whole(text)


def decimal(text: str) -> float | None:
    """Read a finite decimal number; ``None`` where it is none, NaN and infinity included."""
    text = text.strip()
    value = float(text) if _DECIMAL.fullmatch(text) else math.nan
    return value if math.isfinite(value) else None
