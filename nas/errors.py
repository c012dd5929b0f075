"""What can go wrong between a predictor, a data set and a network.

::

    NasError
    ├── SpaceError         an unknown space, or choices that do not fit together
    ├── DataError          an unknown data set, or one that cannot be read
    ├── SettingsError      a budget, a limit or a controller that cannot be
    ├── InfeasibleError    no network of the space keeps the limits
    ├── PredictorError     the predictor does not tell what the search asks
    ├── ExportError        the exported network does not compute what torch computes
    ├── OutputError        the search folder cannot be written, or holds something else
    ├── ResumeError        a search that cannot go on from what is kept of it
    ├── SearchFolderError  a folder that is no finished search of this version
    └── MeasuringError     a device on which the search is to be proved cannot measure
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


class NasError(Exception):
    """Base of everything that ``nas`` raises on bad input; its text is one line, fit to print."""


class SpaceError(NasError):
    """An unknown space, or choices that do not fit together."""


class DataError(NasError):
    """An unknown data set, or one that cannot be read."""


class SettingsError(NasError):
    """A budget, a limit or a controller that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedLimit:
    """A limit, and how low networks get if nothing else is asked of them."""

    target: str
    limit: float
    lowest: float
    """What the limit would have to be at least; infinite where no network can run."""
    unit: str
    factor: float = 1.0
    """The limit holds for so many times the prediction."""


class InfeasibleError(NasError):
    """No network of the space keeps the limit, or all of several limits together."""

    def __init__(self, missed: Sequence[MissedLimit]) -> None:
        super().__init__(_infeasible_text(missed))
        self.missed = tuple(missed)

    @property
    def lowest(self) -> float:
        """The lowest possible by the first limit alone."""
        return self.missed[0].lowest


def _infeasible_text(missed: Sequence[MissedLimit]) -> str:
    if any(math.isinf(one.lowest) for one in missed):
        return (
            "No network of the space can run here at all: the predictor knows each as infeasible. "
            "Choose another space or another device."
        )
    limits = " and ".join(f"{one.target} within {one.limit:g} {one.unit}".rstrip() for one in missed)
    limits += "".join(
        f" (held for {one.factor:.2f} times the predicted {one.target})" for one in missed if one.factor != 1
    )
    if len(missed) > 1:
        lowest = ", ".join(f"{one.target} {one.lowest:.4g} {one.unit}".rstrip() for one in missed)
        return (
            f"No network of the space keeps {limits} together. Each alone can be kept; the lowest possible are: {lowest}. "
            "Raise one of the limits."
        )
    one = missed[0]
    return (
        f"No network of the space keeps {limits}: the lowest possible is {f'{one.lowest:.4g} {one.unit}'.rstrip()}. "
        f"Give --limit {one.target}={one.lowest * 1.2:.3g}{one.unit} or more."
    )


class PredictorError(NasError):
    """The predictor does not tell what the search asks."""


class ExportError(NasError):
    """The exported network does not compute what torch computes."""


class OutputError(NasError):
    """The search folder cannot be written, or holds something else."""


class ResumeError(NasError):
    """A search cannot go on from what is kept of it."""


class SearchFolderError(NasError):
    """A folder is no finished search of this version."""


class MeasuringError(NasError):
    """A device on which the search is to be proved is absent or cannot measure; the profiler's words."""
