"""All learners on the same folds: every seed deals anew, every fold is learned and predicted by each of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from metamodel.conformal import Interval, coverage_percent_by_family
from metamodel.evaluation.learners import LEARNERS, Cautious, refuse_unknown
from metamodel.evaluation.protocols import Fold, Protocol, Unit, folds_of
from metamodel.evaluation.samples import Rows, Samples
from metamodel.evaluation.scores import (
    Figure,
    Scores,
    figure,
    figures,
    network_sum_mape,
    noise_ceiling,
    paired_difference,
    score_samples,
)
from metamodel.interface import FloatArray
from metamodel.parallel import run_all
from parsers.console import Advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked."""

    protocol: Protocol
    learners: tuple[str, ...]
    """Names of :data:`metamodel.evaluation.learners.LEARNERS`."""
    folds: int = 5
    seeds: int = 3
    unit: Unit = Unit.NETWORK
    """What stays together where networks are held out."""

    def __post_init__(self) -> None:
        """Refuse names that are no learners.

        Raises:
            TableError: the message names the learners there are.
        """
        refuse_unknown(self.learners)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one learner did."""

    figures: Mapping[str, Figure]
    per_device: Mapping[str, Mapping[str, Figure]]
    lead: Mapping[str, float] | None
    """MAPE of the first learner less this one's, over folds and seeds: mean, low and high of the 95 % interval."""
    predictions: tuple[FloatArray, ...]
    """Per seed, the response of each sample by what did not learn from it, in the samples' order, shape (n,); NaN where no
    fold tests it."""
    coverage_by_family: Mapping[str, Figure]
    """Share of an operator family's samples inside their 90 % interval, %, over seeds; empty without intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What came of it."""

    plan: Plan
    target: str
    rows: int
    devices: tuple[str, ...]
    noise_ceiling: Mapping[str, float | None]
    standings: Mapping[str, Standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One learner's predictions of one fold's test samples."""

    learner: str
    seed: int
    test: Rows
    prediction: FloatArray
    interval: Interval | None
    never_seen: npt.NDArray[np.bool_]
    """Which of the tested samples have a configuration that no training sample has, shape (tested,)."""
    predict_us: float

    def scores(self, samples: Samples, kept: npt.NDArray[np.bool_] | None = None) -> Scores:
        """Score the tested samples, or those of them that are kept, shape (tested,)."""
        here = np.ones(len(self.test), dtype=bool) if kept is None else kept
        interval = self.interval and Interval(lower=self.interval.lower[here], upper=self.interval.upper[here])
        return score_samples(
            samples.take(self.test[here]),
            self.prediction[here],
            interval=interval,
            never_seen=self.never_seen[here],
            predict_us=self.predict_us,
        )


def hold(samples: Samples, plan: Plan, *, workers: int, advance: Advance) -> Contest:
    """Let the learners compete.

    Args:
        samples: of one device, or of several for one model of all.
        plan: what is held out, and who competes.
        workers: folds learned at once.
        advance: takes how many of :func:`count_runs` are done.

    Raises:
        TableError: the samples cannot be dealt into so many folds.
    """
    tasks, notes = [], []
    for seed in range(plan.seeds):
        for fold in folds_of(samples, plan.protocol, folds=plan.folds, seed=seed, unit=plan.unit):
            for name in plan.learners:
                tasks.append(partial(_run, samples, name, fold, seed))
                notes.append(f"{name}, {fold.name}")
    runs = run_all(tasks, notes=notes, advance=advance, workers=workers)
    by_learner = {name: [run for run in runs if run.learner == name] for name in plan.learners}
    devices = tuple(sorted(set(samples.device)))
    first = _fold_scores(samples, by_learner[plan.learners[0]])
    return Contest(
        plan=plan,
        target=samples.target,
        rows=len(samples),
        devices=devices,
        noise_ceiling=noise_ceiling(samples),
        standings={
            name: _standing(
                samples,
                runs,
                devices,
                lead=None if name == plan.learners[0] else paired_difference(first, _fold_scores(samples, runs)),
            )
            for name, runs in by_learner.items()
        },
    )


def count_runs(samples: Samples, plan: Plan) -> int:
    """Count what :func:`hold` will learn."""
    folds = len(set(samples.device)) if plan.protocol is Protocol.UNSEEN_PHONE else plan.folds
    return plan.seeds * folds * len(plan.learners)


def _run(samples: Samples, name: str, fold: Fold, seed: int) -> _Run:
    learner = LEARNERS[name](seed).fit(samples.take(fold.train))
    tested = samples.take(fold.test)
    began_s = time.perf_counter()
    prediction = learner.predict(tested)
    took_us = 1e6 * (time.perf_counter() - began_s)
    return _Run(
        learner=name,
        seed=seed,
        test=fold.test,
        prediction=prediction,
        interval=learner.interval(tested, prediction) if isinstance(learner, Cautious) else None,
        never_seen=~np.isin(tested.configuration, samples.configuration[fold.train]),
        predict_us=took_us / max(1, len(fold.test)),
    )


def _standing(
    samples: Samples, runs: Sequence[_Run], devices: Sequence[str], lead: Mapping[str, float] | None
) -> Standing:
    scores = _fold_scores(samples, runs)
    several = len(devices) > 1
    predictions = _put_together(samples, runs)
    return Standing(
        figures={**figures(scores), "network_sum_mape": _network_sums(samples, predictions)},
        per_device={device: _on_device(samples, runs, device) for device in devices} if several else {},
        lead=lead,
        coverage_by_family=_coverage_by_family(samples, runs),
        predictions=predictions,
    )


def _fold_scores(samples: Samples, runs: Sequence[_Run]) -> list[Scores]:
    return [run.scores(samples) for run in runs]


def _on_device(samples: Samples, runs: Sequence[_Run], device: str) -> dict[str, Figure]:
    scores = []
    for run in runs:
        here = samples.device[run.test] == device
        if here.any():
            scores.append(run.scores(samples, here))
    return figures(scores)


def _put_together(samples: Samples, runs: Sequence[_Run]) -> tuple[FloatArray, ...]:
    """Put each seed's folds together: every sample predicted by what did not learn from it, shape (n,)."""
    predictions = {run.seed: np.full(len(samples), np.nan) for run in runs}
    for run in runs:
        predictions[run.seed][run.test] = run.prediction
    return tuple(predictions[seed] for seed in sorted(predictions))


def _network_sums(samples: Samples, predictions: Sequence[FloatArray]) -> Figure:
    values = []
    for prediction in predictions:
        known = np.flatnonzero(np.isfinite(prediction))
        values.append(network_sum_mape(samples.take(known), prediction[known]))
    return figure(values)


def _coverage_by_family(samples: Samples, runs: Sequence[_Run]) -> dict[str, Figure]:
    """Put each seed's folds together: a family with few samples in a fold has many in all."""
    by_seed: list[Mapping[str, float]] = []
    for seed in sorted({run.seed for run in runs}):
        parts = [(run.test, run.interval) for run in runs if run.seed == seed and run.interval is not None]
        if parts:
            rows = np.concatenate([test for test, _ in parts])
            interval = Interval(
                lower=np.concatenate([one.lower for _, one in parts]),
                upper=np.concatenate([one.upper for _, one in parts]),
            )
            by_seed.append(coverage_percent_by_family(interval, samples.truth[rows], samples.family[rows].tolist()))
    families = sorted({family for covered in by_seed for family in covered})
    return {family: figure([covered[family] for covered in by_seed if family in covered]) for family in families}
