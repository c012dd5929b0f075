"""Adapt a model to a device by whole networks that were measured there: what is wrong with their sums is put right.

A search chooses among networks by the model's word, so it ends among those that the model is most wrong about. Measuring
them tells by how much, where a few layers measured alone need not. The trees stay; the step from layers to networks
(:mod:`metamodel.correction`) on that device becomes another one.

Notation::

    T0    a network's latency as the model has it                        [ms]
    n, B  its layers, and the bytes that they read and write
    W     its measured wall time                                         [ms]
    s     median of W / T0 over the measured networks

    W ≈ a · s·T0 + b · n + c · B                                                                                   (1)

The coefficients of (1) are those of the correction, pulled towards (1, 0, 0): a device that is nine times as slow is one
factor away from the model, and no number of networks has to pull it there. Where the model has a step of its own, T0 is
what that gives, and the two become one.

Held out: each network is predicted by (1) with s and coefficients of the others alone. Its layers need no such care; they
are the model's, which has not seen the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metamodel.artefact import Artefact
from metamodel.conformal import network_factor
from metamodel.correction import Correction, NetworkFit, between_bytes, solve_coefficients
from metamodel.errors import TableError
from metamodel.interface import FloatArray, MeasuredNetwork, Setting
from metamodel.predictor import TrainedPredictor
from metamodel.units import check_against_model


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedByNetworks:
    """A model that was adapted, and how far off it was before and is now, in log(W / T)."""

    artefact: Artefact
    before: FloatArray
    """Shape (networks,)."""
    held_out: FloatArray | None
    """Of predictions that rest on the other networks, shape (networks,); None where there is one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A measured network."""

    network: str
    terms: tuple[float, float, float]
    """T0, n and B."""
    sum_ms: float
    """Its layers' own times, as predicted."""
    wall_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """Equation (1), fitted."""

    scale: float
    coefficients: FloatArray

    @classmethod
    def fit(cls, terms: FloatArray, wall_ms: FloatArray) -> _Step:
        scale = float(np.exp(np.median(np.log(wall_ms / terms[:, 0]))))
        return cls(scale=scale, coefficients=solve_coefficients(terms * [scale, 1.0, 1.0], wall_ms))

    def predict(self, terms: FloatArray) -> FloatArray:
        predicted: FloatArray = terms * [self.scale, 1.0, 1.0] @ self.coefficients
        return predicted


def calibrate_by_networks(
    artefact: Artefact, parent: str, setting: Setting, networks: Sequence[MeasuredNetwork]
) -> CalibratedByNetworks:
    """Learn the step from layers to networks on a device from networks that were measured there.

    Args:
        artefact: the model.
        parent: SHA-256 of its manifest file.
        setting: where they ran; it names the device.
        networks: what was measured. Of networks with the same layers the median counts.

    Raises:
        TableError: no network, or one whose latency the model has no finite answer to; times that are no milliseconds.
    """
    predictor = TrainedPredictor(artefact)
    seen = [_see(same, predictor, setting) for same in _same(networks)]
    if not seen:
        raise TableError(f"No network was measured on {setting.device}, so there is nothing to learn from.")
    terms, wall_ms = np.array([one.terms for one in seen]), np.array([one.wall_ms for one in seen])
    check_against_model(wall_ms, terms[:, 0], device=str(setting.device))
    step, held_out_ms = _Step.fit(terms, wall_ms), _held_out_ms(terms, wall_ms)
    before = predictor.correction(setting)
    correction = replace(
        _composed(before, step, setting),
        networks=tuple(_fits(seen, step.predict(terms), held_out_ms)),
        network_factor=None if held_out_ms is None else network_factor(wall_ms, held_out_ms),
    )
    manifest = artefact.manifest
    others = tuple(one for one in manifest.corrections if one is not before)
    return CalibratedByNetworks(
        artefact=replace(artefact, manifest=replace(manifest, parent=parent, corrections=(*others, correction))),
        before=np.log(wall_ms / terms[:, 0]),
        held_out=None if held_out_ms is None else np.log(wall_ms / held_out_ms),
    )


def _same(networks: Sequence[MeasuredNetwork]) -> list[list[MeasuredNetwork]]:
    """Put networks of the same layers together."""
    found: dict[tuple[str, ...], list[MeasuredNetwork]] = {}
    for one in networks:
        found.setdefault(tuple(layer.key for layer in one.layers), []).append(one)
    return list(found.values())


def _see(same: Sequence[MeasuredNetwork], predictor: TrainedPredictor, setting: Setting) -> _Seen:
    network = same[0]
    costs = predictor.predict_network(network.layers, setting)
    predicted_ms, own_ms = costs.latency_ms, costs.layers.latency_ms
    if predicted_ms is None or own_ms is None or not 0 < predicted_ms < np.inf:
        told = "no latency" if predicted_ms is None else f"a latency of {predicted_ms:g} ms"
        raise TableError(f"The model gives {network.name} {told} on {setting.device}; nothing can be adapted to that.")
    return _Seen(
        network=network.name,
        terms=(predicted_ms, len(network.layers), sum(map(between_bytes, network.layers))),
        sum_ms=float(own_ms.sum()),
        wall_ms=float(np.median([one.latency_ms for one in same])),
    )


def _fits(seen: Sequence[_Seen], corrected_ms: FloatArray, held_out_ms: FloatArray | None) -> Iterator[NetworkFit]:
    for place, one in enumerate(seen):
        held_out = None if held_out_ms is None else float(held_out_ms[place])
        yield NetworkFit(
            network=one.network,
            layers=int(one.terms[1]),
            predicted_layers=int(one.terms[1]),
            wall_ms=one.wall_ms,
            sum_ms=one.sum_ms,
            corrected_ms=float(corrected_ms[place]),
            held_out_ms=held_out,
            unseen_ms=held_out,
        )


def _held_out_ms(terms: FloatArray, wall_ms: FloatArray) -> FloatArray | None:
    """Predict each network by the others, shape (networks,); None where it is the only one."""
    places = np.arange(len(wall_ms))
    if len(places) < 2:
        return None
    return np.array([_Step.fit(terms[places != one], wall_ms[places != one]).predict(terms[one]) for one in places])


def _composed(before: Correction | None, step: _Step, setting: Setting) -> Correction:
    """Put the new step behind the model's own."""
    per_time, per_node_ms, per_byte_ms = step.coefficients.tolist()
    factor = per_time * step.scale
    inner = (1.0, 0.0, 0.0) if before is None else (before.per_time, before.per_node_ms, before.per_byte_ms)
    return Correction(
        device=str(setting.device),
        provider=setting.provider,
        threads=setting.threads,
        per_time=factor * inner[0],
        per_node_ms=factor * inner[1] + per_node_ms,
        per_byte_ms=factor * inner[2] + per_byte_ms,
        networks=(),
        network_factor=None,
    )
