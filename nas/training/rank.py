"""Do shared weights rank networks as training each alone does? Twenty networks, both accuracies, Spearman's coefficient.

Shared weights are judged by what a search asks of them: their networks are drawn as a search draws its first ones, near the
limit. Such networks lie closer together than networks at large, so that the coefficient is lower than it would be over the
whole space, and closer to what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joblib import Parallel, delayed
from scipy.stats import spearmanr

from nas.datasets.splits import Data
from nas.space import Architecture, Space
from nas.training.accuracy import AccuracySource
from nas.training.curve import gain_of_last_third
from nas.training.quality import accuracy_of
from nas.training.schedule import Schedule
from nas.training.train import Advance, train_alone, while_parent_lives

WEAK = 0.5
"""Below this coefficient, a search is warned: its queries tell little of how good its networks are."""

_DRAWS_PER_NETWORK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One network, judged both ways."""

    shared: float
    """Accuracy by shared weights, on validation images, in [0, 1]."""
    alone: float
    """Accuracy on validation images when trained alone, in [0, 1]."""
    late_gain: float
    """What the last third of that training gained, in [0, 1]."""


def rank_correlation(ranked: Sequence[Ranked]) -> float:
    """Give Spearman's coefficient between both accuracies; 0 where one of them is the same for all networks.

    Raises:
        ValueError: fewer than three networks.
    """
    if len(ranked) < 3:
        raise ValueError(f"{len(ranked)} networks have no ranks to compare")
    shared, alone = [one.shared for one in ranked], [one.alone for one in ranked]
    if len(set(shared)) == 1 or len(set(alone)) == 1:
        return 0.0
    return float(spearmanr(shared, alone).statistic)


def different(draw: Callable[[], Architecture], count: int) -> tuple[Architecture, ...]:
    """Draw so many networks, no two alike; fewer where there are no more to be found."""
    found: dict[Architecture, None] = {}
    for _ in range(count * _DRAWS_PER_NETWORK):
        found[draw()] = None
        if len(found) == count:
            break
    return tuple(found)


def judge_both_ways(
    space: Space,
    architectures: Sequence[Architecture],
    source: AccuracySource,
    data: Data,
    schedule: Schedule,
    *,
    seed: int,
    threads: int,
    workers: int,
    advance: Advance,
) -> tuple[Ranked, ...]:
    """Ask shared weights about networks, and train each alone.

    Args:
        space: whose networks they are.
        architectures: the networks.
        source: the shared weights.
        data: what is learned from and judged on.
        schedule: of each training alone.
        seed: of each training alone.
        threads: of torch, in each worker.
        workers: processes that train beside each other; the result does not hang on them.
        advance: told how many networks are done.
    """
    shared = [source.accuracy(architecture) for architecture in architectures]
    jobs = (
        delayed(_alone)(space, architecture, data, schedule, seed=seed, threads=threads)
        for architecture in architectures
    )
    ranked: list[Ranked] = []
    for accuracy, (alone, gain) in zip(shared, Parallel(n_jobs=workers, return_as="generator")(jobs), strict=True):
        ranked.append(Ranked(shared=accuracy, alone=alone, late_gain=gain))
        advance(len(ranked), f"{accuracy:.1%} by shared weights, {alone:.1%} alone")
    return tuple(ranked)


def _alone(
    space: Space, architecture: Architecture, data: Data, schedule: Schedule, *, seed: int, threads: int
) -> tuple[float, float]:
    trained = train_alone(space, architecture, data, schedule, seed=seed, threads=threads, advance=while_parent_lives())
    return accuracy_of(trained.network, data.validation), gain_of_last_third(trained.curve)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCheck:
    """How shared weights of one search ranked networks."""

    networks: int
    correlation: float
    """Spearman's coefficient with training alone."""

    @property
    def weak(self) -> bool:
        """Whether the search is to be warned."""
        return self.correlation < WEAK
