"""Rewards as utilities: what a signal's value is worth to a search, higher is better.

A cost y with a limit T asks to spend the limit, and forbids to break it; one without is better the lower it is, and is
measured by what the backbone costs, y_m. As the primary signal, a cost is worth the lowest possible one over it::

    limited      r_S = c · log(y / T)   where y <= T,   minus infinity beyond
    unlimited    r_S = -c · (y / y_m - 1)
    primary      r_P = y_lowest / y                     in (0, 1]

The second is -c · log(y / y_m) to first order around y_m. It is taken as it stands because what is added up then becomes
a product of factors, and a potential of it needs no grid (``nas.potentials.level_potential``).
"""

from __future__ import annotations

import numpy as np

from nas.trellis import FloatArray

_ROUNDING = 1e-9
"""What sums of floats may be beyond a limit that whole ticks keep."""


def secondary_reward(share: FloatArray, sharpness: float) -> FloatArray:
    """Give r_S = c · log(y/T) where y/T = ``share`` is at most 1, minus infinity beyond."""
    with np.errstate(divide="ignore"):
        return np.where(share <= 1 + _ROUNDING, sharpness * np.log(np.minimum(share, 1.0)), -np.inf)


def utility(share: FloatArray, sharpness: float) -> FloatArray:
    """Give r_S = -c · (y/y_m - 1) where y/y_m = ``share``."""
    return np.asarray(-sharpness * (share - 1))


def primary_reward(cost: float, lowest: float) -> float:
    """Give r_P of a network by a cost: 1 for the lowest possible one, towards 0 for the dearest."""
    return lowest / cost if cost > 0 else 1.0
