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

    A layer that is infeasible in the setting (the paper's set B, Eq. 1), known or likely, costs infinity in every column. A
    column is None where the predictor was fitted to no such observations.
    """

    latency_ms: FloatArray | None
    """The layer's own time, as a one-layer model shows it with the layout nodes taken out."""
    network_latency_ms: FloatArray | None
    """The layer's share of a network's latency: ``a·t + b + c·bytes``; the shares add up to the network's latency."""
    memory_mb: FloatArray | None
    power_mw: FloatArray | None
    energy_mj: FloatArray | None

    @property
    def throughput_per_s(self) -> FloatArray | None:
        """Runs of each layer alone per second, shape (n,): what its latency implies, and 0 where it is infeasible."""
        return None if self.latency_ms is None else 1e3 / self.latency_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCosts:
    """What a network costs, and its layers' own costs; infinite where one of its layers is infeasible."""

    latency_ms: float | None
    latency_interval_ms: tuple[float, float] | None = None
    """Where the latency lies in 90 of 100 cases, by what held-out networks showed; None where they were too few."""
    memory_mb: float | None
    power_mw: float | None
    energy_mj: float | None
    layers: LayerCosts

    @property
    def throughput_per_s(self) -> float | None:
        """Inferences per second, one after the other: what the latency implies, and 0 where it is infeasible."""
        return 1e3 / self.latency_ms if self.latency_ms else None


class Predictor(Protocol):
    """Predicts what layers and networks cost in a setting."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Which of ``latency``, ``throughput``, ``memory``, ``power`` and ``energy`` it predicts."""
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
