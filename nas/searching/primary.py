"""Primary signals beside accuracy: a cost that is to be as low as it can, or a function of the user's.

They answer as an accuracy does, in [0, 1] and higher is better, so that the search asks one thing. No network has to be
trained for them.
"""

from __future__ import annotations

from nas.limits.rewards import primary_reward
from nas.limits.signals import ACCURACY
from nas.limits.user_signal import UserSignal
from nas.searching.problem import Problem
from nas.space import Architecture, Space
from nas.training.accuracy import AccuracySource
from nas.trellis import choices_of


class CostSource:
    """r_P = y_lowest / y by one of a problem's costs, where y_lowest is the lowest of all networks.

    Args:
        problem: whose costs.
        name: which one.
    """

    def __init__(self, problem: Problem, name: str) -> None:
        self._problem = problem
        self._signal = next(signal for signal in problem.budget.signals if signal.name == name)
        self._lowest = self._signal.lowest(problem.trellis)

    def accuracy(self, architecture: Architecture) -> float:
        """Give r_P of a network."""
        cost = self._signal.total(self._problem.trellis, choices_of(self._problem.space, architecture))
        return min(1.0, primary_reward(cost, self._lowest))


class UserSource:
    """A function of the user's, called with whole networks."""

    def __init__(self, space: Space, signal: UserSignal) -> None:
        self._space, self._signal = space, signal

    def accuracy(self, architecture: Architecture) -> float:
        """Give what the function says of a network.

        Raises:
            SettingsError: it is no number in [0, 1].
        """
        return self._signal.quality(self._space, architecture)


def primary_source(problem: Problem) -> AccuracySource | None:
    """Give what answers for the primary signal; None where that is accuracy, which somebody has to train for."""
    name = problem.goals.primary
    if name == ACCURACY:
        return None
    own = [signal for signal in problem.goals.own if signal.name == name]
    return UserSource(problem.space, own[0]) if own else CostSource(problem, name)
