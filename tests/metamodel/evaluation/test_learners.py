from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metamodel.evaluation.learners import LEARNERS, once_each
from metamodel.evaluation.samples import select_samples
from metamodel.targets import RESPONSES


@pytest.fixture
def samples(bench):
    rows = [bench.row(layer) for layer in bench.layers(150)]
    return select_samples([bench.frame(rows)], RESPONSES[0]).samples


def test_each_configuration_counts_once_at_its_median_with_the_root_of_how_often_it_is_there(bench):
    often, once = bench.layers(2)
    rows = [bench.row(often, execution_time_ms=time) for time in (1.0, 9.0, 2.0, 3.0)] + [bench.row(once)]
    samples = select_samples([bench.frame(rows)], RESPONSES[0]).samples

    kept, truth, weight = once_each(samples)

    assert list(kept) == [0, 4]
    assert truth[0] == 2.5
    assert list(weight) == [2, 1]


@pytest.mark.parametrize("name", list(LEARNERS))
def test_a_learner_learns_the_law_of_the_bench_and_the_same_seed_says_the_same(samples, name):
    train, test = samples.take(np.arange(120)), samples.take(np.arange(120, 150))

    first, again = (LEARNERS[name](3).fit(train).predict(test) for _ in range(2))

    assert np.array_equal(first, again)
    assert (first > 0).all()
    off = np.median(np.abs(np.log(first / test.truth)))
    assert off < (1.0 if name == "flops" else 0.35)


def test_each_setting_of_a_device_gets_a_flops_line_of_its_own(bench):
    rows = [bench.row(layer, noise=0.0) for layer in bench.layers(20)]
    slower = [
        replace(
            row,
            execution=replace(row.execution, threads=4),
            measurement=replace(row.measurement, execution_time_ms=5 * row.measurement.execution_time_ms),
        )
        for row in rows
    ]
    samples = select_samples([bench.frame(rows + slower)], RESPONSES[0]).samples

    predicted = LEARNERS["flops"](0).fit(samples).predict(samples)

    assert predicted[20:] / predicted[:20] == pytest.approx(np.full(20, 5.0))


def test_a_setting_that_was_never_seen_gets_the_line_through_all(bench):
    rows = [bench.row(layer, device="a") for layer in bench.layers(30)]
    rows.append(bench.row(bench.layers(1)[0], device="b"))
    samples = select_samples([bench.frame(rows)], RESPONSES[0]).samples

    line = LEARNERS["flops"](0).fit(samples.take(np.arange(30)))

    assert np.isfinite(line.predict(samples.take(np.array([30])))).all()
