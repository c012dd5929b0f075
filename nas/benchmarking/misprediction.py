"""A predictor that errs, and a search that knows: costs with one fixed error per network, and limits held with a margin.

The error is that of a predictor, not of a measurement: asked twice, it gives the same wrong answer. The margin comes from
networks of a calibration sample whose errors are drawn apart, never from those that are searched.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from nas.datasets.tables import Table
from nas.trellis import FloatArray

CALIBRATION = 200
"""Networks whose true costs are known, besides those that are searched."""


def mispredicted(table: Table, noise: float, seed: int) -> Table:
    """Give the table as a predictor sees it: every cost times a factor exp(N(0, noise)) of its own, fixed by the seed."""
    if not noise:
        return table
    factors = np.exp(np.random.default_rng((seed, 1)).normal(0, noise, table.cost.shape))
    return replace(table, cost=table.cost * factors)


def margin(noise: float, confidence: float | None, seed: int) -> float:
    """Give the factor that the true cost stays within with this confidence; 1 without one.

    Split-conformal on the logarithm, as the predictor's own intervals are: of n calibration networks with errors
    s_i = |log(predicted / true)|, the ⌈(n + 1) · confidence⌉-th smallest.
    """
    if confidence is None:
        return 1.0
    errors: FloatArray = np.sort(np.abs(np.random.default_rng((seed, 2)).normal(0, noise, CALIBRATION)))
    rank = min(CALIBRATION, math.ceil((CALIBRATION + 1) * confidence))
    return math.exp(errors[rank - 1])
