"""A new phone from a few measurements: which layers to measure, and what they say about all the others.

What a bag does not know of a phone is a smooth function of the layer: a factor, and how it drifts from one kind of layer to
another. A Gaussian process on the residual finds it (Rasmussen and Williams 2006, Equations
2.25, 2.26, 2.30 and 5.12).

Notation::

    b(x)      the bag's log prediction of layer x in the new phone's setting
    z(x)      where the layer lies, shape (d,): its features as signed logarithms, standardised over the candidates and
              divided by √features; b(x), standardised; b(x) − log(1 + FLOPs), standardised
    X, k      the k measured layers
    r         log measured − b(X), shape (k,)
    k(x, x')  c + a · exp(−|z(x) − z(x')|² / 2l²)             c: any factor at all; a, l: of (4)
    K         k(X, X) + s · I, shape (k, k)                   s: noise of a measurement, and what z cannot tell

    shift(x)  k(x, X) K⁻¹ r                                                                                        (1)
    sd(x)²    c + a − k(x, X) K⁻¹ k(X, x)                                                                          (2)
    error_i   [K⁻¹ r]_i / [K⁻¹]_ii, what measured layer i is off by, predicted from the other k − 1                (3)
    log p(r)  −½ rᵀ K⁻¹ r − ½ log |K| + constant, by which a and l are chosen                                      (4)
    σ(x)²     s + mean of (2) over all a and l that (4) chose from                                                 (5)
    σ(w)²     s · |w|² + mean over them of wᵀ (k(X*, X*) − k(X*, X) K⁻¹ k(X, X*)) w                                (6)
              for a network of layers X* with shares w of its latency, Σ w = 1

The likelihood of a few residuals tells a good a and l from bad ones, but not how sure it is: with the chosen pair alone (2)
is now far too small, now too large. So doubt is averaged over all pairs alike. An interval on a calibrated phone is the
bag's, whose half-width is q·σ on the logarithm, and (5) beside it: two errors that have nothing to do with one another, so
that their squares add up. Layers of a phone are off alike, and a network's total with them, by (6).

The layers are chosen before anything is measured, as k medoids of z (Kaufman and Rousseeuw 1987): greedy, then improved
until no cluster has a better centre. The features of the phone are left out of z; they are the same for all layers.

An :class:`Adaptation` holds plain numbers, and fits a JSON manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from metamodel.conformal import Interval
from metamodel.features import LAYER_NUMBERS, Matrix
from metamodel.interface import FloatArray, Setting
from metamodel.targets import Target

IntArray = npt.NDArray[np.intp]

_FACTOR, _NOISE = 1.0, 0.01
"""c and s. A phone may be off by e either way; a layer repeats, and resembles its neighbours, to some 10 %."""
_DRIFTS = (0.01, 0.02, 0.05, 0.1, 0.2)
_LENGTHS = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
"""What a and l are chosen from: a few points cannot tell them more finely, and a search among so few ends at a bound."""
_LAYER_WORDS = ("type=", "family=", "fused_ops=")
_MOST_CANDIDATES = 2000
_UNKNOWN = -1.0
"""Stands for a feature that a layer does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMap:
    """Where layers lie, so that neighbours are off alike: z of the module's notation."""

    features: tuple[str, ...]
    """Names of the features that differ between candidates."""
    means: tuple[float, ...]
    scales: tuple[float, ...]
    """Of the features, then of the log prediction, then of the log rate."""

    @classmethod
    def of(cls, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray) -> LayerMap:
        """Standardise over candidate layers.

        Args:
            matrix: features, shape (n, features).
            names: of the features.
            log_prediction: b, shape (n,).
        """
        described = tuple(name for name in names if name in LAYER_NUMBERS or name.startswith(_LAYER_WORDS))
        columns = _columns(matrix, names, described, log_prediction)
        scales = columns.std(axis=0)
        varied = scales > 1e-9
        # Predictions stay even where they do not differ: they then lie at 0.
        varied[-2:] = True
        scales[scales <= 1e-9] = 1.0
        return cls(
            features=tuple(name for name, kept in zip(described, varied[:-2], strict=True) if kept),
            means=tuple(columns.mean(axis=0)[varied].tolist()),
            scales=tuple(scales[varied].tolist()),
        )

    def place(self, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray) -> FloatArray:
        """Compute z, shape (n, d)."""
        columns = _columns(matrix, names, self.features, log_prediction)
        placed: FloatArray = (columns - np.array(self.means)) / np.array(self.scales)
        placed[:, :-2] /= np.sqrt(max(1, len(self.features)))
        return placed


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """What k measurements say about a bag's error on all layers."""

    layer_map: LayerMap
    support: tuple[tuple[float, ...], ...]
    """z of the measured layers."""
    residuals: tuple[float, ...]
    """r."""
    drift: float
    """a."""
    length: float
    """l."""
    factor: float
    """c."""
    noise: float
    """s."""

    def shift(self, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray) -> FloatArray:
        """Say what to add to log predictions, Equation (1), shape (n,)."""
        covariance = self._to_measured(matrix, names, log_prediction)
        shift: FloatArray = covariance @ np.linalg.solve(self._measured(), np.array(self.residuals))
        return shift

    def spread(self, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray) -> FloatArray:
        """Give the standard deviation that is left of the shift, Equation (2), shape (n,)."""
        covariance = self._to_measured(matrix, names, log_prediction)
        explained = np.einsum("nk,kn->n", covariance, np.linalg.solve(self._measured(), covariance.T))
        spread: FloatArray = np.sqrt(np.maximum(self.factor + self.drift - explained, 0.0))
        return spread

    def doubt(self, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray) -> FloatArray:
        """Give the standard deviation of what a new measurement is off the shifted prediction, Equation (5), shape (n,)."""
        spreads = np.array([one.spread(matrix, names, log_prediction) for one in self._candidates()])
        doubt: FloatArray = np.sqrt(self.noise + (spreads**2).mean(axis=0))
        return doubt

    def doubt_of_sum(
        self, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray, shares: FloatArray
    ) -> float:
        """Give the standard deviation of what a network's total is off, relative to it, Equation (6).

        Args:
            matrix: features of its layers, shape (n, features).
            names: of the features.
            log_prediction: the bag's, shape (n,).
            shares: of the layers in the total, shape (n,), adding up to one.
        """
        placed = self.layer_map.place(matrix, names, log_prediction)
        left = []
        for one in self._candidates():
            to_measured = shares @ one._covariance(placed, np.array(one.support))
            explained = to_measured @ np.linalg.solve(one._measured(), to_measured)
            left.append(max(0.0, float(shares @ one._covariance(placed, placed) @ shares - explained)))
        return float(np.sqrt(self.noise * (shares**2).sum() + np.mean(left)))

    def errors_left_out(self) -> FloatArray:
        """Predict each measured layer from the others: log measured − log predicted, Equation (3), shape (k,)."""
        inverse = np.linalg.inv(self._measured())
        errors: FloatArray = (inverse @ np.array(self.residuals)) / np.diag(inverse)
        return errors

    def log_likelihood(self) -> float:
        """Give the marginal log likelihood of the residuals, Equation (4), up to a constant."""
        measured, residuals = self._measured(), np.array(self.residuals)
        return float(-residuals @ np.linalg.solve(measured, residuals) - np.linalg.slogdet(measured)[1]) / 2

    def likeliest(self) -> Adaptation:
        """Choose a and l by the marginal likelihood."""
        return max(self._candidates(), key=Adaptation.log_likelihood)

    def _candidates(self) -> list[Adaptation]:
        return [replace(self, drift=drift, length=length) for drift in _DRIFTS for length in _LENGTHS]

    def _to_measured(self, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray) -> FloatArray:
        return self._covariance(self.layer_map.place(matrix, names, log_prediction), np.array(self.support))

    def _covariance(self, left: FloatArray, right: FloatArray) -> FloatArray:
        distance2 = _distance2(left, right)
        covariance: FloatArray = self.factor + self.drift * np.exp(-distance2 / (2 * self.length**2))
        return covariance

    def _measured(self) -> FloatArray:
        support = np.array(self.support)
        return self._covariance(support, support) + self.noise * np.eye(len(support))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLayer:
    """A layer that was measured on the new phone."""

    layer_key: str
    type: str
    measured: float
    """In the response's unit."""
    before: float
    """What the model said without the adaptation."""
    after: float
    """What it says with it."""
    left_out: float | None
    """What it would say, had this layer not been measured; None where it is the only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAdaptation:
    """An adaptation of one response to one phone, and what it rests on."""

    target: Target
    device: str
    provider: str
    threads: int
    setting_key: str
    layers: tuple[MeasuredLayer, ...]
    adaptation: Adaptation

    def applies(self, setting: Setting, key: str) -> bool:
        """Tell whether it speaks for a setting: the same context, or the same device by name; ``key`` is the setting's."""
        same_device = (setting.device, setting.provider, setting.threads) == (self.device, self.provider, self.threads)
        return key == self.setting_key or same_device

    @property
    def expected_error_percent(self) -> float | None:
        """Median error on measured layers, each predicted from the others; None where there is one alone."""
        errors = [abs(one.left_out / one.measured - 1) for one in self.layers if one.left_out is not None]
        return 100 * float(np.median(errors)) if errors else None


def fit_adaptation(
    layer_map: LayerMap, matrix: Matrix, names: Sequence[str], log_prediction: FloatArray, log_measured: FloatArray
) -> Adaptation:
    """Learn a bag's residual on a new phone.

    Args:
        layer_map: of the candidates.
        matrix: features of the measured layers, shape (k, features).
        names: of the features.
        log_prediction: the bag's, shape (k,).
        log_measured: shape (k,).

    Raises:
        ValueError: no layer, or a value that is not finite.
    """
    residuals = log_measured - log_prediction
    if not len(residuals) or not np.isfinite(residuals).all():
        raise ValueError("a phone is learned from one finite measurement and prediction at least")
    support = layer_map.place(matrix, names, log_prediction)
    return Adaptation(
        layer_map=layer_map,
        support=tuple(map(tuple, support.tolist())),
        residuals=tuple(residuals.tolist()),
        drift=_DRIFTS[0],
        length=_LENGTHS[0],
        factor=_FACTOR,
        noise=_NOISE,
    ).likeliest()


def widened(interval: Interval, prediction: FloatArray, doubt: FloatArray, alpha: float) -> Interval:
    """Widen a bag's intervals by what is not known of the phone.

    Args:
        interval: the ends around each prediction, shape (n,).
        prediction: shape (n,); an infinite one (the set B) stays its own interval.
        doubt: from :meth:`Adaptation.doubt`, shape (n,).
        alpha: the share that may lie outside.
    """
    finite = np.isfinite(prediction)
    known = np.where(finite, prediction, 1.0)
    with np.errstate(over="ignore"):
        bag = np.log(np.where(finite, interval.upper, 1.0) / known)
        factor = np.exp(np.hypot(bag, NormalDist().inv_cdf(1 - alpha / 2) * doubt))
    return Interval(
        lower=np.where(finite, known / factor, prediction), upper=np.where(finite, known * factor, prediction)
    )


def choose_layers(placed: FloatArray, count: int, *, seed: int = 0) -> IntArray:
    """Choose the layers that stand for all: k medoids, in the order in which each helps most.

    Args:
        placed: z of the candidates, shape (n, d). Of more than 2,000, as many are drawn.
        count: k.
        seed: draws the candidates where there are too many; it decides nothing else.

    Returns:
        Indices of the chosen, shape (min(k, n),).
    """
    if min(count, len(placed)) < 1:
        return np.empty(0, dtype=np.intp)
    drawn = np.arange(len(placed))
    if len(placed) > _MOST_CANDIDATES:
        drawn = np.sort(np.random.default_rng(seed).choice(len(placed), _MOST_CANDIDATES, replace=False))
    distance = np.sqrt(_distance2(placed[drawn], placed[drawn]))
    medoids = _greedy_medoids(distance, min(count, len(drawn)))
    while True:
        nearest = np.argmin(distance[:, medoids], axis=1)
        # A medoid among its own twins may have no cluster left; it stays.
        better = np.array([_centre(distance, np.flatnonzero(nearest == j), old) for j, old in enumerate(medoids)])
        if (better == medoids).all():
            return drawn[medoids]
        medoids = better


def _greedy_medoids(distance: FloatArray, count: int) -> IntArray:
    chosen = [int(np.argmin(distance.sum(axis=0)))]
    nearest = distance[:, chosen[0]]
    while len(chosen) < count:
        gain = np.maximum(nearest[:, None] - distance, 0).sum(axis=0)
        gain[chosen] = -1.0
        chosen.append(int(np.argmax(gain)))
        nearest = np.minimum(nearest, distance[:, chosen[-1]])
    return np.array(chosen, dtype=np.intp)


def _centre(distance: FloatArray, members: IntArray, medoid: int) -> int:
    """Find the member that is nearest to the others; the old one where none is nearer."""
    if medoid not in members:
        return medoid
    costs = distance[np.ix_(members, members)].sum(axis=0)
    best = int(np.argmin(costs))
    old = int(np.flatnonzero(members == medoid)[0])
    return int(members[best]) if costs[best] < costs[old] - 1e-9 else medoid


def _columns(matrix: Matrix, names: Sequence[str], described: Sequence[str], log_prediction: FloatArray) -> FloatArray:
    position = {name: index for index, name in enumerate(names)}
    values = matrix[:, [position[name] for name in described]].astype(np.float64)
    logs = np.nan_to_num(np.sign(values) * np.log1p(np.abs(values)), nan=_UNKNOWN)
    flops = np.nan_to_num(matrix[:, position["flops"]].astype(np.float64))
    return np.column_stack([logs, log_prediction, log_prediction - np.log1p(flops)])


def _distance2(left: FloatArray, right: FloatArray) -> FloatArray:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * left @ right.T
    clipped: FloatArray = np.maximum(squares, 0.0)
    return clipped
