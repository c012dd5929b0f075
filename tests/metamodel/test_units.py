from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metamodel.errors import TableError
from metamodel.fit import prepare
from metamodel.units import check_against_model, check_units
from parsers.schema import Execution, Origin, Scope, Status
from parsers.stats import read_stats, write_stats


@pytest.fixture
def large(bench):
    """Layers whose roofline takes tens of microseconds and more."""
    return [bench.convolution(8 * n, in_channels=8 * n, size=56) for n in range(4, 24)]


@pytest.fixture
def frame(bench, large):
    """Makes a table of the large layers, their times multiplied and delayed."""

    def frame(factor=1.0, delay_ms=0.0, layers=large, **changes):
        times = [factor * (bench.true_latency_ms(layer, bench.phone) + delay_ms) for layer in layers]
        return bench.frame(
            [bench.row(layer, execution_time_ms=time, **changes) for layer, time in zip(layers, times, strict=True)]
        )

    return frame


def test_milliseconds_pass(frame):
    check_units(frame(), name="stats.parquet")


def test_microseconds_in_a_column_of_milliseconds_are_named_with_table_device_column_and_ratio(frame):
    with pytest.raises(
        TableError,
        match=r"^lab.parquet: execution_time_ms of phone is 1\.\d+e\+03 times the roofline's time .* in microseconds\?",
    ) as caught:
        check_units(frame(1000.0), name="lab.parquet")

    assert "\n" not in str(caught.value)


def test_seconds_in_a_column_of_milliseconds_are_named_too(frame):
    with pytest.raises(TableError, match=r"nothing is faster than the roofline. Is it in seconds\?"):
        check_units(frame(0.001), name="lab.parquet")


@pytest.mark.parametrize("factor", [0.3, 30.0])
def test_a_fast_and_a_slow_device_pass(frame, factor):
    check_units(frame(factor), name="stats.parquet")


def test_a_runtime_that_takes_a_millisecond_to_start_anything_passes(bench, frame, large):
    tiny = [bench.gemm(8, outputs) for outputs in range(10, 60)]

    check_units(frame(delay_ms=1.0, layers=[*large, *tiny]), name="stats.parquet")


def test_a_few_layers_that_are_a_thousand_times_slower_than_they_should_be_are_no_other_unit(bench, large):
    rows = [bench.row(layer) for layer in large]
    slow = [
        bench.row(layer, execution_time_ms=1000 * bench.true_latency_ms(layer, bench.phone)) for layer in large[:15]
    ]

    check_units(bench.frame(rows + slow), name="stats.parquet")


def test_one_of_two_devices_in_another_unit_is_found(bench, large):
    good = [bench.row(layer, device="good") for layer in large]
    bad = [
        bench.row(layer, device="bad", execution_time_ms=1000 * bench.true_latency_ms(layer, bench.phone))
        for layer in large
    ]

    with pytest.raises(TableError, match="execution_time_ms of bad is"):
        check_units(bench.frame(good + bad), name="stats.parquet")


def test_formulas_and_what_did_not_run_are_not_judged(bench, frame, large):
    whole = [
        replace(row, execution=Execution(scope=Scope.NETWORK))
        for row in (bench.row(layer, execution_time_ms=1e6) for layer in large)
    ]

    check_units(frame(1000.0, origin=Origin.MODELLED), name="stats.parquet")
    check_units(frame(1000.0, status=Status.THROTTLED), name="stats.parquet")
    check_units(bench.frame(whole), name="stats.parquet")


def test_few_layers_and_devices_without_peak_rates_are_not_judged(bench, frame, large):
    dark = replace(bench.phone, peak_gflops=None, memory_bw_gbs=None)

    check_units(frame(1000.0, layers=large[:9]), name="stats.parquet")
    check_units(frame(1000.0, context=dark), name="stats.parquet")


def test_times_that_are_no_numbers_and_tables_without_rows_are_left_to_others(bench, large):
    rows = [bench.row(layer, execution_time_ms=time) for layer in large for time in (None, np.nan, np.inf, 0.0, -1.0)]

    check_units(bench.frame(rows), name="stats.parquet")
    check_units(bench.frame([]), name="stats.parquet")


def test_the_repositorys_own_table_passes():
    path = Path(__file__).parents[2] / "datasets" / "stats.parquet"

    check_units(read_stats(path), name=path.name)


def test_a_table_in_another_unit_is_never_fitted_to(bench, large, tmp_path):
    times = [1000 * bench.true_latency_ms(layer, bench.phone) for layer in large]
    rows = [bench.row(layer, execution_time_ms=time) for layer, time in zip(large, times, strict=True)]
    write_stats(rows, tmp_path / "lab.parquet")

    with pytest.raises(TableError, match=r"lab.parquet: execution_time_ms of phone"):
        prepare([tmp_path / "lab.parquet"])


@pytest.mark.parametrize(("factor", "unit"), [(1000.0, "microseconds"), (0.001, "seconds")])
def test_a_few_times_of_a_new_phone_are_held_against_the_model(factor, unit):
    predicted_ms = np.array([0.1, 2.0, 30.0])

    with pytest.raises(TableError, match=rf"execution_time_ms of new is .* Is it in {unit}\?"):
        check_against_model(factor * predicted_ms, predicted_ms, device="new")


def test_a_new_phone_may_be_many_times_slower_than_the_model_says():
    predicted_ms = np.array([0.1, 2.0, 30.0])

    check_against_model(20.0 * predicted_ms, predicted_ms, device="new")
