"""The fitted predictor that the search asks: the paper's F(X), infinite on the set B (Eq. 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from metamodel.adaptation import PhoneAdaptation, widened
from metamodel.artefact import Artefact, load_artefact
from metamodel.conformal import NETWORK_ALPHA, Interval, network_interval
from metamodel.correction import Correction, upper_factor
from metamodel.features import largest_live_elements
from metamodel.interface import FloatArray, LayerCosts, NetworkCosts, Setting, Standing
from metamodel.rows import Ground, setting_key
from metamodel.targets import Target
from parsers.schema import Layer

THROUGHPUT = "throughput"

_Costs = tuple[float, ...]
"""One layer's costs, in the order of :class:`Target`; NaN for what is not fitted in the setting."""


class TrainedPredictor:
    """Predicts from a loaded artefact; a layer is predicted once per setting and then remembered."""

    def __init__(self, artefact: Artefact) -> None:
        manifest = artefact.manifest
        self.manifest = manifest
        self._model = artefact.layer_model
        self._corrections = {(fit.device, fit.provider, fit.threads): fit for fit in manifest.corrections}
        self._feasibility = artefact.feasibility
        self._outside = manifest.outside
        self._network_factor = manifest.network_factor
        self._memory_base_mb = manifest.memory_base_mb or 0.0
        self._memory_bases_mb = {
            seen.setting_key: seen.memory_base_mb for seen in manifest.settings if seen.memory_base_mb is not None
        }
        self._known: dict[Setting, dict[Layer, _Costs]] = {}

    @property
    def targets(self) -> tuple[str, ...]:
        """Which of ``latency``, ``throughput``, ``memory``, ``power`` and ``energy`` it predicts, at least in some settings.

        Throughput is no response of its own: it is what the latency implies.
        """
        fitted = {model.record.response.target for model in self._model.models}
        names = [target.value for target in Target if target in fitted]
        return tuple([*names[:1], THROUGHPUT, *names[1:]] if Target.LATENCY in fitted else names)

    def predict_layers(self, layers: Sequence[Layer], setting: Setting) -> LayerCosts:
        """Predict each layer's costs, shape (layers,); repeated layers cost one prediction.

        A response that was not fitted on the setting's ground (:class:`metamodel.rows.Ground`) is None.
        """
        known = self._known.setdefault(setting, {})
        new = [layer for layer in dict.fromkeys(layers) if layer not in known]
        if new:
            known.update(zip(new, self._predict(new, setting), strict=True))
        costs = np.array([known[layer] for layer in layers], dtype=np.float64).reshape(len(layers), len(Target))
        fitted = self._model.targets(setting)
        column = {target: costs[:, index] for index, target in enumerate(Target) if target in fitted}
        latency_ms = column.get(Target.LATENCY)
        return LayerCosts(
            latency_ms=latency_ms,
            network_latency_ms=None if latency_ms is None else self._shares(latency_ms, layers, setting),
            memory_mb=column.get(Target.MEMORY),
            power_mw=column.get(Target.POWER),
            energy_mj=column.get(Target.ENERGY),
        )

    def predict_network(
        self, layers: Sequence[Layer], setting: Setting, *, live_elements: int | None = None
    ) -> NetworkCosts:
        """Predict the costs of the network that the layers make up, given in any order.

        Latency is the sum of the layers' shares, energy the sum of theirs, power what the two imply. Memory is base +
        weights + live activations.

        Args:
            layers: the network's layers.
            setting: where it would run.
            live_elements: activation elements alive at once, at most, where the graph is known. A list of layers does not
                tell what else is alive beside the layer that runs: without it, the largest layer's input and output
                stand in, and a network with long skips needs more.
        """
        costs = self.predict_layers(layers, setting)
        latency_ms = None if costs.network_latency_ms is None else float(costs.network_latency_ms.sum())
        energy_mj = None if costs.energy_mj is None else float(costs.energy_mj.sum())
        memory_mb = None
        if costs.memory_mb is not None:
            feasible = bool(np.isfinite(costs.memory_mb).all())
            memory_mb = _network_memory_mb(layers, live_elements, self._base_mb(setting)) if feasible else np.inf
        return NetworkCosts(
            latency_ms=latency_ms,
            latency_interval_ms=self._network_interval(costs, latency_ms, layers, setting),
            memory_mb=memory_mb,
            power_mw=_network_power_mw(costs, latency_ms, energy_mj),
            energy_mj=energy_mj,
            layers=costs,
        )

    def correction(self, setting: Setting) -> Correction | None:
        """Find the step from layers to networks that was fitted for a setting; None is the identity."""
        return self._corrections.get((setting.device or "", setting.provider, setting.threads))

    def ground(self, setting: Setting) -> Ground:
        """Tell what a prediction in a setting stands on: measurements, or a formula's rows."""
        return self._model.ground(setting)

    def standing(self, setting: Setting) -> Standing:
        """Say what predictions in a setting stand on."""
        key = setting_key(setting)
        has_rows = any(seen.setting_key == key for seen in self.manifest.settings)
        has_networks = self.correction(setting) is not None
        return Standing(
            modelled=self.ground(setting) is Ground.FORMULA,
            known=has_rows or has_networks or self.calibration(setting) is not None,
            outside=() if has_networks else self.setting_reasons(setting),
        )

    def layer_intervals(self, layers: Sequence[Layer], setting: Setting) -> Mapping[Target, Interval]:
        """Give the 90 % interval around each layer's cost, where the model has any; ends of shape (layers,)."""
        costs = self.predict_layers(layers, setting)
        predicted = {
            Target.LATENCY: costs.latency_ms,
            Target.MEMORY: costs.memory_mb,
            Target.POWER: costs.power_mw,
            Target.ENERGY: costs.energy_mj,
        }
        known = {target: values for target, values in predicted.items() if values is not None}
        return self._model.intervals(layers, setting, known)

    def layer_reasons(self, layers: Sequence[Layer], setting: Setting) -> list[tuple[str, ...]]:
        """Say for each layer in what it differs from all that the model was fitted to; nothing for a layer inside."""
        if self._outside is None:
            return [()] * len(layers)
        return self._outside.layer_reasons(layers, self._model.space.layer_matrix(layers, setting))

    def setting_reasons(self, setting: Setting) -> tuple[str, ...]:
        """Say in what a setting differs from all that the model was fitted to; nothing for one that was seen or calibrated."""
        if self._outside is None or self.calibration(setting) is not None:
            return ()
        return self._outside.setting_reasons(setting)

    def calibration(self, setting: Setting) -> PhoneAdaptation | None:
        """Find what a setting's latency was adapted by, if a few layers were measured there."""
        key = setting_key(setting)
        applying = (
            one for one in self.manifest.adaptations if one.target is Target.LATENCY and one.applies(setting, key)
        )
        return next(applying, None)

    def network_factor(self, target: str, level: float, layers: Sequence[Layer], setting: Setting) -> float | None:
        """Give how many times its prediction a network costs at most, in a share ``level`` of all cases.

        Known of latencies. Where whole networks were measured in the setting, they tell it for any level that they are
        enough for, one-sided; else the interval of 90 % stands in up to that level: its upper end.
        """
        if target != Target.LATENCY.value:
            return None
        correction = self.correction(setting)
        own = None if correction is None or self.calibration(setting) else upper_factor(correction, level)
        if own is not None:
            return own
        predicted = self.predict_network(layers, setting)
        latency_ms, interval = predicted.latency_ms, predicted.latency_interval_ms
        if level > 1 - NETWORK_ALPHA or not latency_ms or interval is None or not np.isfinite(interval[1]):
            return None
        return max(1.0, interval[1] / latency_ms)

    def _predict(self, layers: Sequence[Layer], setting: Setting) -> Sequence[_Costs]:
        matrix = self._model.space.layer_matrix(layers, setting)
        predicted = self._model.predict_described(matrix, setting)
        unknown = np.full(len(layers), np.nan)
        costs = np.column_stack([predicted.get(target, unknown) for target in Target])
        costs[self._feasibility.infeasible(layers, setting, matrix)] = np.inf
        return [tuple(row) for row in costs.tolist()]

    def _network_interval(
        self, costs: LayerCosts, latency_ms: float | None, layers: Sequence[Layer], setting: Setting
    ) -> tuple[float, float] | None:
        """Take the device's own factor, where its networks were enough for one, else that of the evaluations.

        On a phone that was calibrated it is widened by what the calibration leaves unknown.
        """
        correction = self.correction(setting)
        own = None if correction is None else correction.network_factor
        factor = self._network_factor if own is None else own
        if latency_ms is None or costs.latency_ms is None or factor is None:
            return None
        total = np.array([latency_ms])
        interval = network_interval(total, factor)
        if self.calibration(setting) is not None and 0 < latency_ms < np.inf:
            doubt = self._model.network_doubt(layers, setting, costs.latency_ms)
            interval = widened(interval, total, np.array([doubt]), NETWORK_ALPHA)
        return float(interval.lower[0]), float(interval.upper[0])

    def _shares(self, latency_ms: FloatArray, layers: Sequence[Layer], setting: Setting) -> FloatArray:
        correction = self.correction(setting)
        return latency_ms if correction is None else correction.shares(latency_ms, layers)

    def _base_mb(self, setting: Setting) -> float:
        return self._memory_bases_mb.get(setting_key(setting), self._memory_base_mb)


def load_trained_predictor(folder: Path) -> TrainedPredictor:
    """Load the model that ``metamodel fit`` wrote; raises as :func:`metamodel.artefact.load_artefact`."""
    return TrainedPredictor(load_artefact(folder))


def _network_memory_mb(layers: Sequence[Layer], live_elements: int | None, base_mb: float) -> float:
    """Base + weights + live activations, four bytes an element, in 10⁶ bytes."""
    weights = sum(layer.weight_elements for layer in layers)
    return base_mb + 4 * (weights + largest_live_elements(layers, live_elements)) / 1e6


def _network_power_mw(costs: LayerCosts, latency_ms: float | None, energy_mj: float | None) -> float | None:
    """Energy over latency; without an energy model, the layers' powers weighted by their times."""
    if energy_mj is not None and latency_ms:
        return 1e3 * energy_mj / latency_ms if np.isfinite(energy_mj) else np.inf
    if costs.power_mw is None or costs.latency_ms is None:
        return None
    if not np.isfinite(costs.power_mw).all():
        return np.inf
    return float(np.average(costs.power_mw, weights=costs.latency_ms)) if len(costs.power_mw) else 0.0
