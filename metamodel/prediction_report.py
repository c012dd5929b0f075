"""What the command line says about a prediction: a table for a person, JSON for a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from metamodel.adaptation import PhoneAdaptation
from metamodel.conformal import Interval
from metamodel.correction import Correction
from metamodel.interface import FloatArray, NetworkCosts, Setting
from metamodel.manifest import Manifest, to_json
from metamodel.predictor import TrainedPredictor
from metamodel.report import rows_text
from metamodel.rows import Ground, RowCount, setting_key
from metamodel.targets import Target
from parsers.device_config import DeviceConfig
from parsers.network import Network
from parsers.schema import Layer

COSTLIEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A network's predicted costs, and what they stand on."""

    network: Network
    device: DeviceConfig
    setting: Setting
    costs: NetworkCosts
    latency_interval: Interval | None
    """Of each layer's own latency, ms; None where the model has no intervals on this ground."""
    layer_reasons: tuple[tuple[str, ...], ...]
    """In what each layer differs from all that was seen."""
    setting_reasons: tuple[str, ...]
    correction: Correction | None
    calibration: PhoneAdaptation | None
    """Of latency, where the phone was learned from a few layers."""
    ground: Ground
    manifest: Manifest

    @property
    def unknown_types(self) -> tuple[str, ...]:
        """Layer types that no fitted row of the ground has: their predictions are guesses."""
        fitted = {kind for record in self.manifest.responses if record.ground is self.ground for kind in record.types}
        return tuple(sorted({item.layer.type for item in self.network.layers} - fitted))

    @property
    def rows_in_setting(self) -> tuple[RowCount, ...]:
        """Fitted rows of this very context, provider and thread count."""
        key = setting_key(self.setting)
        return tuple(count for seen in self.manifest.settings if seen.setting_key == key for count in seen.rows)

    @property
    def interval_by(self) -> Literal["device", "evaluation"] | None:
        """Whose held-out networks the network's interval rests on: the device's own, or those of the model's evaluations."""
        if self.costs.latency_interval_ms is None:
            return None
        own = self.correction is not None and self.correction.network_factor is not None
        return "device" if own else "evaluation"

    @property
    def costliest(self) -> tuple[int, ...]:
        """Positions of the layers with the largest shares of the network's latency, the largest first."""
        shares = self.costs.layers.network_latency_ms
        if shares is None:
            return ()
        return tuple(np.argsort(-shares, kind="stable")[:COSTLIEST].tolist())

    def share_percent(self, row: int) -> float | None:
        """Give a layer's share of the network's latency; None where it is unknown or infinite."""
        shares, total = self.costs.layers.network_latency_ms, self.costs.latency_ms
        if shares is None or not total or not math.isfinite(total):
            return None
        return 100 * float(shares[row]) / total


def predict(predictor: TrainedPredictor, network: Network, device: DeviceConfig, setting: Setting) -> Prediction:
    """Ask a predictor everything that a report of a network says.

    Args:
        predictor: from :func:`metamodel.predictor.load_trained_predictor`.
        network: with known shapes.
        device: the config that the setting was made from.
        setting: where the network would run.
    """
    layers = [item.layer for item in network.layers]
    return Prediction(
        network=network,
        device=device,
        setting=setting,
        costs=predictor.predict_network(layers, setting, live_elements=network.peak_live_elements),
        latency_interval=predictor.layer_intervals(layers, setting).get(Target.LATENCY),
        layer_reasons=tuple(predictor.layer_reasons(layers, setting)),
        setting_reasons=predictor.setting_reasons(setting),
        correction=predictor.correction(setting),
        calibration=predictor.calibration(setting),
        ground=predictor.ground(setting),
        manifest=predictor.manifest,
    )


def prediction_table(prediction: Prediction) -> RenderableType:
    """Show each layer's costs and the network's, the costliest layers, and what is a guess."""
    columns = [column for column in _columns(prediction.costs) if column.layers is not None]
    table = Table(title=f"{prediction.network.name} on {prediction.device.title}", title_justify="left")
    for heading in ("layer", "type", "input → output"):
        table.add_column(heading, overflow="fold")
    for column in columns:
        table.add_column(column.title, justify="right")
    interval = prediction.latency_interval
    if interval is not None:
        table.add_column("own ms, 90 %", justify="right")
    for row, item in enumerate(prediction.network.layers):
        cells = [_number(column.at(row)) for column in columns]
        if interval is not None:
            cells.append(_ends(interval.lower[row], interval.upper[row]))
        outside = " (!)" if prediction.layer_reasons[row] else ""
        table.add_row(item.name + outside, item.layer.type, _shapes(item.layer), *cells)
    table.add_section()
    layers = f"{len(prediction.network.layers)} layers"
    table.add_row("network", layers, "", *(_number(column.network) for column in columns))
    return Group(table, *_total(prediction), *_costliest(prediction), *_caveats(prediction))


def prediction_json(prediction: Prediction) -> dict[str, object]:
    """Lay a prediction out for a program; an infinite cost (an infeasible layer) is null, and ``feasible`` tells."""
    columns, costs, interval = _columns(prediction.costs), prediction.costs, prediction.latency_interval
    latency_ms = costs.layers.latency_ms
    feasible = [latency_ms is None or math.isfinite(latency_ms[row]) for row in range(len(prediction.network.layers))]
    return {
        "network": prediction.network.name,
        "device": prediction.device.name,
        "provider": prediction.setting.provider,
        "threads": prediction.setting.threads,
        "feasible": all(feasible),
        **{column.key: _finite(column.network) for column in columns},
        "latency_interval_ms": None if costs.latency_interval_ms is None else _pair(*costs.latency_interval_ms),
        "latency_interval_by": prediction.interval_by,
        "throughput_per_s": costs.throughput_per_s,
        "correction": "identity" if prediction.correction is None else "fitted",
        "calibrated_by": 0 if prediction.calibration is None else len(prediction.calibration.layers),
        "ground": prediction.ground.value,
        "rows_in_setting": to_json(prediction.rows_in_setting),
        "rows": to_json(prediction.manifest.rows),
        "unknown_types": list(prediction.unknown_types),
        "outside": list(prediction.setting_reasons),
        "costliest": [prediction.network.layers[row].name for row in prediction.costliest],
        "layers": [
            {
                "name": item.name,
                "type": item.layer.type,
                "feasible": feasible[row],
                **{column.key: _finite(column.at(row)) for column in columns},
                "own_latency_interval_ms": None
                if interval is None
                else _pair(interval.lower[row], interval.upper[row]),
                "outside": list(prediction.layer_reasons[row]),
            }
            for row, item in enumerate(prediction.network.layers)
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One cost: of every layer, and of the network."""

    key: str
    title: str
    layers: FloatArray | None
    network: float | None

    def at(self, row: int) -> float | None:
        return None if self.layers is None else float(self.layers[row])


def _columns(costs: NetworkCosts) -> tuple[_Column, ...]:
    layers = costs.layers
    own_ms = None if layers.latency_ms is None else float(layers.latency_ms.sum())
    return (
        _Column(key="own_latency_ms", title="own ms", layers=layers.latency_ms, network=own_ms),
        _Column(key="latency_ms", title="in network ms", layers=layers.network_latency_ms, network=costs.latency_ms),
        _Column(key="memory_mb", title="memory MB", layers=layers.memory_mb, network=costs.memory_mb),
        _Column(key="power_mw", title="power mW", layers=layers.power_mw, network=costs.power_mw),
        _Column(key="energy_mj", title="energy mJ", layers=layers.energy_mj, network=costs.energy_mj),
    )


def _total(prediction: Prediction) -> Iterator[str]:
    """Say what the whole network takes, and how far off that may be."""
    costs = prediction.costs
    if costs.latency_ms is None or not math.isfinite(costs.latency_ms):
        return
    rate = "" if costs.throughput_per_s is None else f", {costs.throughput_per_s:.4g} inferences per second"
    if costs.latency_interval_ms is None:
        around = "no interval: too few whole networks were held out, or the prediction stands on formulas"
    else:
        own = prediction.interval_by == "device"
        by = f", by {prediction.device.name}'s own held-out networks" if own else ""
        around = f"in 90 of 100 networks within {_ends(*costs.latency_interval_ms)} ms{by}"
    yield f"Total: {costs.latency_ms:.4g} ms{rate}; {around}."


def _costliest(prediction: Prediction) -> Iterator[str]:
    told = []
    for row in prediction.costliest:
        share = prediction.share_percent(row)
        told.append(f"{prediction.network.layers[row].name}{'' if share is None else f' ({share:.1f} %)'}")
    if told:
        yield f"Costliest layers: {', '.join(told)}."


def _caveats(prediction: Prediction) -> Iterator[str]:
    """Say what a prediction stands on, and where it is a guess."""
    in_setting = rows_text(prediction.rows_in_setting) or "none: this setting was never measured or modelled"
    yield f"Rows in this setting: {in_setting}. Rows in all: {rows_text(prediction.manifest.rows)}."
    calibration = prediction.calibration
    if calibration is not None:
        expected = calibration.expected_error_percent
        told = "" if expected is None else f"; each of them told by the others to within {expected:.1f} % (median)"
        yield f"Calibrated to {calibration.device} by {len(calibration.layers)} layers measured there{told}."
    if prediction.correction is None:
        yield f"No whole network was measured on {prediction.device.name}: layers add up uncorrected."
    if prediction.unknown_types:
        yield f"Never seen in fitting, so a guess: {', '.join(prediction.unknown_types)}."
    for reason in prediction.setting_reasons:
        yield f"Outside what was seen, so intervals do not hold: {reason}."
    for item, reasons in zip(prediction.network.layers, prediction.layer_reasons, strict=True):
        if reasons:
            yield f"(!) {item.name}: {'; '.join(reasons)}."
    if prediction.ground is Ground.FORMULA:
        yield "Learned from a formula's rows: no evidence about any phone."


def _shapes(layer: Layer) -> str:
    inputs = " ".join("×".join(map(str, shape)) for shape in layer.input_shapes)
    return f"{inputs} → {'×'.join(map(str, layer.output_shape))}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else "infeasible"


def _ends(lower: float, upper: float) -> str:
    if math.isinf(lower):
        return ""
    return f"{lower:.3g} to {upper:.3g}" if math.isfinite(upper) else "unknown"


def _pair(lower: float, upper: float) -> Sequence[float | None]:
    return [_finite(float(lower)), _finite(float(upper))]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
