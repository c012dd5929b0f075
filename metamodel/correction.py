"""From layers to networks: ``T_net = a·Σt + b·nodes + c·bytes``, per device, provider and thread count.

Notation::

    t_i   own time of layer i                                  S = Σ t_i      [ms]
    n     layers of the network
    B     bytes that its layers read and write, Σ 4·(input_volume + output_volume)
    W     unprofiled wall time of the whole network            [ms]

A network's wall time is not the sum of its layers' isolated times: caches are cold, nodes are dispatched, layouts are
changed on the way. The three coefficients minimise the *relative* error, ``Σ ((a·S + b·n + c·B) / W − 1)²``, none of them
negative. Networks are few, so a ridge pulls (a, b, c) towards the identity (1, 0, 0), as hard as one network pulls. Every term belongs to one layer, so
a layer's share of the network is ``a·t_i + b + c·bytes_i`` and shares add up: a search can plan with them.

Layers count as a predictor would see them: what the runtime fused or dropped inside the network is in the sums all the same.
Networks come from our own ``in_network`` campaigns, whose layers were timed alone, and from pairs of published tables: operators
timed within their networks, and the networks' end-to-end times. Several campaigns of a network are several observations of
it; they are held out together.

Where no whole network was measured (the modelled tiers), the correction is the identity and says so.

Interval: a new network's S is itself predicted. So the conformal factor of a device's networks is that of their latency as
predicted without them, layers by the cross-fit, coefficients by the other folds' networks; not that of ``held_out_ms``,
which adds up measured layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from metamodel.conformal import conformal_quantile, network_factor
from metamodel.features import evicted_mb
from metamodel.interface import FloatArray, Setting
from metamodel.rows import TrainingRows, layers_of, network_numbers, setting_key, settings_of
from parsers.schema import Layer, Scope

MAX_FOLDS = 10
"""With more networks than this, several are held out at once."""

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
    unseen_ms: float | None
    """The same with layers as predicted by what saw none of their configuration, too; None where nothing was cross-fitted."""


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
    network_factor: float | None
    """A network's latency lies within its prediction times or over this factor in 90 of 100 cases; None with too few networks,
    where the evaluations' factor stands in."""

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
    unseen_sum_ms: float
    """S by the cross-fit; NaN where it is not known."""
    between_bytes: float
    wall_ms: float

    def terms(self, *, unseen: bool = False) -> FloatArray:
        """Give what the coefficients multiply, shape (3,)."""
        sum_ms = self.unseen_sum_ms if unseen else self.sum_ms
        return np.array([sum_ms, self.layers, self.between_bytes], dtype=np.float64)


def upper_factor(correction: Correction, level: float) -> float | None:
    """Find the factor over its prediction that a new network's latency stays under with probability ``level``.

    One-sided, by the networks as predicted without them; each counts by the worst of its predictions.

    Returns:
        At least 1; None with fewer than level / (1 − level) networks, which promise nothing.
    """
    worst: dict[str, float] = {}
    for fit in correction.networks:
        if fit.unseen_ms is not None and fit.unseen_ms > 0:
            worst[fit.network] = max(worst.get(fit.network, 0.0), fit.wall_ms / fit.unseen_ms)
    ratios = np.array(list(worst.values()), dtype=np.float64)
    quantile = conformal_quantile(ratios, np.arange(len(ratios)), 1 - level) if len(ratios) else None
    return None if quantile is None else max(1.0, quantile)


def between_bytes(layer: Layer) -> int:
    """Count the bytes of a layer's activations, in and out, four an element."""
    return 4 * (layer.input_volume + layer.output_volume)


def tensor_bytes(layer: Layer) -> int:
    """Count the bytes that a layer holds while it runs: activations and weights, four an element."""
    return between_bytes(layer) + 4 * layer.weight_elements


def fit_corrections(
    rows: TrainingRows, predict_latency: PredictLatency, unseen_ms: FloatArray | None = None
) -> tuple[Correction, ...]:
    """Fit one correction for every device, provider and thread count that ran whole networks.

    Args:
        rows: layers and networks.
        predict_latency: stands in for layers of networks that were never timed alone.
        unseen_ms: latency of ``rows.layers`` by what saw none of their configuration, shape (rows,), NaN where unknown;
            without it no network has a prediction that saw nothing of it, and no correction a conformal factor.
    """
    if unseen_ms is None:
        unseen_ms = np.full(len(rows.layers), np.nan)
    observed: dict[tuple[str, str, int], list[_Observation]] = {}
    for source in (_own(rows, predict_latency, unseen_ms), _published(rows, unseen_ms)):
        for setting, observation in source:
            observed.setdefault((str(setting.device), setting.provider, setting.threads), []).append(observation)
    return tuple(
        _fit(device, provider, threads, observations)
        for (device, provider, threads), observations in sorted(observed.items())
    )


def _own(
    rows: TrainingRows, predict_latency: PredictLatency, unseen_ms: FloatArray
) -> Iterator[tuple[Setting, _Observation]]:
    """Observe the networks of our own campaigns: their wall times, and their layers timed alone."""
    is_isolated = (rows.layers["scope"] == Scope.ISOLATED.value).to_numpy()
    isolated = rows.layers[is_isolated].assign(unseen_ms=unseen_ms[is_isolated])
    medians = {
        (setting_key(setting), setting.device): isolated.iloc[index]
        .groupby("layer_key")[["execution_time_ms", "unseen_ms"]]
        .median()
        for index, setting in settings_of(isolated)
    }
    layers = layers_of(rows.networks)
    nothing = pd.DataFrame({"execution_time_ms": [], "unseen_ms": []}, dtype=float)
    for index, setting in settings_of(rows.networks):
        known = medians.get((setting_key(setting), setting.device), nothing)
        for (_, network), part in rows.networks.iloc[index].groupby(["campaign", "networks"]):
            wall_ms = float(part["network_wall_ms"].median())
            if np.isfinite(wall_ms) and wall_ms > 0:
                nodes = [layers[key] for key in part["layer_key"]]
                times = known.reindex(part["layer_key"]).to_numpy(dtype=np.float64, copy=True)
                yield setting, _observe(str(network), nodes, times, wall_ms, setting, predict_latency)


def _observe(
    network: str,
    layers: Sequence[Layer],
    times_ms: FloatArray,
    wall_ms: float,
    setting: Setting,
    predict_latency: PredictLatency,
) -> _Observation:
    """Add a network's layers up, predicting those whose time is NaN; times as measured and by the cross-fit, shape (layers, 2)."""
    unknown = np.flatnonzero(np.isnan(times_ms[:, 0]))
    inside = replace(setting, evicted_mb=evicted_mb(layers, setting.context))
    times_ms[unknown] = predict_latency([layers[position] for position in unknown.tolist()], inside)[:, None]
    return _Observation(
        network=network,
        layers=len(layers),
        predicted_layers=len(unknown),
        sum_ms=float(times_ms[:, 0].sum()),
        unseen_sum_ms=float(times_ms[:, 1].sum()),
        between_bytes=float(sum(between_bytes(layer) for layer in layers)),
        wall_ms=wall_ms,
    )


def _published(rows: TrainingRows, unseen_ms: FloatArray) -> Iterator[tuple[Setting, _Observation]]:
    """Observe the networks that somebody published both ways: operator by operator, and end to end."""
    if rows.whole.empty:
        return
    is_operator = (rows.layers["scope"] == Scope.IN_NETWORK.value).to_numpy()
    columns = ["campaign", "layer_key", "execution_time_ms"]
    operators, whole = rows.layers[is_operator], rows.whole
    number = network_numbers(pd.concat([operators, whole]))
    between = {key: between_bytes(layer) for key, layer in layers_of(operators).items()}
    told = operators[columns].assign(
        number=number[: len(operators)], unseen_ms=unseen_ms[is_operator], between=operators["layer_key"].map(between)
    )
    networks = told.groupby("number")
    for index, setting in settings_of(whole):
        for one, ends in whole.iloc[index].groupby(number[len(operators) :][index]):
            for _, part in networks.get_group(one).groupby("campaign"):
                yield (
                    setting,
                    _Observation(
                        network=str(ends["networks"].iloc[0]),
                        layers=len(part),
                        predicted_layers=0,
                        sum_ms=float(part["execution_time_ms"].sum()),
                        unseen_sum_ms=float(part["unseen_ms"].sum(skipna=False)),
                        between_bytes=float(part["between"].sum()),
                        wall_ms=float(ends["network_wall_ms"].median()),
                    ),
                )


def _fit(device: str, provider: str, threads: int, observations: Sequence[_Observation]) -> Correction:
    whole = _solve(observations)
    fits = []
    for seen, without in zip(observations, _without_each(observations), strict=True):
        unseen_ms = None if without is None else float(seen.terms(unseen=True) @ without)
        fits.append(
            NetworkFit(
                network=seen.network,
                layers=seen.layers,
                predicted_layers=seen.predicted_layers,
                wall_ms=seen.wall_ms,
                sum_ms=seen.sum_ms,
                corrected_ms=float(seen.terms() @ whole),
                held_out_ms=None if without is None else float(seen.terms() @ without),
                unseen_ms=None if unseen_ms is None or np.isnan(unseen_ms) else unseen_ms,
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
        network_factor=_factor(fits),
    )


def _without_each(observations: Sequence[_Observation]) -> Iterator[FloatArray | None]:
    """Give the coefficients that were fitted without the fold of each observation's network; None where it is the only one."""
    names = sorted({seen.network for seen in observations})
    n_folds = min(len(names), MAX_FOLDS)
    fold = {name: place % n_folds for place, name in enumerate(names)}
    if n_folds < 2:
        return iter([None] * len(observations))
    solved = [_solve([seen for seen in observations if fold[seen.network] != number]) for number in range(n_folds)]
    return (solved[fold[seen.network]] for seen in observations)


def _factor(fits: Sequence[NetworkFit]) -> float | None:
    """Find the conformal factor, each network by its worst prediction."""
    worst: dict[str, float] = {}
    for fit in fits:
        if fit.unseen_ms is not None and fit.unseen_ms > 0:
            ratio = fit.unseen_ms / fit.wall_ms
            worst[fit.network] = max(worst.get(fit.network, 1.0), ratio, 1 / ratio)
    ratios = np.array(list(worst.values()), dtype=np.float64)
    return network_factor(np.ones(len(ratios)), ratios)


def _solve(observations: Sequence[_Observation]) -> FloatArray:
    terms = np.array([seen.terms() for seen in observations])
    return solve_coefficients(terms, np.array([seen.wall_ms for seen in observations]))


def solve_coefficients(terms: FloatArray, wall_ms: FloatArray) -> FloatArray:
    """Minimise the relative error plus the ridge; the coefficients (a, b, c), none negative.

    Args:
        terms: what they multiply, S, n and B of each network, shape (networks, 3).
        wall_ms: W, shape (networks,).
    """
    relative = terms / wall_ms[:, None]
    # In units where nodes, or bytes, alone explain a network (root mean square), the pull means the same for all three.
    unit = np.array([1.0, *(1 / np.sqrt((relative[:, 1:] ** 2).mean(axis=0)))])
    design = np.vstack([relative * unit, np.eye(3)])
    wanted = np.array([*np.ones(len(wall_ms)), 1.0, 0.0, 0.0])
    solved = LinearRegression(positive=True, fit_intercept=False).fit(design, wanted)
    coefficients: FloatArray = solved.coef_ * unit
    return coefficients
