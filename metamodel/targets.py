"""The response variables, and the scale on which the trees see them.

A layer's costs span five orders of magnitude and errors are judged relatively, so trees learn logarithms. For latency
and energy they learn the logarithm of how far a layer is from what the setting's rates lead to expect
(:mod:`metamodel.offset`), and for memory how far from the bytes it must hold: what is known goes into an *offset*, what is
not is learned. Where rows are too few to tell the rates, and in models of earlier releases, declared rates stand in: the
offset is the roofline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from metamodel.features import NUMBERS, ROOFLINE, Matrix
from metamodel.interface import FloatArray
from metamodel.offset import FittedOffset, fit_offset


class Target(StrEnum):
    """What can be predicted."""

    LATENCY = "latency"
    MEMORY = "memory"
    POWER = "power"
    ENERGY = "energy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response variable: its column, and the offset that its logarithm is taken against."""

    target: Target
    column: str
    unit: str
    offset_feature: str | None = None
    """The feature that the response is compared with; None, or a row where it is unknown, compares with 1."""
    offset_scale: float = 1.0
    """Turns the feature's unit into the response's."""
    offset_floor: float = 0.0
    """Added to it: what the smallest layer costs, so that a layer without work is not infinitely far from it."""
    fitted: FittedOffset | None = None
    """Takes the roofline's place once rows have told the rates."""

    def fitted_to(self, matrix: Matrix, values: FloatArray, weight: FloatArray) -> Response:
        """Give the response as it is learned from some cases: against the rates that they tell, if there is a roofline.

        Args:
            matrix: features of the cases, shape (cases, features).
            values: their positive responses, shape (cases,).
            weight: shape (cases,).
        """
        return replace(self, fitted=fit_offset(matrix, values, weight)) if self.offset_feature == ROOFLINE else self

    def offset(self, matrix: Matrix) -> FloatArray:
        """Give each row's offset, shape (rows,), to be added to what the trees predict."""
        if self.fitted is not None:
            return np.log(self.fitted.of(matrix))
        if self.offset_feature is None:
            return np.zeros(len(matrix))
        known = matrix[:, NUMBERS.index(self.offset_feature)].astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(known), np.log(known * self.offset_scale + self.offset_floor), 0.0)

    def encode(self, values: FloatArray, matrix: Matrix) -> FloatArray:
        """Turn positive responses into what the trees learn."""
        return np.log(values) - self.offset(matrix)

    def decode(self, learned: FloatArray, matrix: Matrix) -> FloatArray:
        """Turn what the trees predict back into responses; the inverse of :meth:`encode`."""
        return np.exp(learned + self.offset(matrix))


RESPONSES: tuple[Response, ...] = (
    Response(
        target=Target.LATENCY,
        column="execution_time_ms",
        unit="ms",
        offset_feature=ROOFLINE,
        offset_floor=0.003,
    ),
    Response(
        target=Target.MEMORY,
        column="peak_memory_mb",
        unit="MB",
        offset_feature="bytes",
        offset_scale=1e-6,
        offset_floor=1.0,
    ),
    Response(target=Target.POWER, column="power_mw", unit="mW"),
    Response(
        target=Target.ENERGY,
        column="energy_mj",
        unit="mJ",
        offset_feature=ROOFLINE,
        offset_floor=0.003,
    ),
)
"""Every response variable; one model is fitted per response (the paper's ``y_f ⊥ y_g | X``)."""
