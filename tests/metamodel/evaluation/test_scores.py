from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metamodel.conformal import Interval
from metamodel.evaluation.samples import select_samples
from metamodel.evaluation.scores import (
    figures,
    network_sum_mape,
    noise_ceiling,
    paired_difference,
    score,
    score_samples,
)
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


@pytest.fixture
def per_second(bench):
    """One inference in 2 ms, and eight in 4 ms."""
    one, eight = bench.layers(2)
    rows = [
        bench.row(one, networks=["a"], execution_time_ms=2.0),
        bench.row(replace(eight, batch=8), networks=["a"], execution_time_ms=4.0),
    ]
    return select_samples([bench.frame(rows)], RESPONSES[0], per_second=True).samples


def test_throughput_is_scored_in_inferences_per_second(per_second):
    prediction = np.array([2.5, 3.2])

    # 400 for 500 per second, and 2500 for 2000: latencies would be 25 % and 20 % off.
    assert per_second.told(prediction) == pytest.approx([400, 2500])
    assert score_samples(per_second, prediction).mape == pytest.approx((20 + 25) / 2)
    assert score_samples(per_second, prediction).rmse == pytest.approx(np.sqrt((100**2 + 500**2) / 2))


def test_the_slow_end_of_an_interval_is_the_low_end_of_the_throughput(per_second):
    interval = Interval(lower=np.array([1.0, 4.0]), upper=np.array([4.0, 5.0]))

    told = per_second.told_interval(interval)

    assert (told.lower.tolist(), told.upper.tolist()) == ([250, 1600], [1000, 2000])
    assert score_samples(per_second, np.array([2.0, 4.5]), interval=interval).coverage_90 == 100


def test_throughputs_of_layers_do_not_add_up_to_a_network_s(per_second):
    assert np.isnan(network_sum_mape(per_second, per_second.truth))


def test_a_batch_that_a_table_does_not_say_counts_as_one(bench):
    table = bench.frame([bench.row(bench.convolution(8), execution_time_ms=2.0)])
    table["batch"] = table["batch"].where(table["batch"] < 0)

    assert select_samples([table], RESPONSES[0], per_second=True).samples.batch.tolist() == [1]


def test_the_noise_ceiling_of_throughput_is_that_of_what_was_measured_per_second(bench):
    layer = bench.layers(1)[0]
    rows = [bench.row(layer, execution_time_ms=time) for time in (1.0, 1.25, 1.25)]

    samples = select_samples([bench.frame(rows)], RESPONSES[0], per_second=True).samples

    # 800 for 1000 per second; 900, the middle of 1000 and 800, for 800, twice.
    assert noise_ceiling(samples)["mape"] == pytest.approx((20 + 12.5 + 12.5) / 3)


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
