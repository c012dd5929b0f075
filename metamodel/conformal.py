"""Intervals around predictions of positive responses, by split-conformal prediction on the logarithm.

Notation::

    t, p    truth and cross-fitted prediction of a row            (n,)
    x       features of the residual model: the row's, and log p  (n, d + 1)
    g       group: all rows of one configuration; G groups, n_g rows in group g
    r       |log t − log p|
    σ(x)    the residual's usual size: exp of trees on log(r + floor), cross-fitted by group
    s       score, r / σ(x)
    q       quantile of the scores at level 1 − α
    [l, u]  interval, p · exp(∓ q σ(x))

A configuration that was measured many times says one thing many times: rows are not exchangeable, configurations are.
So a row weighs 1/n_g, and q is the smallest score at which the weights add up to (1 − α)(G + 1). This is hierarchical
conformal prediction (Lee, Barber and Willett, "Distribution-free inference with hierarchical data", 2023): a row drawn
from a *new* configuration is covered with probability 1 − α. With one row a group it is the usual ⌈(G + 1)(1 − α)⌉-th
smallest score. One score a configuration, that of its median, would cover medians, and a user measures a row.

The trees learn log(r + floor), not r: a squared error on r itself follows its few largest values. σ is cross-fitted, not
fitted on one half and scored on the other, because quantiles of small families need every configuration there is. The
price is that the guarantee holds up to the difference between models of all folds and models of all but one. That
difference has a sign: predictions cross-fitted on few folds are worse than the final model's, and intervals from them are
too wide. On published phone measurements five folds covered 92 % where 90 % were asked, ten folds 91 %.

Families are Mondrian categories: one that has enough configurations has a quantile of its own, the others share the
pooled one. Where there are fewer than ⌈1/α⌉ − 1 groups no finite interval holds what it promises: the quantile is None,
the interval [0, ∞].

Widths of layers do not add up to a network's: errors cancel in a sum, and what they share does not. :func:`network_factor`
asks held-out networks instead. What lies outside the rows seen is not exchangeable with them, and no quantile helps
there: :mod:`metamodel.outside` flags it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xgboost import Booster, XGBRegressor

from metamodel.features import Matrix
from metamodel.interface import FloatArray

FAMILY_CONFIGURATIONS = 50
"""A family with fewer has no quantile of its own: at 50 the coverage of a 90 % quantile still varies by 4 points (sd)."""
SPREAD_CONFIGURATIONS = 50
"""With fewer in all, σ is 1 everywhere: trees would learn the noise."""
SPREAD_FOLDS = 5
NETWORK_ALPHA = 0.1
"""The share of new networks that may lie outside, where nobody asks for another."""

_FLOOR = 0.1
"""Of the median residual; what keeps a lucky row from promising a width of nothing."""
_SMALLEST_FLOOR = 1e-6
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyQuantile:
    """The score that 1 − α of one operator family's configurations stay under."""

    family: str
    configurations: int
    quantile: float | None
    """None where no finite score would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRecord:
    """Everything that an interval rests on beside the residual model's trees; plain numbers, fit for a manifest."""

    alpha: float
    configurations: int
    quantile: float | None
    """Pooled over all families, for those without their own."""
    families: tuple[FamilyQuantile, ...]
    floor: float
    """The smallest σ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Ends of intervals, each of shape (n,), in the prediction's unit."""

    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalModel:
    """Puts an interval around each prediction."""

    record: IntervalRecord
    spread: Booster | None
    """Predicts log σ from the features and the logarithm of the prediction; None is σ = 1."""

    def interval(self, prediction: FloatArray, families: Sequence[str], features: Matrix) -> Interval:
        """Give the ends of each prediction's interval; an infinite prediction (the set B) is its own interval.

        Args:
            prediction: positive predictions, shape (n,).
            families: operator family of each, n words; one that has no quantile of its own takes the pooled one.
            features: what the model was fitted to, shape (n, d).
        """
        own = {family.family: family.quantile for family in self.record.families}
        quantiles = [own.get(family, self.record.quantile) for family in families]
        scale = _sigma(self.spread, prediction, features, floor=self.record.floor)
        return _around(prediction, np.array([_half_width(q) for q in quantiles], dtype=np.float64) * scale)


def fit_intervals(
    prediction: FloatArray,
    truth: FloatArray,
    groups: npt.ArrayLike,
    families: Sequence[str],
    features: Matrix,
    *,
    alpha: float = 0.1,
    seed: int = 0,
) -> IntervalModel:
    """Fit the residual model and the quantiles to cross-fitted predictions.

    Args:
        prediction: each row predicted by a model that saw no row of its group, shape (n,), positive.
        truth: what was measured, shape (n,), positive.
        groups: configuration of each row, shape (n,). It decides for what the intervals hold: the layer alone for layers
            that no phone ran, layer and phone for layers that this phone did not.
        families: operator family of each row, n words.
        features: shape (n, d); NaN is missing.
        alpha: the share of new configurations' rows that may lie outside.
        seed: of the folds and of the residual model.

    Raises:
        ValueError: arrays of different lengths or without rows, values that are no positive finite numbers, or an alpha
            outside (0, 1).
    """
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    if not len(prediction) == len(truth) == len(group) == len(families) == len(features):
        lengths = (len(prediction), len(truth), len(group), len(families), len(features))
        raise ValueError(f"Predictions, truths, groups, families and features are of different lengths: {lengths}.")
    residual = np.abs(_logarithm(truth, "truth") - _logarithm(prediction, "prediction"))
    floor = max(_FLOOR * float(np.median(residual)), _SMALLEST_FLOOR)
    spread, scale = _fit_spread(residual, prediction, group, features, floor=floor, seed=seed)
    scores = residual / scale
    family = np.array(families, dtype=object)
    own = []
    for name in sorted(set(map(str, families))):
        rows = family == name
        count = len(np.unique(group[rows]))
        if count >= FAMILY_CONFIGURATIONS:
            quantile = conformal_quantile(scores[rows], group[rows], alpha)
            own.append(FamilyQuantile(family=name, configurations=count, quantile=quantile))
    record = IntervalRecord(
        alpha=alpha,
        configurations=int(group.max()) + 1,
        quantile=conformal_quantile(scores, group, alpha),
        families=tuple(own),
        floor=floor,
    )
    return IntervalModel(record=record, spread=spread)


def conformal_quantile(scores: FloatArray, groups: npt.ArrayLike, alpha: float) -> float | None:
    """Find the smallest score at which the rows' weights 1/n_g add up to (1 − α)(G + 1); None where none is enough.

    Raises:
        ValueError: alpha is outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha} must be between 0 and 1.")
    weight = _weights(np.asarray(groups))
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weight[order])
    wanted = (1 - alpha) * (round(float(weight.sum())) + 1) - _ROUNDING
    position = int(np.searchsorted(reached, wanted))
    return float(scores[order[position]]) if position < len(scores) else None


def network_factor(sum_truth: FloatArray, sum_prediction: FloatArray, alpha: float = NETWORK_ALPHA) -> float | None:
    """Find the factor f such that a network's truth is in [P/f, P·f] with probability 1 − α.

    Args:
        sum_truth: totals of held-out networks as measured, shape (networks,), positive.
        sum_prediction: the same as predicted by what saw nothing of the network.
        alpha: the share of new networks that may lie outside.

    Returns:
        A factor of at least 1; None with fewer than ⌈1/α⌉ − 1 networks, which promise nothing.

    Raises:
        ValueError: arrays of different lengths, values that are no positive finite numbers, or alpha outside (0, 1).
    """
    if len(sum_truth) != len(sum_prediction):
        raise ValueError(f"{len(sum_truth)} truths and {len(sum_prediction)} predictions do not belong together.")
    if not len(sum_truth):
        return None
    scores = np.abs(_logarithm(sum_truth, "sum_truth") - _logarithm(sum_prediction, "sum_prediction"))
    quantile = conformal_quantile(scores, np.arange(len(scores)), alpha)
    return None if quantile is None else float(np.exp(quantile))


def network_interval(prediction: FloatArray, factor: float | None) -> Interval:
    """Give the ends of networks' intervals by :func:`network_factor`'s answer."""
    half_width = np.inf if factor is None else np.log(factor)
    return _around(prediction, np.full(len(prediction), half_width))


def coverage_percent(interval: Interval, truth: FloatArray) -> float:
    """Say how many of the truths lie in their intervals, ends included."""
    return 100.0 * float(np.mean(_covered(interval, truth)))


def coverage_percent_by_family(interval: Interval, truth: FloatArray, families: Sequence[str]) -> Mapping[str, float]:
    """Say the same per operator family."""
    covered = _covered(interval, truth)
    family = np.array(families, dtype=object)
    return {name: 100.0 * float(np.mean(covered[family == name])) for name in sorted(set(map(str, families)))}


def mean_width_percent(interval: Interval, prediction: FloatArray) -> float:
    """Say how wide the intervals are, upper less lower end, in percent of the prediction on average."""
    return 100.0 * float(np.mean((interval.upper - interval.lower) / prediction))


def _covered(interval: Interval, truth: FloatArray) -> npt.NDArray[np.bool_]:
    return np.asarray((interval.lower <= truth) & (truth <= interval.upper))


def _around(prediction: FloatArray, half_width: FloatArray) -> Interval:
    finite = np.isfinite(prediction)
    with np.errstate(over="ignore", invalid="ignore"):  # ∞ · 0 of an infeasible layer is put right below
        lower = np.where(finite, prediction * np.exp(-half_width), prediction)
        upper = np.where(finite, prediction * np.exp(half_width), prediction)
    return Interval(lower=lower, upper=upper)


def _half_width(quantile: float | None) -> float:
    return np.inf if quantile is None else quantile


def _fit_spread(
    residual: FloatArray,
    prediction: FloatArray,
    group: npt.NDArray[np.intp],
    features: Matrix,
    *,
    floor: float,
    seed: int,
) -> tuple[Booster | None, FloatArray]:
    """Fit log σ to all rows; beside it σ of each row by what saw no row of its group, shape (n,)."""
    n_groups = int(group.max()) + 1
    if n_groups < SPREAD_CONFIGURATIONS:
        return None, np.ones(len(residual))
    wanted, weight = np.log(residual + floor), _weights(group)
    matrix = _spread_features(prediction, features)
    fold = np.random.default_rng(seed).permutation(np.arange(n_groups) % SPREAD_FOLDS)[group]
    scale = np.empty(len(residual))
    for number in range(SPREAD_FOLDS):
        seen, held_out = fold != number, fold == number
        model = _new_spread(seed).fit(matrix[seen], wanted[seen], sample_weight=weight[seen])
        scale[held_out] = _sigma(model.get_booster(), prediction[held_out], features[held_out], floor=floor)
    return _new_spread(seed).fit(matrix, wanted, sample_weight=weight).get_booster(), scale


def _new_spread(seed: int) -> XGBRegressor:
    return XGBRegressor(
        n_estimators=200,
        max_depth=3,
        learning_rate=0.05,
        subsample=0.8,
        colsample_bytree=0.6,
        min_child_weight=20,  # configurations: the size of an error is told by many, not by one
        tree_method="hist",
        n_jobs=1,
        random_state=seed,
    )


def _sigma(spread: Booster | None, prediction: FloatArray, features: Matrix, *, floor: float) -> FloatArray:
    if spread is None or not len(prediction):
        return np.ones(len(prediction))
    learned = np.asarray(spread.inplace_predict(_spread_features(prediction, features)), dtype=np.float64)
    sigma: FloatArray = np.maximum(np.exp(learned), floor)
    return sigma


def _spread_features(prediction: FloatArray, features: Matrix) -> Matrix:
    """Put log p beside the features; NaN where it is infinite."""
    known = np.where(np.isfinite(prediction), prediction, np.nan)
    matrix: Matrix = np.column_stack([features, np.log(known)]).astype(np.float32)
    return matrix


def _weights(groups: npt.NDArray[np.generic]) -> FloatArray:
    """Weigh each row 1/n_g, shape (n,)."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weight: FloatArray = 1.0 / sizes[group]
    return weight


def _logarithm(values: FloatArray, name: str) -> FloatArray:
    wrong = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if not len(values) or len(wrong):
        found = f"row {wrong[0]} is {values[wrong[0]]}" if len(wrong) else "there is no row"
        raise ValueError(f"{name} must be positive and finite, but {found}.")
    logarithm: FloatArray = np.log(values)
    return logarithm
