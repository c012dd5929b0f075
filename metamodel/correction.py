"""From layers to networks: ``T_net = a·Σt + b·nodes + c·bytes``, per device, provider and thread count.

Notation::

    t_i   own time of layer i, isolated                        S = Σ t_i      [ms]
    n     layers of the network
    B     bytes that its layers read and write, Σ 4·(input_volume + output_volume)
    W     unprofiled wall time of the whole network            [ms]

A network's wall time is not the sum of its layers' isolated times: caches are cold, nodes are dispatched, layouts are
changed on the way. The three coefficients minimise the *relative* error, ``Σ ((a·S + b·n + c·B) / W − 1)²``, none of them
negative. Networks are few, so a ridge pulls (a, b, c) towards the identity (1, 0, 0), as hard as one network pulls. Every term belongs to one layer, so
a layer's share of the network is ``a·t_i + b + c·bytes_i`` and shares add up: a search can plan with them.

Layers count as a predictor would see them: what the runtime fused or dropped inside the network is in the sums all the same.
Where no whole network was measured (the modelled tiers), the correction is the identity and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from metamodel.features import evicted_mb
from metamodel.interface import FloatArray, Setting
from metamodel.rows import TrainingRows, layers_of, setting_key, settings_of
from parsers.schema import Layer, Scope

PredictLatency = Callable[[Sequence[Layer], Setting], FloatArray]
"""Gives layers' own times in a setting, shape (layers,), ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFit:
    """How well one measured network is explained."""

    network: str
    layers: int
    predicted_layers: int
    """Layers without an isolated measurement, whose time the fitted predictor stands in for."""
    wall_ms: float
    sum_ms: float
    corrected_ms: float
    held_out_ms: float | None
    """By the correction that was fitted without this network; None where there is no other network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The step from layers to networks on one device, provider and thread count."""

    device: str
    provider: str
    threads: int
    per_time: float
    per_node_ms: float
    per_byte_ms: float
    networks: tuple[NetworkFit, ...]

    def shares(self, latency_ms: FloatArray, layers: Sequence[Layer]) -> FloatArray:
        """Give each layer's share of its network's latency, shape (layers,), ms."""
        between = np.array([between_bytes(layer) for layer in layers], dtype=np.float64)
        return self.per_time * latency_ms + self.per_node_ms + self.per_byte_ms * between


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observation:
    """One measured network: what the coefficients multiply, and the wall time that they must explain."""

    network: str
    layers: int
    predicted_layers: int
    sum_ms: float
    between_bytes: float
    wall_ms: float


def between_bytes(layer: Layer) -> int:
    """Count the bytes of a layer's activations, in and out, four an element."""
    return 4 * (layer.input_volume + layer.output_volume)


def tensor_bytes(layer: Layer) -> int:
    """Count the bytes that a layer holds while it runs: activations and weights, four an element."""
    return between_bytes(layer) + 4 * layer.weight_elements


def fit_corrections(rows: TrainingRows, predict_latency: PredictLatency) -> tuple[Correction, ...]:
    """Fit one correction for every device, provider and thread count that ran whole networks."""
    observed: dict[tuple[str, str, int], list[_Observation]] = {}
    for setting, observation in _observations(rows, predict_latency):
        observed.setdefault((str(setting.device), setting.provider, setting.threads), []).append(observation)
    return tuple(
        _fit(device, provider, threads, observations)
        for (device, provider, threads), observations in sorted(observed.items())
    )


def _observations(rows: TrainingRows, predict_latency: PredictLatency) -> Iterator[tuple[Setting, _Observation]]:
    isolated = rows.layers[rows.layers["scope"] == Scope.ISOLATED.value]
    own_ms = {
        (setting_key(setting), setting.device): isolated.iloc[index].groupby("layer_key")["execution_time_ms"].median()
        for index, setting in settings_of(isolated)
    }
    layers = layers_of(rows.networks)
    nothing = pd.Series(dtype=float)
    for index, setting in settings_of(rows.networks):
        measured = own_ms.get((setting_key(setting), setting.device), nothing)
        for (_, network), part in rows.networks.iloc[index].groupby(["campaign", "networks"]):
            wall_ms = float(part["network_wall_ms"].median())
            if np.isfinite(wall_ms) and wall_ms > 0:
                nodes = [layers[key] for key in part["layer_key"]]
                times_ms = part["layer_key"].map(measured).to_numpy(dtype=np.float64)
                yield setting, _observe(str(network), nodes, times_ms, wall_ms, setting, predict_latency)


def _observe(
    network: str,
    layers: Sequence[Layer],
    times_ms: FloatArray,
    wall_ms: float,
    setting: Setting,
    predict_latency: PredictLatency,
) -> _Observation:
    """Add a network's layers up, predicting those whose time is NaN."""
    unknown = np.flatnonzero(np.isnan(times_ms))
    inside = replace(setting, evicted_mb=evicted_mb(layers, setting.context))
    predicted_ms = predict_latency([layers[position] for position in unknown.tolist()], inside)
    return _Observation(
        network=network,
        layers=len(layers),
        predicted_layers=len(unknown),
        sum_ms=float(np.nansum(times_ms) + predicted_ms.sum()),
        between_bytes=float(sum(between_bytes(layer) for layer in layers)),
        wall_ms=wall_ms,
    )


def _fit(device: str, provider: str, threads: int, observations: Sequence[_Observation]) -> Correction:
    whole = _solve(observations)
    fits = []
    for seen in observations:
        others = [other for other in observations if other.network != seen.network]
        fits.append(
            NetworkFit(
                network=seen.network,
                layers=seen.layers,
                predicted_layers=seen.predicted_layers,
                wall_ms=seen.wall_ms,
                sum_ms=seen.sum_ms,
                corrected_ms=float(_terms(seen) @ whole),
                held_out_ms=float(_terms(seen) @ _solve(others)) if others else None,
            )
        )
    return Correction(
        device=device,
        provider=provider,
        threads=threads,
        per_time=float(whole[0]),
        per_node_ms=float(whole[1]),
        per_byte_ms=float(whole[2]),
        networks=tuple(fits),
    )


def _terms(observation: _Observation) -> FloatArray:
    return np.array([observation.sum_ms, observation.layers, observation.between_bytes], dtype=np.float64)


def _solve(observations: Sequence[_Observation]) -> FloatArray:
    """Minimise the relative error plus the ridge; the coefficients (a, b, c), none negative."""
    terms = np.array([_terms(seen) for seen in observations])
    wall_ms = np.array([seen.wall_ms for seen in observations])
    relative = terms / wall_ms[:, None]
    # In units where nodes, or bytes, alone explain a network (root mean square), the pull means the same for all three.
    unit = np.array([1.0, *(1 / np.sqrt((relative[:, 1:] ** 2).mean(axis=0)))])
    design = np.vstack([relative * unit, np.eye(3)])
    wanted = np.array([*np.ones(len(observations)), 1.0, 0.0, 0.0])
    solved = LinearRegression(positive=True, fit_intercept=False).fit(design, wanted)
    coefficients: FloatArray = solved.coef_ * unit
    return coefficients
