"""What a virtual phone takes from its battery: an idle draw that wanders, and what its busy cores add."""

from __future__ import annotations

import math
from random import Random

from profiler.virtual_phone.description import Draw

_WANDER_S = 30.0
"""Correlation time of the idle draw; a choice: background work of Android comes and goes in tens of seconds."""


class PowerDraw:
    """The draw over time; the idle part is an Ornstein-Uhlenbeck process."""

    def __init__(self, draw: Draw, seed: int) -> None:
        self._draw, self._random = draw, Random(seed)  # noqa: S311 - it keeps no secret
        self._now_s = 0.0
        self._wander_ma = self._random.gauss(0, draw.wander_ma)

    def at(self, time_s: float, busy: tuple[float, ...], *, clock: float = 1.0) -> float:
        """Return the draw in mA.

        Args:
            time_s: the present; not before the last call's.
            busy: busy cores of each cluster, from 0 to its number of cores.
            clock: present over highest clock; a core's power falls with its cube, as its voltage falls, too.
        """
        kept = math.exp(-max(0.0, time_s - self._now_s) / _WANDER_S)
        fresh_ma = self._draw.wander_ma * math.sqrt(1 - kept * kept)
        self._wander_ma = self._wander_ma * kept + self._random.gauss(0, fresh_ma)
        self._now_s = time_s
        cores_ma = sum(count * core for count, core in zip(busy, self._draw.core_ma, strict=True))
        return self._draw.idle_ma + self._wander_ma + cores_ma * clock**3
