"""The ``feature`` column of the operator tables: a Python dict literal of an operator's sizes.

It is read with :func:`ast.literal_eval`, never evaluated. A size that is absent, ``'-'``, or larger than any layer's is
not known.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_FEATURE = 1_000
_PLAIN = re.compile(r"[A-Za-z0-9_ '\":,.{}-]*")
"""Nothing else stands in a flat dict of words and numbers, so nothing can nest but braces."""

_LARGEST_CHANNELS = 1_000_000
_LARGEST_SIDE = 100_000
_LARGEST_WINDOW = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """An operator's sizes, by the table's own names."""

    values: Mapping[str, Any]

    def channels(self, name: str) -> int | None:
        """Give a number of channels or features."""
        return self._number(name, _LARGEST_CHANNELS)

    def side(self, name: str) -> int | None:
        """Give the side of an image, pixels."""
        return self._number(name, _LARGEST_SIDE)

    def window(self, name: str) -> int | None:
        """Give the side of a kernel, a stride, or a count of inputs."""
        return self._number(name, _LARGEST_WINDOW)

    def says(self, name: str) -> bool:
        """Tell whether the table gives a value at all."""
        return self.values.get(name) is not None

    def is_zero(self, name: str) -> bool:
        """Tell whether a size is nought."""
        return str(self.values.get(name)) == "0"

    def _number(self, name: str, largest: int) -> int | None:
        value = self.values.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
            value = int(value)
        return value if type(value) is int and 0 < value <= largest else None


def read_features(text: str) -> Features | None:
    """Read a feature; ``None`` where it is no flat dict literal (Python may warn of one that is damaged)."""
    if len(text) > LONGEST_FEATURE or not _PLAIN.fullmatch(text):
        return None
    try:
        values = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        return None
    return Features(values=values)
