"""Everything that a search sees of the metamodel: what a layer, and a network of layers, would cost in a setting.

The search depends on :class:`Predictor` alone, so that a table, a formula or a test's fake can stand in for the fitted
predictor. Costs of layers add up to costs of networks term by term, which is what dynamic programming over slots needs.
This module knows nothing of tables, boosters or files; :func:`load_predictor` fetches them when asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from metamodel.errors import MetamodelError
from parsers.schema import Context, Layer

__all__ = ["LayerCosts", "MetamodelError", "NetworkCosts", "Predictor", "Setting", "load_predictor"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a layer would run."""

    context: Context
    provider: str = "cpu"
    threads: int = 1
    device: str | None = None
    """Picks the network correction; None, or a device that was never fitted, gets the identity."""
    evicted_mb: float | None = None
    """What the layer's network touches beside it, in MB of 2^20 bytes: it pushes the layer's data out of the caches
    (``evicted_mb`` of the stats table). None stands for the usual network of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCosts:
    """What each of n layers costs, every array of shape (n,).

    A layer that is known to be infeasible in the setting (the paper's set B, Eq. 1) costs infinity in every column. A
    column is None where the predictor was fitted to no such observations.
    """

    latency_ms: FloatArray | None
    """The layer's own time, as a one-layer model shows it with the layout nodes taken out."""
    network_latency_ms: FloatArray | None
    """The layer's share of a network's latency: ``a·t + b + c·bytes``; the shares add up to the network's latency."""
    memory_mb: FloatArray | None
    power_mw: FloatArray | None
    energy_mj: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCosts:
    """What a network costs, and its layers' own costs; infinite where one of its layers is infeasible."""

    latency_ms: float | None
    memory_mb: float | None
    power_mw: float | None
    energy_mj: float | None
    layers: LayerCosts


class Predictor(Protocol):
    """Predicts what layers and networks cost in a setting."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Which of ``latency``, ``memory``, ``power`` and ``energy`` it predicts."""
        ...

    def predict_layers(self, layers: Sequence[Layer], setting: Setting) -> LayerCosts:
        """Predict each layer's costs; repeated layers cost one prediction."""
        ...

    def predict_network(self, layers: Sequence[Layer], setting: Setting) -> NetworkCosts:
        """Predict the costs of the network that the layers make up, given in any order."""
        ...


def load_predictor(folder: Path) -> Predictor:
    """Load the predictor that ``metamodel fit`` wrote to ``folder``. No code from the folder runs.

    Raises:
        metamodel.errors.ModelError: the folder is absent, incomplete, edited or of another version.
    """
    from metamodel.predictor import load_trained_predictor  # noqa: PLC0415 - xgboost loads only when it is needed

    return load_trained_predictor(folder)
