"""The search: one loop, one budget, one history, whoever the controller is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from nas.controllers.controller import Controller
from nas.errors import ResumeError, SettingsError
from nas.searching.environment import SearchEnvironment
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
    within: bool
    """Whether it keeps the limits."""
    feasible_share: float
    """Of the choices that fitted along the way, how many the limit left open, on average over the slots."""
    seconds: float
    """Of drawing, asking and learning."""

    @property
    def cost(self) -> float:
        """The first of the costs."""
        return self.costs[0]


_OTHERWISE = (
    "The search does not repeat what it did before it was stopped: the predictor, a library or the machine is another one. "
    "Start over with --fresh, or go on where it began."
)

Report = Callable[[Sequence[Record]], None]
"""Told after every query, with all records so far."""


class Log(Protocol):
    """Keeps records, so that a search that was stopped goes on behind the last one."""

    @property
    def kept(self) -> Sequence[Record]:
        """What was kept before, in order."""
        ...

    def append(self, record: Record) -> None:
        """Keep one more."""
        ...


def search(
    environment: SearchEnvironment,
    controller: Controller,
    *,
    keeps: Callable[[Choices], bool],
    budget: int,
    report: Report,
    patience: int = 0,
    log: Log | None = None,
) -> tuple[Record, ...]:
    """Ask about ``budget`` networks, each once; fewer where the controller finds nothing new.

    Every proposal walks through the environment, so that whatever a controller believes, a network beyond the limit
    earns nothing and is seen in the history.

    Args:
        environment: asks for the accuracy, and rules out what the controller is not to ask about.
        controller: fresh; it is told the answers of the log again before it asks anything new.
        keeps: tells whether a network keeps the limits.
        budget: queries, those of the log among them.
        report: see :data:`Report`.
        patience: queries in a row without a better network after which the search ends; 0 spends the whole budget.
        log: what was asked before, and where to keep what is asked now.

    Raises:
        SettingsError: a budget below 1.
        ResumeError: the controller does not ask again what the log says that it asked.
    """
    if budget < 1:
        raise SettingsError(f"A budget of {budget} accuracy queries finds nothing. Give --budget 1 or more.")
    kept = log.kept if log else ()
    records: list[Record] = []
    while len(records) < budget and not _is_at_plateau(records, patience):
        before = kept[len(records)] if len(records) < len(kept) else None
        record = _query(environment, controller, keeps, before)
        if record is None:
            break
        if log and before is None:
            log.append(record)
        records.append(record)
        report(records)
    return tuple(records)


def finalists(records: Sequence[Record], count: int) -> tuple[Record, ...]:
    """Give the most accurate networks within the limits, best first; of two equally accurate ones, the cheaper first."""
    within = [record for record in records if record.within]
    return tuple(sorted(within, key=lambda record: (-record.accuracy, record.cost))[:count])


def best_record(records: Sequence[Record]) -> Record | None:
    """Give the first of the :func:`finalists`; None where no network keeps the limits."""
    return next(iter(finalists(records, 1)), None)


def _query(
    environment: SearchEnvironment, controller: Controller, keeps: Callable[[Choices], bool], before: Record | None
) -> Record | None:
    """Let a controller ask about one network and learn the answer; None where it finds nothing new.

    What was asked before is not computed again: the controller hears the answer that the record has.
    """
    begun = time.perf_counter()
    choices = controller.propose()
    if before is not None and choices != before.choices:
        raise ResumeError(_OTHERWISE)
    if choices is None:
        return None
    accuracy, costs, shares = _walk(environment, choices)
    controller.learn(choices, accuracy)
    regulation = controller.regulation()
    record = Record(
        choices=choices,
        accuracy=accuracy,
        costs=costs,
        epsilon=regulation.epsilons[0] if regulation and regulation.epsilons else None,
        growth=regulation.growth if regulation else None,
        within=len(shares) == environment.budget.trellis.slots and keeps(choices),
        feasible_share=float(np.mean(shares)),
        seconds=time.perf_counter() - begun,
    )
    if before is not None and replace(record, seconds=before.seconds) != before:
        raise ResumeError(_OTHERWISE)
    return before or record


def _is_at_plateau(records: Sequence[Record], patience: int) -> bool:
    """Tell whether so many queries in a row have brought no better network; before there is one, they go on."""
    earlier = best_record(records[: max(0, len(records) - patience)])
    if not patience or earlier is None:
        return False
    return all(record.accuracy <= earlier.accuracy for record in records[-patience:] if record.within)


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
