from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nas.verification.verdicts import (
    Judgement,
    Range,
    Verdict,
    difference,
    judge,
    mean_error,
    range_confidence,
    signed_error,
)


def test_a_range_reaches_from_the_fastest_process_to_the_slowest_around_their_median():
    assert Range.of([2.0, 1.0, 4.0]) == Range(middle=2.0, low=1.0, high=4.0)
    assert Range.of([]) is None


@pytest.mark.parametrize(
    ("processes", "verdict", "beyond"),
    [
        ([8.0, 9.0, 10.0], Verdict.KEEPS, -0.1),
        ([10.1, 11.0, 12.0], Verdict.BREAKS, 0.1),
        ([9.9, 11.0, 12.0], Verdict.CANNOT_TELL, 0.1),
        ([8.0, 9.0, 10.1], Verdict.CANNOT_TELL, -0.1),
        ([10.0], Verdict.KEEPS, 0.0),
    ],
)
def test_a_limit_is_kept_or_broken_by_the_whole_range_or_nobody_can_tell(processes, verdict, beyond):
    told = judge(Range.of(processes), 10.0)

    assert told == Judgement(verdict=verdict, beyond=pytest.approx(beyond))


def test_what_was_not_measured_is_not_judged():
    assert judge(None, 10.0) == Judgement(verdict=Verdict.NOT_MEASURED, beyond=None)


def test_the_range_of_five_processes_holds_the_median_of_all_in_94_of_100_cases():
    assert range_confidence(5) == 0.9375
    assert range_confidence(1) == 0.0
    assert range_confidence(0) == 0.0

    drawn = np.random.default_rng(0).lognormal(size=(20_000, 5))
    held = (drawn.min(axis=1) <= 1.0) & (drawn.max(axis=1) >= 1.0)
    assert held.mean() == pytest.approx(0.9375, abs=0.006)


def test_a_network_that_takes_longer_than_predicted_has_a_negative_error():
    assert signed_error(8.0, 10.0) == pytest.approx(-0.2)


def test_a_mean_error_worked_by_hand():
    """Logs are -0.2, 0 and 0.2: mean 0, standard error 0.2 / √3, Student's t with two degrees of freedom 4.303."""
    errors = [math.expm1(-0.2), 0.0, math.expm1(0.2)]

    told = mean_error(errors)

    half = 4.30265 * 0.2 / math.sqrt(3)
    assert (told.networks, told.mean) == (3, pytest.approx(0.0))
    assert told.interval == pytest.approx((math.expm1(-half), math.expm1(half)), rel=1e-4)


def test_one_network_has_a_mean_without_an_interval_and_none_has_no_mean():
    assert mean_error([0.1]).interval is None
    assert mean_error([]) is None
    assert difference([0.1], []) is None
    assert difference([0.1], [0.2]).interval is None


def test_the_difference_of_two_groups_is_welchs():
    random = np.random.default_rng(3)
    best, others = np.expm1(random.normal(-0.1, 0.05, 6)), np.expm1(random.normal(0.0, 0.1, 9))

    told = difference(best.tolist(), others.tolist())

    expected = stats.ttest_ind(np.log1p(best), np.log1p(others), equal_var=False).confidence_interval(0.95)
    assert told.networks == 15
    assert told.interval == pytest.approx((math.expm1(expected.low), math.expm1(expected.high)))
    assert told.mean == pytest.approx(math.expm1(np.log1p(best).mean() - np.log1p(others).mean()))
