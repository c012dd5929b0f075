"""Do queries rank networks as training each alone does? Twenty networks, both accuracies, Spearman's coefficient.

Queries are judged by what a search asks of them: their networks are drawn as a search draws its first ones, near the limit. Such networks lie closer together than networks at large, so that the coefficient is lower than it would be over the
whole space, and closer to what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joblib import Parallel, delayed
from scipy.stats import spearmanr

from nas.datasets.splits import Data
from nas.space import Architecture, Space
from nas.training.curve import gain_of_last_third
from nas.training.quality import accuracy_of
from nas.training.schedule import Schedule
from nas.training.train import Advance, train_alone, while_parent_lives

WEAK = 0.5
"""Below this coefficient, a search is warned: its queries tell little of how good its networks are."""

_DRAWS_PER_NETWORK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One network, trained alone."""

    accuracy: float
    """On validation images, in [0, 1]."""
    late_gain: float
    """What the last third of its training gained, in [0, 1]."""


def rank_correlation(queried: Sequence[float], alone: Sequence[float]) -> float:
    """Give Spearman's coefficient between two accuracies of the same networks; 0 where one is the same for all of them.

    Raises:
        ValueError: fewer than three networks.
    """
    if len(queried) < 3:
        raise ValueError(f"{len(queried)} networks have no ranks to compare")
    if len(set(queried)) == 1 or len(set(alone)) == 1:
        return 0.0
    return float(spearmanr(queried, alone).statistic)


def different(draw: Callable[[], Architecture], count: int) -> tuple[Architecture, ...]:
    """Draw so many networks, no two alike; fewer where there are no more to be found."""
    found: dict[Architecture, None] = {}
    for _ in range(count * _DRAWS_PER_NETWORK):
        found[draw()] = None
        if len(found) == count:
            break
    return tuple(found)


def judge_alone(
    space: Space,
    architectures: Sequence[Architecture],
    data: Data,
    schedule: Schedule,
    *,
    seed: int,
    threads: int,
    workers: int,
    advance: Advance,
) -> tuple[Judged, ...]:
    """Train networks alone, each from fresh weights.

    Args:
        space: whose networks they are.
        architectures: the networks.
        data: what is learned from and judged on.
        schedule: of each training.
        seed: of each training.
        threads: of torch, in each worker.
        workers: processes that train beside each other; the result does not hang on them.
        advance: told how many networks are done.
    """
    jobs = (
        delayed(_judge)(space, architecture, data, schedule, seed=seed, threads=threads)
        for architecture in architectures
    )
    judged: list[Judged] = []
    for one in Parallel(n_jobs=workers, return_as="generator")(jobs):
        judged.append(one)
        advance(len(judged), f"{one.accuracy:.1%}")
    return tuple(judged)


def _judge(
    space: Space, architecture: Architecture, data: Data, schedule: Schedule, *, seed: int, threads: int
) -> Judged:
    trained = train_alone(space, architecture, data, schedule, seed=seed, threads=threads, advance=while_parent_lives())
    return Judged(accuracy=accuracy_of(trained.network, data.validation), late_gain=gain_of_last_third(trained.curve))


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCheck:
    """How the queries of one search ranked networks."""

    networks: int
    correlation: float
    """Spearman's coefficient with training alone."""

    @property
    def weak(self) -> bool:
        """Whether the search is to be warned."""
        return self.correlation < WEAK
