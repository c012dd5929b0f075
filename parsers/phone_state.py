"""What a phone told of itself between two runs: battery, temperature, thermal status.

The state is asked for by the script at the runner's gate, which answers with words ``key=value``. The runner prints them
as they are and puts them into its logs; the units are in the keys and end here. Keys of other names are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_INTEGER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneState:
    """A phone at one moment. What it does not tell, or not as a number, is ``None``."""

    battery_percent: float | None = None
    temperature_c: float | None = None
    """Of the battery, which is the temperature that every phone tells."""
    thermal_status: int | None = None
    """Android's: 0 none, 1 light, ... 6 shutdown; phones before Android 10 have none."""


def read_phone_state(values: Mapping[str, str]) -> PhoneState:
    """Read ``level`` (percent), ``temperature_dc`` (tenths of a degree) and ``thermal``."""
    level, temperature_dc = _integer(values.get("level")), _integer(values.get("temperature_dc"))
    thermal = _integer(values.get("thermal"))
    return PhoneState(
        battery_percent=float(level) if level is not None and 0 <= level <= 100 else None,
        temperature_c=temperature_dc / 10 if temperature_dc is not None else None,
        thermal_status=thermal if thermal is not None and thermal >= 0 else None,
    )


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None
