"""What the two controllers from Optuna share: a study that is asked for networks and told what they are worth.

Optuna suggests what it likes, also what is closed or was asked about already. A closed network is turned down for free, one that is
known is told again what it is worth; after some of either a fresh one is drawn, as every rival draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nas.controllers.assistance import Assistance
from nas.trellis import Choices

_CLOSED = 16
"""Suggestions beyond the limit that are turned down before a fresh network is drawn."""
_KNOWN = 4
"""Suggestions of what was asked about already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a study is told of a network."""

    values: tuple[float, ...]
    """One per direction."""
    excess: float
    """Above zero where the network breaks the limit."""


Direction = Literal["maximize", "minimize"]

Judge = Callable[[Choices, float], Verdict]
"""Turns a network and its accuracy into what a study is told."""


class Study:
    """An Optuna study over the slots' choices.

    Args:
        given: what is open.
        sampler: Optuna's.
        directions: ``maximize`` or ``minimize``, one per value.
        judge: what is told of a network.
    """

    def __init__(self, given: Assistance, sampler: BaseSampler, directions: Sequence[Direction], judge: Judge) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._judge = judge
        self._study = optuna.create_study(sampler=sampler, directions=list(directions))
        self._slots: dict[str, BaseDistribution] = {
            f"slot{slot}": CategoricalDistribution(list(range(step.shape[1])))
            for slot, step in enumerate(given.budget.steps, start=1)
        }
        self._open: Trial | None = None

    def suggest(self, given: Assistance, asked: dict[Choices, float]) -> Choices | None:
        """Ask for an open network that was not asked about; None where many suggestions bring none."""
        closed = known = 0
        while closed < _CLOSED and known < _KNOWN:
            trial = self._study.ask(self._slots)
            choices: Choices = tuple(trial.params[name] for name in self._slots)
            if not given.offers(choices):
                closed += 1
                self._study.tell(trial, state=TrialState.FAIL)
            elif choices in asked:
                known += 1
                self._tell(trial, self._judge(choices, asked[choices]))
            else:
                self._open = trial
                return choices
        return None

    def learn(self, choices: Choices, accuracy: float) -> None:
        """Tell the study of a network, whether it suggested it or not."""
        verdict = self._judge(choices, accuracy)
        if self._open is None:
            self._study.add_trial(self._finished(choices, verdict))
        else:
            self._tell(self._open, verdict)
        self._open = None

    def _tell(self, trial: Trial, verdict: Verdict) -> None:
        trial.set_constraint("limit", verdict.excess)
        self._study.tell(trial, verdict.values)

    def _finished(self, choices: Choices, verdict: Verdict) -> FrozenTrial:
        return create_trial(
            params=dict(zip(self._slots, choices, strict=True)),
            distributions=self._slots,
            values=list(verdict.values),
            constraints={"limit": verdict.excess},
        )
