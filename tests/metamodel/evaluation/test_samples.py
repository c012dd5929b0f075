from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metamodel.errors import TableError
from metamodel.evaluation.learners import once_each
from metamodel.evaluation.samples import select_samples
from metamodel.rows import Reject
from metamodel.targets import RESPONSES
from parsers.schema import Origin, Scope, Status

LATENCY = RESPONSES[0]


def within(row, network):
    return replace(
        row,
        execution=replace(row.execution, scope=Scope.IN_NETWORK),
        provenance=replace(row.provenance, networks=(network,)),
    )


def test_published_operators_are_samples_and_our_own_within_a_network_are_not(bench):
    ours, published, alone = (bench.row(layer) for layer in bench.layers(3))
    published = within(replace(published, provenance=replace(published.provenance, origin=Origin.IMPORTED)), "a")

    selection = select_samples([bench.frame([within(ours, "a"), published, alone])], LATENCY)

    assert list(selection.samples.configuration) == [published.layer.key, alone.layer.key]
    assert selection.samples.networks == (frozenset({"a"}), frozenset())
    assert selection.rejects == (
        Reject(reason="no layer by itself: within a network of ours, or a whole network", rows=1),
    )


def test_what_is_no_evidence_or_no_time_is_left_out_and_counted(bench):
    good, formula, failed, endless = bench.layers(4)
    rows = [
        bench.row(good),
        bench.row(formula, origin=Origin.MODELLED),
        bench.failed_row(failed, Status.CRASHED),
        bench.row(endless, execution_time_ms=float("inf")),
    ]

    selection = select_samples([bench.frame(rows)], LATENCY)

    assert len(selection.samples) == 1
    assert {reject.reason: reject.rows for reject in selection.rejects} == {
        "a formula's row, which is no evidence": 1,
        "not executed": 1,
        "execution_time_ms is missing, zero, negative or infinite": 1,
    }


def test_an_operator_known_in_part_keeps_what_is_known_and_is_its_own_configuration(bench):
    table = bench.frame([bench.row(bench.convolution(64)), bench.row(bench.convolution(32))])
    table.loc[0, ["layer_key", "stride_height", "stride", "weight_elements", "input_shapes", "attributes"]] = None

    samples = select_samples([table], LATENCY).samples

    names = samples.feature_names
    assert samples.configuration[0].startswith("~")
    assert np.isnan(samples.matrix[0, [names.index(name) for name in ("stride", "weight_elements", "inputs")]]).all()
    assert samples.matrix[0, names.index("channels")] == 64
    assert not np.isnan(samples.matrix[1, names.index("stride")])


def test_rows_of_one_device_are_taken_and_an_absent_device_is_named(bench):
    table = bench.frame([bench.row(layer, device=name) for layer, name in zip(bench.layers(2), "ab", strict=True)])

    assert list(select_samples([table], LATENCY, devices=["b"]).samples.device) == ["b"]
    with pytest.raises(TableError, match=r"No row is of device 'c'. Devices of the tables: a, b"):
        select_samples([table], LATENCY, devices=["a", "c"])


def test_tables_without_a_usable_row_are_refused_with_what_they_hold(bench):
    with pytest.raises(TableError, match="No row tells the power of a layer: 1 × power_mw is missing"):
        select_samples([bench.frame([bench.row(bench.layers(1)[0])])], RESPONSES[2])


def test_samples_that_are_taken_keep_everything_together(bench):
    samples = select_samples([bench.frame([bench.row(layer) for layer in bench.layers(5)])], LATENCY).samples

    taken = samples.take(np.array([3, 1]))

    assert len(taken) == 2
    assert list(taken.places) == [samples.places[3], samples.places[1]]
    assert np.array_equal(taken.matrix, samples.matrix[[3, 1]], equal_nan=True)


def in_setting(row, *, threads=1, evicted_mb=None):
    return replace(row, execution=replace(row.execution, threads=threads, evicted_mb=evicted_mb))


def test_a_layer_in_two_settings_of_a_device_is_put_together_in_neither(bench):
    layer = bench.layers(1)[0]
    rows = [
        in_setting(bench.row(layer, execution_time_ms=4.0)),
        in_setting(bench.row(layer, execution_time_ms=1.0), threads=4),
        in_setting(bench.row(layer, execution_time_ms=9.0), evicted_mb=8.0),
        in_setting(bench.row(layer, execution_time_ms=6.0)),
    ]
    samples = select_samples([bench.frame(rows)], LATENCY).samples

    _, truth, _ = once_each(samples)

    assert list(truth) == [5.0, 1.0, 9.0]
    assert list(samples.setting) == [0, 1, 0, 0]


def test_the_same_known_part_of_an_operator_is_the_same_place(bench):
    table = bench.frame([bench.row(bench.convolution(64)) for _ in range(2)] + [bench.row(bench.convolution(32))])
    table["layer_key"] = None

    assert list(select_samples([table], LATENCY).samples.places) == [0, 0, 1]
