"""What the command line says about a fit and about a prediction: tables for a person, JSON for a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table

from metamodel.correction import Correction
from metamodel.evaluate import Evaluation, NoiseCeiling
from metamodel.interface import FloatArray, NetworkCosts, Setting
from metamodel.manifest import Manifest, to_json
from metamodel.model import ResponseRecord
from metamodel.rows import Ground, RowCount, setting_key
from parsers.device_config import DeviceConfig
from parsers.network import Network
from parsers.schema import Layer, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A network's predicted costs, and what they stand on."""

    network: Network
    device: DeviceConfig
    setting: Setting
    costs: NetworkCosts
    correction: Correction | None
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


def fit_summary(manifest: Manifest) -> RenderableType:
    """Say what a model stands on and how good it is, origin by origin."""
    parts: list[RenderableType] = [_rows_table(manifest), *_left_out(manifest), _responses_table(manifest.responses)]
    parts += [f"Not fitted: {reason}." for reason in manifest.missing]
    if manifest.evaluations:
        parts.append(_evaluations_table(manifest.evaluations))
    else:
        parts.append("Unseen networks: not scored (no two networks of measured rows, or --no-evaluate).")
    parts += [_correction_table(correction) for correction in manifest.corrections]
    identity = sorted({seen.device for seen in manifest.settings} - {fit.device for fit in manifest.corrections})
    if identity:
        parts.append(f"No whole network was measured on {', '.join(identity)}: there, layers add up uncorrected.")
    return Group(*parts)


def prediction_table(prediction: Prediction) -> RenderableType:
    """Show each layer's costs and the network's."""
    costs = prediction.costs
    columns = [column for column in _columns(costs) if column.layers is not None]
    table = Table(title=f"{prediction.network.name} on {prediction.device.title}", title_justify="left")
    for heading in ("layer", "type", "input → output"):
        table.add_column(heading, overflow="fold")
    for column in columns:
        table.add_column(column.title, justify="right")
    for row, item in enumerate(prediction.network.layers):
        cells = (_number(column.at(row)) for column in columns)
        table.add_row(item.name, item.layer.type, _shapes(item.layer), *cells)
    table.add_section()
    layers = f"{len(prediction.network.layers)} layers"
    table.add_row("network", layers, "", *(_number(column.network) for column in columns))
    return Group(table, *_caveats(prediction))


def prediction_json(prediction: Prediction) -> dict[str, object]:
    """Lay a prediction out for a program; an infinite cost (an infeasible layer) is null, and ``feasible`` tells."""
    columns = _columns(prediction.costs)
    latency_ms = prediction.costs.layers.latency_ms
    feasible = [latency_ms is None or math.isfinite(latency_ms[row]) for row in range(len(prediction.network.layers))]
    return {
        "network": prediction.network.name,
        "device": prediction.device.name,
        "provider": prediction.setting.provider,
        "threads": prediction.setting.threads,
        "feasible": all(feasible),
        **{column.key: _finite(column.network) for column in columns},
        "correction": "identity" if prediction.correction is None else "fitted",
        "ground": prediction.ground.value,
        "rows_in_setting": to_json(prediction.rows_in_setting),
        "rows": to_json(prediction.manifest.rows),
        "unknown_types": list(prediction.unknown_types),
        "layers": [
            {
                "name": item.name,
                "type": item.layer.type,
                "feasible": feasible[row],
                **{column.key: _finite(column.at(row)) for column in columns},
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


def _caveats(prediction: Prediction) -> Iterator[str]:
    """Say what a prediction stands on, and where it is a guess."""
    in_setting = _rows_text(prediction.rows_in_setting) or "none: this setting was never measured or modelled"
    yield f"Rows in this setting: {in_setting}. Rows in all: {_rows_text(prediction.manifest.rows)}."
    if prediction.correction is None:
        yield f"No whole network was measured on {prediction.device.name}: layers add up uncorrected."
    if prediction.unknown_types:
        yield f"Never seen in fitting, so a guess: {', '.join(prediction.unknown_types)}."
    if prediction.ground is Ground.FORMULA:
        yield "Learned from a formula's rows: no evidence about any phone."


def _rows_table(manifest: Manifest) -> Table:
    table = Table(title="Rows", title_justify="left")
    for heading in ("used for", "origin", "device kind", "rows"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for use, counts in (("layers", manifest.rows), ("networks", manifest.network_rows)):
        for count in counts:
            table.add_row(use, count.origin, count.device_kind, str(count.rows))
    return table


def _left_out(manifest: Manifest) -> Iterator[str]:
    if manifest.infeasible:
        yield f"Infeasible pairs of layer and setting (the set B): {len(manifest.infeasible)}."
    for reject in manifest.rejects:
        yield f"Left out: {reject.rows} × {reject.reason}."


def _responses_table(responses: Sequence[ResponseRecord]) -> Table:
    table = Table(title="Bags, and their error on rows that their members did not see", title_justify="left")
    for heading in ("response", "members", "origin", "rows", "out-of-bag MAPE", "median"):
        table.add_column(heading, justify="left" if heading in {"response", "origin"} else "right")
    for record in responses:
        for place, error in enumerate(record.out_of_bag):
            first = (record.response.target.value, str(record.members)) if place == 0 else ("", "")
            origin = f"{error.origin}{' (agreement with a formula)' if error.origin == Origin.MODELLED.value else ''}"
            rows = sum(count.rows for count in record.rows if count.origin == error.origin)
            table.add_row(*first, origin, str(rows), f"{error.mape_percent:.2f} %", f"{error.median_ape_percent:.2f} %")
    return table


def _evaluations_table(evaluations: Sequence[Evaluation]) -> Table:
    table = Table(title="Latency of layers of unseen networks, MAPE: mean ± sd over networks", title_justify="left")
    for heading in ("origin", "networks", "rows", "B-o-B", "one XGBoost", "noise ceiling"):
        table.add_column(heading, justify="left" if heading == "origin" else "right")
    for evaluation in evaluations:
        table.add_row(
            evaluation.origin,
            str(len(evaluation.networks)),
            str(evaluation.rows),
            f"{evaluation.bob.mean:.2f} ± {evaluation.bob.sd:.2f} %",
            f"{evaluation.xgboost.mean:.2f} ± {evaluation.xgboost.sd:.2f} %",
            _ceiling(evaluation.noise_ceiling),
        )
    return table


def _correction_table(correction: Correction) -> Table:
    title = (
        f"From layers to networks on {correction.device}, {correction.provider}, {correction.threads} threads: "
        f"{correction.per_time:.3f}·Σt + {1e3 * correction.per_node_ms:.2f} µs·nodes "
        f"+ {1e9 * correction.per_byte_ms:.1f} µs·MB"
    )
    table = Table(title=title, title_justify="left")
    for heading in ("network", "layers", "not measured alone", "wall ms", "Σ layers", "corrected", "held out"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for fit in correction.networks:
        table.add_row(
            fit.network,
            str(fit.layers),
            str(fit.predicted_layers),
            f"{fit.wall_ms:.3f}",
            *(_against(time_ms, fit.wall_ms) for time_ms in (fit.sum_ms, fit.corrected_ms, fit.held_out_ms)),
        )
    return table


def _against(time_ms: float | None, wall_ms: float) -> str:
    return "unknown" if time_ms is None else f"{time_ms:.3f} ({100 * (time_ms / wall_ms - 1):+.1f} %)"


def _ceiling(ceiling: NoiseCeiling) -> str:
    if ceiling.mape_percent is None:
        return "unknown"
    unit = "pairs" if ceiling.source == "duplicates" else "rows"
    return f"{ceiling.mape_percent:.2f} % ({ceiling.source}, {ceiling.basis} {unit})"


def _rows_text(counts: Sequence[RowCount]) -> str:
    return ", ".join(f"{count.rows} {count.origin} ({count.device_kind})" for count in counts)


def _shapes(layer: Layer) -> str:
    inputs = " ".join("×".join(map(str, shape)) for shape in layer.input_shapes)
    return f"{inputs} → {'×'.join(map(str, layer.output_shape))}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if math.isfinite(value) else "infeasible"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
