from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metamodel.evaluation.learners import COMPETITORS, LEARNERS
from metamodel.evaluation.samples import select_samples
from metamodel.features import NUMBERS
from metamodel.oversampling import INTERPOLATED, Cases, Oversampling
from metamodel.targets import RESPONSES

COLUMNS = [NUMBERS.index(name) for name in INTERPOLATED]
FLOPS = NUMBERS.index("flops")


@pytest.fixture
def samples(bench):
    """Forty convolutions and eight fully connected layers, each once."""
    layers = [bench.convolution(4 * size, kernel=1 + size % 2) for size in range(2, 42)]
    layers += [bench.gemm(64 * size, 100 + size) for size in range(1, 9)]
    return select_samples([bench.frame([bench.row(layer) for layer in layers])], RESPONSES[0]).samples


@pytest.fixture
def cases(samples):
    """Cases whose response is a law of their features: one plus twice log(1 + FLOPs)."""
    learned = 1 + 2 * np.log1p(samples.matrix[:, FLOPS].astype(np.float64))
    return Cases(matrix=samples.matrix, learned=learned, weight=np.full(len(samples), 3.0))


def test_a_rare_class_is_raised_to_its_share_of_the_largest_and_what_was_given_comes_first(samples, cases):
    more = Oversampling(share=0.5).extend(cases, samples.family)

    assert len(more.learned) == len(cases.learned) + 12  # 8 of 20
    assert np.array_equal(more.matrix[: len(samples)], cases.matrix, equal_nan=True)
    assert np.array_equal(more.learned[: len(samples)], cases.learned)
    assert more.weight.tolist() == [3.0] * len(samples) + [1.0] * 12


def test_a_made_case_lies_between_cases_of_its_class_and_so_does_its_response(samples, cases):
    more = Oversampling(share=0.5).extend(cases, samples.family)

    given, made = cases.matrix[samples.family == "dense"], more.matrix[len(samples) :]
    for column in COLUMNS:
        if not np.isnan(given[:, column]).all():
            assert given[:, column].min() - 1e-4 <= made[:, column].min() * (1 + 1e-5)
            assert made[:, column].max() * (1 - 1e-5) <= given[:, column].max() + 1e-4
    assert len(np.unique(made[:, FLOPS])) == 12
    assert more.learned[len(samples) :] == pytest.approx(1 + 2 * np.log1p(made[:, FLOPS]), rel=1e-6)


def test_what_has_no_middle_is_that_of_a_case_which_was_given(samples, cases):
    made = Oversampling(share=0.8).extend(cases, samples.family).matrix[len(samples) :]

    whole = np.delete(cases.matrix[samples.family == "dense"], COLUMNS, axis=1)
    for row in np.delete(made, COLUMNS, axis=1):
        assert any(np.array_equal(row, kind, equal_nan=True) for kind in whole)


def test_nothing_is_interpolated_with_what_is_unknown(samples, cases):
    matrix = cases.matrix.copy()
    dense = np.flatnonzero(samples.family == "dense")
    matrix[dense[:2], FLOPS] = np.nan

    more = Oversampling(share=0.5).extend(replace(cases, matrix=matrix), samples.family)

    # Two are too few to interpolate between; the six others make what is missing of 20.
    assert len(more.learned) == len(samples) + 14
    assert not np.isnan(more.matrix[len(samples) :, FLOPS]).any()


def test_a_seed_makes_the_same_again_and_another_does_not(samples, cases):
    made = [Oversampling(share=0.5, seed=seed).extend(cases, samples.family).learned.tolist() for seed in (1, 1, 2)]

    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize("oversampling", [Oversampling(share=0.2), Oversampling(share=0.9, neighbours=8)])
def test_a_class_that_is_not_rare_or_has_no_more_cases_than_neighbours_stays(samples, cases, oversampling):
    assert oversampling.extend(cases, samples.family) is cases


def test_where_nothing_is_rare_the_ablation_is_b_o_b_to_the_last_bit(samples):
    convolutions = samples.take(np.flatnonzero(samples.family == "convolution"))

    bob, smote = (LEARNERS[name](4) for name in ("bob-quick", "bob-smote"))

    assert np.array_equal(bob.fit(convolutions).predict(samples), smote.fit(convolutions).predict(samples))


def test_the_ablation_learns_from_made_cases_and_competes_by_request_alone(bench):
    layers = [bench.convolution(4 * size, kernel=1 + size % 2) for size in range(2, 82)]
    layers += [bench.gemm(64 * size, 100 + size) for size in range(1, 7)]
    samples = select_samples([bench.frame([bench.row(layer) for layer in layers])], RESPONSES[0]).samples
    bob, smote = (LEARNERS[name](4) for name in ("bob-quick", "bob-smote"))

    assert not np.array_equal(bob.fit(samples).predict(samples), smote.fit(samples).predict(samples))
    assert set(COMPETITORS) == set(LEARNERS) - {"bob-smote", "bob-quick"}
