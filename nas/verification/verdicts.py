"""Predicted against measured: errors of networks and of groups of them, and whether limits are kept.

Notation::

    P, W   a network's predicted and measured latency           [ms]
    e      signed error, P / W − 1: negative where the network takes longer than predicted
    n      processes that measured it, each with its median

**A measurement's range** reaches from the fastest process to the slowest. The median of what a process would show lies
within it with probability 1 − 2^(1−n), whatever the distribution: 94 % for five processes. Iterations of one process say
little about that (``docs/measuring.md``).

**A limit** is kept where the whole range is within it, broken where all of it is beyond, and else nobody can tell.

**The winner's curse**: the best of a search are chosen for their accuracy *under a predicted limit*, so they are those that
the predictor believes to be cheaper than they are. Networks drawn at random under the same limit share the predictor's
general error, not that choice; the difference between both groups' mean errors is what choosing costs. Means are of
log(P / W), with Student's interval; the difference's is Welch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
"""Of the groups' intervals."""


class Verdict(StrEnum):
    """What a measurement says about a limit."""

    KEEPS = "keeps"
    BREAKS = "breaks"
    CANNOT_TELL = "cannot tell"
    """The limit lies within the measurement's range."""
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A measured quantity: the median over processes, and the ends."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, processes: Sequence[float]) -> Range | None:
        """Sum up what each process showed; None where there was none."""
        if not processes:
            return None
        return cls(middle=float(np.median(processes)), low=min(processes), high=max(processes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A limit held against one network's measurement."""

    verdict: Verdict
    beyond: float | None
    """The measured share of the limit, less one: 0.1 is a tenth beyond; None where nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanError:
    """A mean signed error, and the interval that it lies in with :data:`CONFIDENCE`."""

    networks: int
    mean: float
    interval: tuple[float, float] | None
    """None with fewer than two networks."""


def judge(measured: Range | None, limit: float) -> Judgement:
    """Hold a limit against a measurement, both in the same unit."""
    if measured is None:
        return Judgement(verdict=Verdict.NOT_MEASURED, beyond=None)
    beyond = measured.middle / limit - 1
    if measured.high <= limit:
        return Judgement(verdict=Verdict.KEEPS, beyond=beyond)
    if measured.low > limit:
        return Judgement(verdict=Verdict.BREAKS, beyond=beyond)
    return Judgement(verdict=Verdict.CANNOT_TELL, beyond=beyond)


def signed_error(predicted: float, measured: float) -> float:
    """Give e = P / W − 1."""
    return predicted / measured - 1


def range_confidence(processes: int) -> float:
    """Give the probability that the median of all processes lies between the fastest and the slowest that were seen."""
    return 1 - 2.0 ** (1 - processes) if processes else 0.0


def mean_error(errors: Sequence[float]) -> MeanError | None:
    """Average a group's signed errors by their logarithms; None without any."""
    if not errors:
        return None
    logs = np.log1p(errors)
    spread = _standard_error(logs)
    return _mean_error(float(logs.mean()), spread, len(logs) - 1, networks=len(logs))


def difference(best: Sequence[float], random: Sequence[float]) -> MeanError | None:
    """Compare two groups' mean signed errors, (1 + e of the best) / (1 + e of the random) − 1; None where one is empty.

    Negative: the best are underestimated by more than others.
    """
    if not best or not random:
        return None
    logs = [np.log1p(errors) for errors in (best, random)]
    mean = float(logs[0].mean() - logs[1].mean())
    variances = [_standard_error(one) ** 2 for one in logs]
    total = sum(variances)
    freedom = 0.0
    if min(map(len, logs)) > 1 and total > 0:
        # Welch-Satterthwaite
        freedom = total**2 / sum(v**2 / (len(one) - 1) for v, one in zip(variances, logs, strict=True))
    return _mean_error(mean, math.sqrt(total), freedom, networks=len(best) + len(random))


def _mean_error(mean: float, standard_error: float, freedom: float, *, networks: int) -> MeanError:
    interval = None
    if freedom > 0:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * standard_error
        interval = (math.expm1(mean - half), math.expm1(mean + half))
    return MeanError(networks=networks, mean=math.expm1(mean), interval=interval)


def _standard_error(logs: np.typing.NDArray[np.float64]) -> float:
    return float(logs.std(ddof=1) / math.sqrt(len(logs))) if len(logs) > 1 else 0.0
