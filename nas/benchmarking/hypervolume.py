"""Fronts of accuracy and latency, and the area that they dominate.

Latency counts by its logarithm: half of a latency is worth the same wherever it is saved. The area is that between a
reference, the worst that anybody would take, and the networks that are better in both; its unit is points × e-folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.datasets.tables import Table
from nas.errors import SettingsError
from nas.trellis import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The corner that areas are measured from."""

    accuracy: float = 60.0
    """In percent."""
    cost: float = 36.0
    """In the table's unit."""


LIMITS = 12
"""How many limits one run cycles through."""


def parse_reference(text: str) -> Reference:
    """Read ``60,36``: percent and cost.

    Raises:
        SettingsError: another form, or values that no network can be better than.
    """
    try:
        accuracy, cost = (float(part) for part in text.split(","))
    except ValueError as exc:
        raise SettingsError(f"The reference {text!r} is no accuracy and cost. Write --reference 60,36.") from exc
    if not (0 <= accuracy < 100 and 0 < cost < np.inf):
        raise SettingsError(f"The reference {text!r} is out of range: 0 to 100 percent, a cost above zero.")
    return Reference(accuracy=accuracy, cost=cost)


def hypervolume(accuracy: FloatArray, cost: FloatArray, reference: Reference) -> float:
    """Measure the area that networks dominate, by a sweep over rising cost.

    Behind the sweep's place the best accuracy so far is a step, so that with costs in rising order::

        area = Σ_k (best accuracy of the first k - reference) · (log cost of the next - log cost of the k-th)

    where the reference's cost stands behind the last one; what is no better than the reference in both adds nothing.

    Args:
        accuracy: percent, shape (n,).
        cost: shape (n,).
        reference: the corner.
    """
    better = (accuracy > reference.accuracy) & (cost < reference.cost)
    order = np.argsort(cost[better])
    heights = np.maximum.accumulate(accuracy[better][order]) - reference.accuracy
    edges = np.log(np.append(cost[better][order], reference.cost))
    return float(np.sum(heights * np.diff(edges)))


def table_hypervolume(table: Table, reference: Reference) -> float:
    """Measure what all networks of a table dominate together; 0 where none is better than the reference."""
    return hypervolume(table.signal.ravel(), table.cost.ravel(), reference)


def cycled_limits(table: Table, reference: Reference, count: int = LIMITS) -> tuple[float, ...]:
    """Spread limits evenly on the logarithmic scale over the costs below the reference's, without the lowest one.

    Those are ``low · (high / low)^(k / count)`` for k = 1 … count, with the lowest cost of the table and its highest cost
    below the reference.
    """
    below = table.cost[table.cost < reference.cost]
    if not below.size:
        return ()
    return tuple(np.geomspace(below.min(), below.max(), count + 1)[1:].tolist())
