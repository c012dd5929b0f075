from __future__ import annotations

import math

import numpy as np
import pytest

from metamodel.features import NUMBERS
from metamodel.targets import RESPONSES, Response, Target


def matrix_with(**values):
    matrix = np.zeros((1, len(NUMBERS)), dtype=np.float32)
    for name, value in values.items():
        matrix[0, NUMBERS.index(name)] = value
    return matrix


def response(target):
    return next(one for one in RESPONSES if one.target is target)


def test_latency_is_learned_as_the_logarithm_of_its_ratio_to_roofline_plus_three_microseconds():
    learned = response(Target.LATENCY).encode(np.array([2.006]), matrix_with(roofline_ms=1.0))

    np.testing.assert_allclose(learned, [math.log(2.006 / 1.003)])


def test_memory_is_learned_against_the_megabytes_moved_plus_one():
    learned = response(Target.MEMORY).encode(np.array([9.0]), matrix_with(bytes=2e6))

    np.testing.assert_allclose(learned, [math.log(9.0 / 3.0)])


def test_where_the_roofline_is_unknown_the_logarithm_stands_alone():
    learned = response(Target.LATENCY).encode(np.array([5.0]), matrix_with(roofline_ms=np.nan))

    np.testing.assert_allclose(learned, [math.log(5.0)])


@pytest.mark.parametrize("one", RESPONSES, ids=lambda one: one.target.value)
def test_decoding_inverts_encoding(one: Response):
    values = np.array([1e-3, 1.0, 1e4])
    matrix = np.repeat(matrix_with(roofline_ms=0.25, bytes=5e5), 3, axis=0)

    np.testing.assert_allclose(one.decode(one.encode(values, matrix), matrix), values, rtol=1e-12)


def test_rates_that_rows_tell_take_the_roofline_s_place_where_there_is_a_roofline():
    matrix = np.repeat(matrix_with(roofline_ms=1.0), 40, axis=0)
    matrix[:, NUMBERS.index("bytes")] = np.geomspace(1e3, 1e7, 40)
    values = 1e-6 * matrix[:, NUMBERS.index("bytes")].astype(np.float64) + 0.01

    latency = response(Target.LATENCY).fitted_to(matrix, values, np.ones(40))
    power = response(Target.POWER).fitted_to(matrix, values, np.ones(40))

    np.testing.assert_allclose(latency.encode(values, matrix), 0, atol=0.05)
    np.testing.assert_allclose(latency.decode(latency.encode(values, matrix), matrix), values, rtol=1e-12)
    assert power is response(Target.POWER)
