from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metamodel.conformal import Interval
from metamodel.evaluation.samples import select_samples
from metamodel.evaluation.scores import figures, network_sum_mape, noise_ceiling, paired_difference, score
from metamodel.targets import RESPONSES


def test_scores_are_those_worked_by_hand():
    scores = score(np.array([1.0, 2.0, 4.0]), np.array([1.04, 1.8, 4.3]))

    assert scores.mape == pytest.approx((4 + 10 + 7.5) / 3)
    assert scores.median_ape == pytest.approx(7.5)
    assert scores.within_5 == pytest.approx(100 / 3)
    assert scores.within_10 == pytest.approx(100)
    assert scores.rmse == pytest.approx(np.sqrt((0.04**2 + 0.2**2 + 0.3**2) / 3))
    assert scores.r2 == pytest.approx(1 - (0.04**2 + 0.2**2 + 0.3**2) / (42 / 9))
    assert scores.spearman == pytest.approx(1)


def test_a_reversed_order_has_spearman_minus_one_and_a_constant_none():
    truth = np.array([1.0, 2.0, 3.0])

    assert score(truth, truth[::-1]).spearman == pytest.approx(-1)
    assert np.isnan(score(truth, np.ones(3)).spearman)


def test_a_network_s_error_is_that_of_its_sum_on_each_device(bench):
    first, second = bench.layers(2)
    rows = [
        bench.row(first, networks=["a"], execution_time_ms=1.0),
        bench.row(second, networks=["a", "b"], execution_time_ms=3.0),
    ]
    samples = select_samples([bench.frame(rows)], RESPONSES[0]).samples

    # Network a: 5 for 4, 25 % off; network b: 3 for 3.
    assert network_sum_mape(samples, np.array([2.0, 3.0])) == pytest.approx(12.5)


def test_a_network_s_sums_in_two_settings_of_a_device_are_two(bench):
    layer = bench.layers(1)[0]
    one, other = (bench.row(layer, networks=["a"], execution_time_ms=time) for time in (1.0, 3.0))
    rows = [one, replace(other, execution=replace(other.execution, threads=4))]
    samples = select_samples([bench.frame(rows)], RESPONSES[0]).samples

    # 2 for 1 and 2 for 3, which together would be 4 for 4.
    assert network_sum_mape(samples, np.array([2.0, 2.0])) == pytest.approx((100 + 100 / 3) / 2)


def test_the_noise_ceiling_is_how_well_duplicates_predict_each_other(bench):
    twin, single = bench.layers(2)
    rows = [bench.row(twin, execution_time_ms=time) for time in (1.0, 1.25)] + [bench.row(single)]

    ceiling = noise_ceiling(select_samples([bench.frame(rows)], RESPONSES[0]).samples)

    assert ceiling["samples"] == 2
    assert ceiling["mape"] == pytest.approx((25 + 20) / 2)


def test_without_duplicates_the_noise_ceiling_is_unknown(bench):
    samples = select_samples([bench.frame([bench.row(layer) for layer in bench.layers(3)])], RESPONSES[0]).samples

    assert noise_ceiling(samples) == {
        **dict.fromkeys(("mape", "median_ape", "within_5", "within_10", "r2", "r2_log")),
        "samples": 0,
    }


def test_figures_leave_out_what_has_no_value():
    known = score(np.array([1.0, 2.0]), np.array([1.1, 2.0]))

    told = figures([known, replace(known, mape=15.0, spearman=float("nan"))])

    assert (told["mape"].mean, told["mape"].sd) == (pytest.approx(10), pytest.approx(5))
    assert (told["spearman"].mean, told["spearman"].sd) == (pytest.approx(1), 0)
    assert told["predict_us"].mean is None


def test_a_lead_is_the_mean_difference_with_its_interval():
    base = score(np.array([1.0]), np.array([1.1]))
    first = [replace(base, mape=value) for value in (5.0, 6.0, 7.0, 8.0, 9.0)]
    second = [replace(one, mape=one.mape + shift) for one, shift in zip(first, (1, 2, 1, 2, 1.5), strict=True)]

    lead = paired_difference(first, second)

    half = 2.776 * 0.5 / np.sqrt(5)
    assert lead["mean"] == pytest.approx(-1.5)
    assert lead["low"] == pytest.approx(-1.5 - half, rel=0.01)
    assert lead["high"] == pytest.approx(-1.5 + half, rel=0.01)


def test_what_has_no_twin_in_training_is_scored_alone_too():
    truth, prediction = np.array([1.0, 1.0, 1.0]), np.array([1.1, 1.2, 1.3])

    scores = score(truth, prediction, never_seen=np.array([False, True, True]))

    assert scores.mape == pytest.approx(20)
    assert scores.never_seen_mape == pytest.approx(25)
    assert np.isnan(score(truth, prediction, never_seen=np.zeros(3, dtype=bool)).never_seen_mape)


def test_intervals_are_scored_by_how_many_truths_they_hold_and_how_wide_they_are():
    truth, prediction = np.array([1.0, 2.0]), np.array([1.0, 4.0])

    scores = score(truth, prediction, interval=Interval(lower=prediction * 0.9, upper=prediction * 1.2))

    assert (scores.coverage_90, scores.width_90) == (pytest.approx(50), pytest.approx(30))
