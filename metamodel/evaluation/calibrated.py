"""A phone that nobody saw, after k of its layers were measured: every learner gets the same adaptation.

Each device is held out in turn, by every seed. A learner is fitted to the other devices, chooses k layers of the held-out
one by its own predictions, never by truths (:mod:`metamodel.adaptation`), is told their medians there, and predicts the
layers that were not measured. The other devices have seen these layers, as in a lab that measures one suite everywhere. A
second pass keeps a part of the layers from all devices: what is learned from k layers must then hold for new ones. A seed
deals that part, one of ``folds``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from metamodel.adaptation import LayerMap, choose_layers, fit_adaptation
from metamodel.errors import TableError
from metamodel.evaluation.learners import LEARNERS, Bob, Learner, once_each, refuse_unknown
from metamodel.evaluation.samples import Samples
from metamodel.evaluation.scores import Figure, Scores, figures, noise_ceiling, paired_difference, score_samples
from metamodel.parallel import run_all
from metamodel.recipe import Judged
from parsers.console import Advance

CALIBRATED_PHONE = "calibrated-phone"
"""The protocol's name."""
MEASUREMENTS = (5, 10, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPlan:
    """What is asked."""

    learners: tuple[str, ...]
    """Names of :data:`metamodel.evaluation.learners.LEARNERS`."""
    measurements: tuple[int, ...] = MEASUREMENTS
    """Each k."""
    folds: int = 5
    """One part in so many is what no device has seen."""
    seeds: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            TableError: a name that is no learner's, or no layer to measure.
        """
        refuse_unknown(self.learners)
        if not self.measurements or min(self.measurements) < 1:
            raise TableError("A phone is calibrated by one measured layer at least: give -k 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedFigures:
    """How a learner did with k measurements."""

    figures: Mapping[str, Figure]
    per_device: Mapping[str, Mapping[str, Figure]]
    lead: Mapping[str, float] | None
    """MAPE of the first learner less this one's; None for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedStanding:
    """How one learner did, by k: on layers that the other devices saw, and on layers that no device saw."""

    seen_layers: Mapping[int, CalibratedFigures]
    unseen_layers: Mapping[int, CalibratedFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedContest:
    """What came of it."""

    plan: CalibrationPlan
    target: str
    rows: int
    devices: tuple[str, ...]
    noise_ceiling: Mapping[str, float | None]
    standings: Mapping[str, CalibratedStanding]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A device that is held out, and the layers that no device has seen; none of them in the first pass."""

    device: str
    seed: int
    hidden: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A learner's scores in one case, by k."""

    learner: str
    case: _Case
    scores: Mapping[int, Scores]


def hold_calibrated(samples: Samples, plan: CalibrationPlan, *, workers: int, advance: Advance) -> CalibratedContest:
    """Let the learners compete on devices that they know by k measurements.

    Args:
        samples: of two devices or more.
        plan: what is asked.
        workers: fits at once.
        advance: takes how many of :func:`count_calibrated_runs` are done.

    Raises:
        TableError: one device alone, or one with too few layers for the largest k.
    """
    devices = tuple(sorted(set(samples.device)))
    cases = list(_cases(samples, devices, plan))
    tasks = [partial(_run, samples, name, case, plan) for case in cases for name in plan.learners]
    notes = [f"{name}, {case.device}" for case in cases for name in plan.learners]
    runs = run_all(tasks, notes=notes, advance=advance, workers=workers)
    return CalibratedContest(
        plan=plan,
        target=samples.target,
        rows=len(samples),
        devices=devices,
        noise_ceiling=noise_ceiling(samples),
        standings={
            name: CalibratedStanding(
                seen_layers=_by_k([run for run in runs if not run.case.hidden], name, plan),
                unseen_layers=_by_k([run for run in runs if run.case.hidden], name, plan),
            )
            for name in plan.learners
        },
    )


def count_calibrated_runs(samples: Samples, plan: CalibrationPlan) -> int:
    """Count what :func:`hold_calibrated` will learn."""
    return 2 * plan.seeds * len(set(samples.device)) * len(plan.learners)


def _cases(samples: Samples, devices: Sequence[str], plan: CalibrationPlan) -> Iterator[_Case]:
    if len(devices) < 2:
        raise TableError(f"{CALIBRATED_PHONE} needs rows of two devices or more; these are of {devices[0]}.")
    layers = sorted(set(samples.configuration))
    if len(layers) < plan.folds:
        raise TableError(f"{plan.folds} folds of {len(layers)} layer configurations: there must be one for each.")
    for seed in range(plan.seeds):
        shuffled = np.random.default_rng(seed).permutation(np.array(layers, dtype=object))
        for hidden in (frozenset(), frozenset(map(str, shuffled[:: plan.folds]))):
            for device in devices:
                case = _Case(device=device, seed=seed, hidden=hidden)
                _refuse_too_few(samples, case, max(plan.measurements))
                yield case


def _refuse_too_few(samples: Samples, case: _Case, most: int) -> None:
    here = set(samples.configuration[samples.device == case.device])
    candidates, tested = len(here - case.hidden), len(here & case.hidden)
    if candidates < most or (tested == 0 if case.hidden else candidates == most):
        raise TableError(
            f"{case.device} has {len(here)} layers: too few to measure {most} and test others; give a smaller -k."
        )


def _run(samples: Samples, name: str, case: _Case, plan: CalibrationPlan) -> _Run:
    here = samples.device == case.device
    hidden = np.isin(samples.configuration, sorted(case.hidden))
    learner = _learner(name, case.seed).fit(samples.take(np.flatnonzero(~here & ~hidden)))
    candidates = samples.take(np.flatnonzero(here & ~hidden))
    others = samples.take(np.flatnonzero(here & hidden)) if case.hidden else candidates
    return _Run(
        learner=name,
        case=case,
        scores=MappingProxyType({k: _calibrate(learner, candidates, others, k, case.seed) for k in plan.measurements}),
    )


def _learner(name: str, seed: int) -> Learner:
    """Make a learner; intervals are not asked for, so that B-o-B need not cross-fit."""
    learner = LEARNERS[name](seed)
    if isinstance(learner, Bob):
        learner.judged = Judged.NOT
    return learner


def _calibrate(learner: Learner, candidates: Samples, others: Samples, k: int, seed: int) -> Scores:
    """Measure k of the candidates, and score the others but for those."""
    names = candidates.feature_names
    unique, measured, _ = once_each(candidates)
    layers = candidates.take(unique)
    predicted = np.log(learner.predict(layers))
    layer_map = LayerMap.of(layers.matrix, names, predicted)
    chosen = choose_layers(layer_map.place(layers.matrix, names, predicted), k, seed=seed)
    adapted = fit_adaptation(layer_map, layers.matrix[chosen], names, predicted[chosen], np.log(measured[chosen]))
    tested = others.take(np.flatnonzero(~np.isin(others.configuration, layers.configuration[chosen])))
    began_s = time.perf_counter()
    before = np.log(learner.predict(tested))
    prediction = np.exp(before + adapted.shift(tested.matrix, names, before))
    took_us = 1e6 * (time.perf_counter() - began_s)
    return score_samples(tested, prediction, predict_us=took_us / len(tested))


def _by_k(runs: Sequence[_Run], name: str, plan: CalibrationPlan) -> dict[int, CalibratedFigures]:
    mine = [run for run in runs if run.learner == name]
    first = [run for run in runs if run.learner == plan.learners[0]]
    return {
        k: CalibratedFigures(
            figures=figures([run.scores[k] for run in mine]),
            per_device={
                device: figures([run.scores[k] for run in mine if run.case.device == device])
                for device in sorted({run.case.device for run in mine})
            },
            lead=None
            if name == plan.learners[0]
            else paired_difference([run.scores[k] for run in first], [run.scores[k] for run in mine]),
        )
        for k in plan.measurements
    }
