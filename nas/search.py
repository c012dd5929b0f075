"""The search: one loop, one budget, one history, whoever the controller is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.controllers.controller import Controller
from nas.environment import SearchEnvironment
from nas.errors import SettingsError
from nas.trellis import Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One accuracy query: what was asked about, what came back, and how the controller stood behind it."""

    choices: Choices
    accuracy: float
    """In [0, 1]."""
    costs: tuple[float, ...]
    """By the predictor, one per signal that is counted (``Budget.signals``), each in its unit."""
    epsilon: float | None
    """Weight of the secondary signal behind this query; None for a controller that weighs none."""
    growth: float | None
    """Δ, this accuracy minus the moving average of those before it."""
    feasible_share: float
    """Of the choices that fitted along the way, how many the limit left open, on average over the slots."""
    seconds: float
    """Of drawing, asking and learning."""

    @property
    def cost(self) -> float:
        """The first of the costs."""
        return self.costs[0]


Report = Callable[[Sequence[Record]], None]
"""Told after every query, with all records so far."""


def search(
    environment: SearchEnvironment, controller: Controller, *, budget: int, report: Report
) -> tuple[Record, ...]:
    """Ask about ``budget`` networks, each once; fewer where the controller finds nothing new.

    Every proposal walks through the environment, so that whatever a controller believes, a network beyond the limit
    earns nothing and is seen in the history.

    Raises:
        SettingsError: a budget below 1.
    """
    if budget < 1:
        raise SettingsError(f"A budget of {budget} accuracy queries finds nothing. Give --budget 1 or more.")
    records: list[Record] = []
    while len(records) < budget:
        begun = time.perf_counter()
        choices = controller.propose()
        if choices is None:
            break
        accuracy, costs, shares = _walk(environment, choices)
        controller.learn(choices, accuracy)
        regulation = controller.regulation()
        records.append(
            Record(
                choices=choices,
                accuracy=accuracy,
                costs=costs,
                epsilon=regulation.epsilons[0] if regulation else None,
                growth=regulation.growth if regulation else None,
                feasible_share=float(np.mean(shares)),
                seconds=time.perf_counter() - begun,
            )
        )
        report(records)
    return tuple(records)


def finalists(records: Sequence[Record], count: int) -> tuple[Record, ...]:
    """Give the most accurate networks, best first; the cheaper of two that are equally accurate comes first."""
    return tuple(sorted(records, key=lambda record: (-record.accuracy, record.cost))[:count])


def best_record(records: Sequence[Record]) -> Record:
    """Give the most accurate network, the cheaper of two that are equally accurate."""
    return finalists(records, 1)[0]


def _walk(environment: SearchEnvironment, choices: Choices) -> tuple[float, tuple[float, ...], list[float]]:
    """Take a network through the environment: its accuracy, its costs, the feasible share in every slot."""
    environment.reset()
    shares: list[float] = []
    for choice in choices:
        shares.append(environment.feasible_share())
        _, reward, terminated, _, info = environment.step(np.int64(choice))
        if terminated:
            break
    return reward, tuple(info["costs"].tolist()), shares
