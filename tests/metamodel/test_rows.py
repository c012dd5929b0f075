from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from metamodel.errors import TableError
from metamodel.interface import Setting
from metamodel.rows import Reject, RowCount, layers_of, select_rows, setting_key, settings_of
from parsers.schema import DeviceKind, Execution, Origin, Scope, Status


def with_kind(row, kind):
    return replace(row, provenance=replace(row.provenance, device_kind=kind))


def test_rows_of_several_tables_are_put_together_and_counted_by_origin_and_kind(bench):
    measured = bench.frame([bench.row(layer) for layer in bench.layers(3)])
    modelled = bench.frame([bench.row(layer, origin=Origin.MODELLED, device="mid") for layer in bench.layers(2)])

    rows = select_rows([measured, modelled])

    assert rows.counts == (
        RowCount(origin="measured", device_kind="phone", rows=3),
        RowCount(origin="modelled", device_kind="none", rows=2),
    )
    assert rows.rejects == ()


def test_a_job_that_is_already_there_counts_once(bench):
    table = bench.frame([bench.row(layer) for layer in bench.layers(3)])

    rows = select_rows([table, table])

    assert len(rows.layers) == 3
    assert rows.rejects == (Reject(reason="repeats a (campaign, device, job) that is already there", rows=3),)


def test_virtual_rows_stay_out_unless_asked_for(bench):
    real, virtual = (bench.row(layer) for layer in bench.layers(2))
    table = bench.frame([real, with_kind(virtual, DeviceKind.VIRTUAL)])

    without, included = select_rows([table]), select_rows([table], include_virtual=True)

    assert [count.device_kind for count in without.counts] == ["phone"]
    assert without.rejects[0].rows == 1
    assert [count.device_kind for count in included.counts] == ["phone", "virtual"]


def test_whole_networks_and_operators_without_shapes_are_left_out_and_counted(bench):
    good, network, bare, partly = (bench.row(layer) for layer in bench.layers(4))
    network = replace(network, execution=replace(network.execution, scope=Scope.NETWORK))
    table = bench.frame([good, network, bare, partly])
    table.loc[2, "input_volume"] = None
    table.loc[3, "layer_key"] = None

    rows = select_rows([table])

    assert len(rows.layers) == 1
    assert rows.rejects == (
        Reject(reason="an operator without shapes", rows=2),
        Reject(reason="a whole network of which no layer is known, or not all", rows=1),
    )


@pytest.mark.parametrize("time_ms", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_is_no_positive_number_is_rejected_and_counted(bench, time_ms):
    good, bad = bench.layers(2)
    table = bench.frame([bench.row(good), bench.row(bad, execution_time_ms=time_ms)])

    rows = select_rows([table])

    assert len(rows.layers) == 1
    assert rows.rejects == (Reject(reason="execution_time_ms is missing, zero, negative or infinite", rows=1),)


@pytest.mark.parametrize("status", [Status.THROTTLED, Status.CONTENDED, Status.LOST, Status.ELIDED])
def test_a_row_that_cannot_be_trusted_is_left_out_under_its_status(bench, status):
    good, bad = bench.layers(2)
    table = bench.frame([bench.row(good), bench.row(bad, status=status)])

    rows = select_rows([table])

    assert rows.rejects == (Reject(reason=f"status {status}", rows=1),)


@pytest.mark.parametrize(
    "status", [Status.UNSUPPORTED, Status.FALLBACK, Status.OUT_OF_MEMORY, Status.CRASHED, Status.TIMED_OUT]
)
def test_a_layer_that_could_not_be_executed_was_tried_and_is_not_fitted_to(bench, status):
    good, bad = bench.layers(2)

    rows = select_rows([bench.frame([bench.row(good), bench.failed_row(bad, status)])])

    assert list(rows.tried["layer_key"]) == [good.key, bad.key]
    assert list(rows.layers["layer_key"]) == [good.key]


def test_a_row_that_says_nothing_of_a_layer_being_executable_was_not_tried(bench):
    good, lost = bench.layers(2)

    rows = select_rows([bench.frame([bench.row(good), bench.row(lost, status=Status.LOST)])])

    assert list(rows.tried["layer_key"]) == [good.key]


def test_rows_from_inside_a_network_are_kept_apart_from_layers(bench):
    layers = bench.layers(3)
    table = bench.frame([bench.row(layers[0]), *bench.in_network_rows("net", layers, wall_ms=5.0)])

    rows = select_rows([table])

    assert rows.layers["scope"].tolist() == [Scope.ISOLATED.value]
    assert rows.networks["scope"].tolist() == [Scope.IN_NETWORK.value] * 3


def test_published_rows_from_inside_a_network_are_layers(bench):
    rows = [
        replace(row, provenance=replace(row.provenance, origin=Origin.IMPORTED))
        for row in bench.in_network_rows("net", bench.layers(3), wall_ms=5.0)
    ]

    selected = select_rows([bench.frame(rows)])

    assert (len(selected.layers), len(selected.networks)) == (3, 0)


def test_blocks_are_layers(bench):
    row = replace(bench.row(bench.convolution(8)), execution=Execution(scope=Scope.BLOCK))

    assert len(select_rows([bench.frame([row])]).layers) == 1


def test_tables_without_rows_say_what_to_do():
    with pytest.raises(TableError, match="hold no rows; run 'profile collect'"):
        select_rows([pd.DataFrame()])


def test_tables_without_a_usable_row_say_why(bench):
    table = bench.frame([bench.row(layer, status=Status.THROTTLED) for layer in bench.layers(2)])

    with pytest.raises(TableError, match=r"None of 2 rows can be fitted to \(2 × status throttled\)"):
        select_rows([table])


def test_layers_and_settings_read_back_from_a_table_equal_those_that_went_in(bench):
    layers = bench.layers(4)
    table = bench.frame([bench.row(layer) for layer in layers])

    ((rows, setting),) = settings_of(table)

    assert layers_of(table) == {layer.key: layer for layer in layers}
    assert setting == Setting(context=bench.phone, device="phone")
    np.testing.assert_array_equal(rows, np.arange(4))


def test_a_setting_has_one_key_however_its_numbers_are_written(bench):
    written_as_integers = replace(bench.phone, memory_gb=8, peak_gflops=160)
    elsewhere = replace(bench.phone, peak_gflops_source="measured by hand")

    keys = {setting_key(Setting(context=context)) for context in (bench.phone, written_as_integers, elsewhere)}

    assert len(keys) == 1
    assert setting_key(Setting(context=bench.phone, threads=2)) not in keys
    assert setting_key(Setting(context=bench.slow_phone)) not in keys
