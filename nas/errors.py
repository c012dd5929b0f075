"""What can go wrong between a predictor, a data set and a network.

::

    NasError
    ├── SpaceError         an unknown space, or choices that do not fit together
    ├── DataError          an unknown data set, or one that cannot be read
    ├── SettingsError      a budget, a limit or a controller that cannot be
    ├── InfeasibleError    no network of the space keeps the limit
    ├── PredictorError     the predictor does not tell what the search asks
    ├── ExportError        the exported network does not compute what torch computes
    ├── OutputError        the search folder cannot be written, or holds something else
    └── ResumeError        a search that cannot go on from what is kept of it
"""

from __future__ import annotations

import math


class NasError(Exception):
    """Base of everything that ``nas`` raises on bad input; its text is one line, fit to print."""


class SpaceError(NasError):
    """An unknown space, or choices that do not fit together."""


class DataError(NasError):
    """An unknown data set, or one that cannot be read."""


class SettingsError(NasError):
    """A budget, a limit or a controller that cannot be."""


class InfeasibleError(NasError):
    """No network of the space keeps the limit."""

    def __init__(self, target: str, *, limit: float, lowest: float, unit: str) -> None:
        super().__init__(
            f"No network of the space keeps {target} within {limit:g} {unit}: the lowest possible is {lowest:.4g} {unit}. "
            f"Give --limit {target}={lowest * 1.2:.3g}{unit} or more."
            if math.isfinite(lowest)
            else "No network of the space can run here at all: the predictor knows each as infeasible. "
            "Choose another space or another device."
        )
        self.target, self.limit, self.lowest, self.unit = target, limit, lowest, unit


class PredictorError(NasError):
    """The predictor does not tell what the search asks."""


class ExportError(NasError):
    """The exported network does not compute what torch computes."""


class OutputError(NasError):
    """The search folder cannot be written, or holds something else."""


class ResumeError(NasError):
    """A search cannot go on from what is kept of it."""
