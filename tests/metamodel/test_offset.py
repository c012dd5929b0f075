from __future__ import annotations

import numpy as np
import pytest

from metamodel.features import NUMBERS
from metamodel.manifest import from_json, to_json
from metamodel.offset import MIN_CASES, FittedOffset, SettingRates, fit_offset


def matrix_of(flops, moved, *, bandwidth=np.nan, peak=np.nan):
    matrix = np.zeros((len(flops), len(NUMBERS)), dtype=np.float32)
    for name, values in (("flops", flops), ("bytes", moved), ("memory_bw_gbs", bandwidth), ("peak_gflops", peak)):
        matrix[:, NUMBERS.index(name)] = values
    return matrix


def key(*, bandwidth=None, peak=None):
    return (0.0, 0.0, 0.0, 0.0, bandwidth, 0.0, peak, 0.0)


def cases(count, *, seed=0, **declared):
    random = np.random.default_rng(seed)
    return matrix_of(10 ** random.uniform(4, 9, count), 10 ** random.uniform(3, 7, count), **declared)


def law(matrix, per_flop, per_byte, floor):
    work = matrix.astype(np.float64)
    return per_flop * work[:, NUMBERS.index("flops")] + per_byte * work[:, NUMBERS.index("bytes")] + floor


def test_rates_are_found_again_through_a_fifth_of_wild_rows():
    matrix = cases(400, bandwidth=32.0)
    response = law(matrix, 2e-8, 3e-7, 0.004)
    response[::5] *= 30

    (rates,) = fit_offset(matrix, response, np.ones(400)).settings

    assert rates.setting == key(bandwidth=32.0)
    assert rates.per_flop == pytest.approx(2e-8, rel=0.25)
    assert rates.per_byte == pytest.approx(3e-7, rel=0.25)
    assert rates.floor == pytest.approx(0.004, rel=0.25)


def test_each_setting_has_rates_of_its_own_and_one_with_too_few_cases_has_none():
    fast, slow, rare = cases(60, bandwidth=32.0), cases(60, bandwidth=8.0), cases(MIN_CASES - 1, bandwidth=4.0)
    response = np.concatenate([law(fast, 1e-8, 1e-7, 0.01), law(slow, 4e-8, 4e-7, 0.01), law(rare, 1.0, 1.0, 1.0)])

    found = fit_offset(np.vstack([fast, slow, rare]), response, np.ones(len(response)))

    assert [rates.setting[4] for rates in found.settings] == [32.0, 8.0]
    np.testing.assert_allclose(found.of(fast), law(fast, 1e-8, 1e-7, 0.01), rtol=0.02)
    np.testing.assert_allclose(found.of(slow), law(slow, 4e-8, 4e-7, 0.01), rtol=0.02)


def test_a_setting_never_seen_gets_declared_rates_times_the_median_ratio_of_those_that_were():
    seen = tuple(
        SettingRates(setting=key(bandwidth=bandwidth), per_flop=per_flop, per_byte=per_byte, floor=floor)
        for bandwidth, per_flop, per_byte, floor in (
            (10.0, 4.0, 2.0, 1.0),
            (20.0, 3.0, 1.0, 2.0),
            (40.0, 1.0, 0.1, 9.0),
        )
    )

    rates = FittedOffset(settings=seen).rates(key(bandwidth=5.0))

    # Products with the bandwidth: 40, 60, 40 per operation, 20, 20, 4 per byte.
    assert (rates.per_flop, rates.per_byte, rates.floor) == (40 / 5, 20 / 5, 2.0)


def test_the_peak_speaks_for_operations_where_both_sides_declare_it():
    seen = (SettingRates(setting=key(bandwidth=10.0, peak=100.0), per_flop=3.0, per_byte=2.0, floor=1.0),)

    rates = FittedOffset(settings=seen).rates(key(bandwidth=10.0, peak=300.0))

    assert (rates.per_flop, rates.per_byte) == (1.0, 2.0)


def test_a_setting_that_declares_nothing_gets_the_median_rates():
    seen = tuple(
        SettingRates(setting=key(bandwidth=1.0 + size), per_flop=size, per_byte=size, floor=size)
        for size in (1.0, 2.0, 9.0)
    )

    rates = FittedOffset(settings=seen).rates(key())

    assert (rates.per_flop, rates.per_byte, rates.floor) == (2.0, 2.0, 2.0)


def test_layers_that_only_move_data_leave_the_rate_of_operations_finite():
    matrix = matrix_of(np.zeros(50), np.geomspace(1e3, 1e7, 50))

    (rates,) = fit_offset(matrix, law(matrix, 0.0, 1e-6, 0.002), np.ones(50)).settings

    assert np.isfinite([rates.per_flop, rates.per_byte, rates.floor]).all()
    assert rates.per_byte == pytest.approx(1e-6, rel=0.05)


def test_too_few_cases_everywhere_fit_nothing():
    matrix = cases(MIN_CASES - 1)

    assert fit_offset(matrix, np.ones(len(matrix)), np.ones(len(matrix))) is None


def test_a_fitted_offset_survives_json_to_the_last_bit():
    matrix = cases(50, bandwidth=34.1)
    fitted = fit_offset(matrix, law(matrix, 1e-8, 1e-7, 0.01), np.ones(50))

    again = from_json(FittedOffset, to_json(fitted), where="offset")

    assert again == fitted
    assert np.array_equal(again.of(matrix), fitted.of(matrix))
