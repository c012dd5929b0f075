"""The response variables, and the scale on which the trees see them.

A layer's costs span five orders of magnitude and errors are judged relatively, so trees learn logarithms. For latency
and energy they learn the logarithm of how far a layer is from its roofline, and for memory how far from the bytes it must
hold: what is known goes into an *offset*, what is not is learned. (On published phone measurements of unseen layers the
roofline offset took the error of one XGBoost from 12.6 to 9.4 %, and from 15.1 to 11.6 %; a bag's likewise.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from metamodel.features import NUMBERS, ROOFLINE, Matrix
from metamodel.interface import FloatArray


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

    def offset(self, matrix: Matrix) -> FloatArray:
        """Give each row's offset, shape (rows,), to be added to what the trees predict."""
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
