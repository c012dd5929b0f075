"""What a benchmark says: scores per controller, and paired differences to the first one, with bootstrap intervals.

The unit of all statistics is one search: a seed under a limit. Every controller has played the same ones, so
differences are taken search by search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from nas.benchmark import Play
from nas.trellis import FloatArray

CHECKPOINTS = (25, 50, 100, 200, 400)
"""Queries behind which controllers are compared."""
HALF_POINT = 0.5
SHARE_BY = 200
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
class Score:
    """How good one controller is; keys of dictionaries are numbers of queries, None where the budget ends earlier."""

    regret: dict[str, Interval | None]
    """Points."""
    test_accuracy: dict[str, Interval | None]
    """Of the pick, in percent."""
    queries_to_half_point: HalfPoint
    infeasible_share: float
    """Of the queries."""
    hypervolume: dict[str, float | None]
    ms_per_network: float
    """The controller's own time, on average over queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One controller against the first, search by search."""

    regret: dict[str, Interval | None]
    """This controller's minus the first one's, in points: above zero where the first is better."""
    half_point_ratio: Interval
    """Mean queries to half a point, this controller's over the first one's; whoever never gets there counts with the budget."""


def scores(plays: Sequence[Play]) -> dict[str, Score]:
    """Score every controller, in the order of the plays."""
    return {name: _score([one for one in plays if one.controller == name]) for name in _names(plays)}


def paired(plays: Sequence[Play]) -> dict[str, Paired]:
    """Compare every controller with the first one."""
    first, *others = _names(plays)
    of = {name: {(one.limit, one.seed): one for one in plays if one.controller == name} for name in (first, *others)}
    return {name: _paired([(of[first][key], of[name][key]) for key in of[first]]) for name in others}


def document(plays: Sequence[Play]) -> dict[str, object]:
    """Write scores and comparisons as JSON has them."""
    return {
        "controllers": {name: asdict(score) for name, score in scores(plays).items()},
        "paired": {name: asdict(one) for name, one in paired(plays).items()},
    }


def bootstrap(values: FloatArray) -> Interval:
    """Give a mean over searches, shape (n,), and its 95 % interval, by resampling searches."""
    means = values[_resamples(len(values))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(mean=float(values.mean()), ci95=(float(low), float(high)))


def _score(plays: Sequence[Play]) -> Score:
    queries = np.array([_queries_to_half_point(one) for one in plays])
    median = float(np.median(queries))
    infeasible = np.concatenate([one.infeasible for one in plays])
    return Score(
        regret=_at_checkpoints(np.array([one.regret for one in plays])),
        test_accuracy=_at_checkpoints(np.array([one.report for one in plays])),
        queries_to_half_point=HalfPoint(
            median=median if np.isfinite(median) else None, share_by_200=float(np.mean(queries <= SHARE_BY))
        ),
        infeasible_share=float(infeasible.mean()),
        hypervolume={"100": None},
        ms_per_network=float(1e3 * np.concatenate([one.seconds for one in plays]).mean()),
    )


def _paired(pairs: Sequence[tuple[Play, Play]]) -> Paired:
    budget = len(pairs[0][0].regret)
    queries = np.array([[min(_queries_to_half_point(one), budget) for one in pair] for pair in pairs], dtype=float)
    resampled = queries[_resamples(len(pairs))].mean(axis=1)
    low, high = np.quantile(resampled[:, 1] / resampled[:, 0], (0.025, 0.975))
    mean = queries.mean(axis=0)
    return Paired(
        regret=_at_checkpoints(np.array([other.regret - first.regret for first, other in pairs])),
        half_point_ratio=Interval(mean=float(mean[1] / mean[0]), ci95=(float(low), float(high))),
    )


def _at_checkpoints(curves: FloatArray) -> dict[str, Interval | None]:
    """Average curves of shape (searches, budget) behind every number of queries."""
    budget = curves.shape[1]
    return {str(at): bootstrap(curves[:, at - 1]) if at <= budget else None for at in CHECKPOINTS}


def _queries_to_half_point(one: Play) -> float:
    reached = np.flatnonzero(one.regret <= HALF_POINT + _ROUNDING)
    return float(reached[0] + 1) if len(reached) else np.inf


def _resamples(n: int) -> np.ndarray:
    """Draw which searches each bootstrap sample holds, always the same ones; shape (resamples, n)."""
    return np.random.default_rng(0).integers(n, size=(RESAMPLES, n))


def _names(plays: Sequence[Play]) -> list[str]:
    return list(dict.fromkeys(one.controller for one in plays))
