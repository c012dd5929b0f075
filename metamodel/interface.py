"""Everything that a search sees of the metamodel: what a layer, and a network of layers, would cost in a setting.

The search depends on :class:`Predictor` alone, so that a table, a formula or a test's fake can stand in for the fitted
predictor. Costs of layers add up to costs of networks term by term, which is what dynamic programming over slots needs.
This module knows nothing of tables, boosters or files; :func:`load_predictor` fetches them when asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from metamodel.errors import MetamodelError
from parsers.schema import Context, Layer

__all__ = [
    "LayerCosts",
    "MeasuredNetwork",
    "MetamodelError",
    "NetworkCalibration",
    "NetworkCosts",
    "Predictor",
    "Setting",
    "Standing",
    "calibrate_predictor",
    "load_predictor",
    "standing_in",
]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What predictions in a setting stand on."""

    modelled: bool
    """Whether they are a formula's, and not measurements'."""
    known: bool
    """Whether rows of that very setting, or a calibration to it, are among what was learned."""
    outside: tuple[str, ...]
    """In what the setting differs from all that was learned, in words."""


@runtime_checkable
class Accountable(Protocol):
    """A predictor that knows what it stands on."""

    def standing(self, setting: Setting) -> Standing:
        """Say what predictions in a setting stand on."""
        ...


def standing_in(predictor: Predictor, setting: Setting) -> Standing | None:
    """Say what a predictor's answers in a setting stand on; ``None`` for one that does not know."""
    return predictor.standing(setting) if isinstance(predictor, Accountable) else None


@runtime_checkable
class Cautious(Protocol):
    """A predictor that knows how far off it is about networks."""

    def network_factor(self, target: str, level: float, layers: Sequence[Layer], setting: Setting) -> float | None:
        """Give how many times its prediction a network costs at most, in a share ``level`` of all cases.

        Args:
            target: what it costs.
            level: in (0, 1).
            layers: of a network that is like those that are asked about.
            setting: where networks run.

        Returns:
            At least 1; None where too few networks were measured to promise it.
        """
        ...


def network_factor(
    predictor: Predictor, target: str, level: float, layers: Sequence[Layer], setting: Setting
) -> float | None:
    """Ask a predictor for :meth:`Cautious.network_factor`; ``None`` for one that does not know."""
    return predictor.network_factor(target, level, layers, setting) if isinstance(predictor, Cautious) else None


def load_predictor(folder: Path) -> Predictor:
    """Load the predictor that ``metamodel fit`` wrote to ``folder``. No code from the folder runs.

    Raises:
        metamodel.errors.ModelError: the folder is absent, incomplete, edited or of another version.
    """
    from metamodel.predictor import load_trained_predictor  # noqa: PLC0415 - xgboost loads only when it is needed

    return load_trained_predictor(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredNetwork:
    """What a whole network took on a device."""

    name: str
    layers: tuple[Layer, ...]
    latency_ms: float
    """Unprofiled wall time of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCalibration:
    """How far off a model was about measured networks, and is now that it learned from them."""

    networks: int
    """Different ones."""
    before_percent: float
    """Median error, in percent of what was measured."""
    after_percent: float | None
    """Median error when each network is predicted by the others; None where there is one alone."""


def calibrate_predictor(
    model: Path, setting: Setting, networks: Sequence[MeasuredNetwork], output: Path
) -> NetworkCalibration:
    """Adapt the model in a folder to networks that were measured on a device, and write it to another folder.

    Args:
        model: the model's folder.
        setting: where the networks ran; its device is the one that the new model knows.
        networks: what was measured.
        output: folder of the adapted model; an older model there is replaced.

    Raises:
        MetamodelError: no such model, nothing that could be learned from, or a folder that cannot be written.
    """
    from metamodel.artefact import load_artefact, manifest_sha256, save_artefact  # noqa: PLC0415 - as above
    from metamodel.network_calibration import calibrate_by_networks  # noqa: PLC0415

    calibrated = calibrate_by_networks(load_artefact(model), manifest_sha256(model), setting, networks)
    save_artefact(calibrated.artefact, output)
    held_out = calibrated.held_out
    return NetworkCalibration(
        networks=len(calibrated.before),
        before_percent=_median_percent(calibrated.before),
        after_percent=None if held_out is None else _median_percent(held_out),
    )


def _median_percent(log_ratios: FloatArray) -> float:
    """Give the median of |T / W − 1| in percent, of log(W / T)."""
    return 100 * float(np.median(np.abs(np.exp(-log_ratios) - 1)))
