"""What a benchmark says: scores per controller, and paired differences to the first one, with bootstrap intervals.

The unit of all statistics is one search: a seed under a limit. Every controller has played the same ones, so
differences are taken search by search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from nas.benchmarking.benchmark import FrontPlay, Play, Plays
from nas.trellis import FloatArray

CHECKPOINTS = (25, 50, 100, 200, 400)
"""Queries behind which controllers are compared."""
HALF_POINT = 0.5
SHARE_BY = 200
EPOCH = 10
"""Queries."""
WAY = 0.9
"""Of the way from a network at random to the best one."""
RESAMPLES = 4000
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean over searches and the interval that holds it in 95 % of bootstrap samples."""

    mean: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfPoint:
    """Queries until the best network found is within half a point of the best there is."""

    median: float | None
    """None where fewer than half of the searches get there."""
    share_by_200: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epochs:
    """Epochs until one of them brings, on average over its queries, 0.9 of the best return there is."""

    median: float | None
    """None where fewer than half of the searches get there."""
    mean: float
    """Whoever never gets there counts with all epochs of the budget."""
    share: float
    """Of the searches that get there."""


AtCheckpoints = dict[str, Interval | None]
"""By numbers of queries; None where the budget ends earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good one controller is."""

    regret: AtCheckpoints
    """Points."""
    test_accuracy: AtCheckpoints
    """Of the pick, in percent."""
    queries_to_half_point: HalfPoint
    infeasible_share: float
    """Of the queries."""
    infeasible_picks: float
    """Of the networks picked in the end, by what the search knows."""
    hypervolume: AtCheckpoints
    """Points × e-folds; only the checkpoint that a search for a front reaches."""
    hypervolume_share: AtCheckpoints
    """Of what all networks of the table dominate."""
    learning_curve: tuple[float, ...]
    """Mean normalised return of every epoch (Fig. 3)."""
    epochs_to_90_percent: Epochs
    ms_per_network: float
    """The controller's own time, on average over queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One controller against the first, search by search."""

    regret: AtCheckpoints
    """This controller's minus the first one's, in points: above zero where the first is better."""
    half_point_ratio: Interval
    """Mean queries to half a point, this controller's over the first one's; whoever never gets there counts with the budget."""
    epochs_ratio: Interval
    """Mean epochs to 0.9, this controller's over the first one's."""
    hypervolume: AtCheckpoints
    """The first one's minus this controller's: above zero where the first is better."""


def scores(plays: Plays) -> dict[str, Score]:
    """Score every controller, in the order of the plays."""
    return {
        name: _score(
            [one for one in plays.single if one.controller == name],
            [one for one in plays.front if one.controller == name],
        )
        for name in _names(plays.single)
    }


def paired(plays: Plays) -> dict[str, Paired]:
    """Compare every controller with the first one."""
    first, *others = _names(plays.single)
    single = {
        name: {(one.limit, one.seed): one for one in plays.single if one.controller == name}
        for name in (first, *others)
    }
    front = {name: {one.seed: one for one in plays.front if one.controller == name} for name in (first, *others)}
    return {
        name: _paired(
            [(single[first][key], single[name][key]) for key in single[first]],
            [(front[first][key], front[name][key]) for key in front[first]],
        )
        for name in others
    }


def document(plays: Plays) -> dict[str, object]:
    """Write scores and comparisons as JSON has them."""
    return {
        "controllers": {name: _renamed(asdict(score)) for name, score in scores(plays).items()},
        "paired": {name: asdict(one) for name, one in paired(plays).items()},
    }


def bootstrap(values: FloatArray) -> Interval:
    """Give a mean over searches, shape (n,), and its 95 % interval, by resampling searches."""
    means = values[_resamples(len(values))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(mean=float(values.mean()), ci95=(float(low), float(high)))


def learning_curves(plays: Sequence[Play]) -> FloatArray:
    """Average the normalised return over every epoch of ten queries: Fig. 3's learning curves, shape (searches, epochs).

    An epoch that the budget, or an exhausted space, cuts short counts with the queries that it has; one without any as the best
    network again, since nothing else is left to ask about.
    """
    epochs = -(-len(plays[0].regret) // EPOCH)
    curves = np.ones((len(plays), epochs))
    for row, one in enumerate(plays):
        for epoch in range(-(-len(one.returns) // EPOCH)):
            curves[row, epoch] = one.returns[epoch * EPOCH : (epoch + 1) * EPOCH].mean()
    return curves


def _score(plays: Sequence[Play], fronts: Sequence[FrontPlay]) -> Score:
    queries = np.array([_queries_to_half_point(one) for one in plays])
    infeasible = np.concatenate([one.infeasible for one in plays])
    curves = learning_curves(plays)
    return Score(
        regret=_at_checkpoints(np.array([one.regret for one in plays])),
        test_accuracy=_at_checkpoints(np.array([one.report for one in plays])),
        queries_to_half_point=HalfPoint(median=_median(queries), share_by_200=float(np.mean(queries <= SHARE_BY))),
        infeasible_share=float(infeasible.mean()),
        infeasible_picks=float(np.mean([one.missed[-1] for one in plays])),
        hypervolume=_at_checkpoints(np.array([one.hypervolume for one in fronts])),
        hypervolume_share=_at_checkpoints(np.array([one.share for one in fronts])),
        learning_curve=tuple(curves.mean(axis=0).tolist()),
        epochs_to_90_percent=_epochs(curves),
        ms_per_network=float(1e3 * np.concatenate([one.seconds for one in plays]).mean()),
    )


def _paired(pairs: Sequence[tuple[Play, Play]], fronts: Sequence[tuple[FrontPlay, FrontPlay]]) -> Paired:
    budget = len(pairs[0][0].regret)
    queries = np.array([[min(_queries_to_half_point(one), budget) for one in pair] for pair in pairs], dtype=float)
    epochs = np.stack([_epochs_to(learning_curves([pair[side] for pair in pairs])) for side in (0, 1)], axis=1)
    return Paired(
        regret=_at_checkpoints(np.array([other.regret - first.regret for first, other in pairs])),
        half_point_ratio=_ratio(queries),
        epochs_ratio=_ratio(np.minimum(epochs, -(-budget // EPOCH))),
        hypervolume=_at_checkpoints(np.array([first.hypervolume - other.hypervolume for first, other in fronts])),
    )


def _ratio(pairs: FloatArray) -> Interval:
    """Divide the second mean of pairs by the first one, from shape (n, 2), with the interval by resampling pairs."""
    mean, resampled = pairs.mean(axis=0), pairs[_resamples(len(pairs))].mean(axis=1)
    low, high = np.quantile(resampled[:, 1] / resampled[:, 0], (0.025, 0.975))
    return Interval(mean=float(mean[1] / mean[0]), ci95=(float(low), float(high)))


def _epochs(curves: FloatArray) -> Epochs:
    reached = _epochs_to(curves)
    return Epochs(
        median=_median(reached),
        mean=float(np.minimum(reached, curves.shape[1]).mean()),
        share=float(np.mean(np.isfinite(reached))),
    )


def _epochs_to(curves: FloatArray) -> FloatArray:
    """Count the epochs until every curve first reaches 0.9, from shape (n, epochs) to (n,); infinite where it never does."""
    there = curves >= WAY - _ROUNDING
    return np.where(there.any(axis=1), there.argmax(axis=1) + 1.0, np.inf)


def _median(counts: FloatArray) -> float | None:
    """Give the median of counts; None where it is infinite."""
    median = float(np.median(counts))
    return median if np.isfinite(median) else None


def _at_checkpoints(curves: FloatArray) -> AtCheckpoints:
    """Average curves of shape (searches, queries) behind every number of queries that they reach."""
    budget = curves.shape[1] if curves.ndim == 2 else 0
    return {str(at): bootstrap(curves[:, at - 1]) if at <= budget else None for at in CHECKPOINTS}


def _queries_to_half_point(one: Play) -> float:
    reached = np.flatnonzero(one.regret <= HALF_POINT + _ROUNDING)
    return float(reached[0] + 1) if len(reached) else np.inf


def _resamples(n: int) -> np.ndarray:
    """Draw which searches each bootstrap sample holds, always the same ones; shape (resamples, n)."""
    return np.random.default_rng(0).integers(n, size=(RESAMPLES, n))


def _names(plays: Sequence[Play]) -> list[str]:
    return list(dict.fromkeys(one.controller for one in plays))


def _renamed(score: dict[str, object]) -> dict[str, object]:
    """Give one score the name that scripts know."""
    return {"epochs_to_0.9" if name == "epochs_to_90_percent" else name: value for name, value in score.items()}
