from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metamodel.evaluate import MAX_FOLDS, evaluate_unseen_networks, noise_ceiling, plan
from metamodel.features import FeatureSpace
from metamodel.rows import select_rows
from metamodel.targets import RESPONSES, Target
from parsers.schema import Origin

LATENCY, MEMORY = (next(one for one in RESPONSES if one.target is name) for name in (Target.LATENCY, Target.MEMORY))


def evaluate(table, protocol, advance=lambda done, note: None):  # noqa: ARG005 - nobody is watching
    matrix = FeatureSpace.of_table(table).table_matrix(table)
    return evaluate_unseen_networks(table, matrix, LATENCY, protocol, seed=0, workers=2, advance=advance)


def test_every_network_is_held_out_in_one_fold(bench):
    table = bench.frame(bench.campaign(bench.networks(4, layers=3)))

    protocol = plan(table, Origin.MEASURED)

    assert protocol.networks == ("net-0", "net-1", "net-2", "net-3")
    assert protocol.folds == (("net-0",), ("net-1",), ("net-2",), ("net-3",))


def test_many_networks_are_held_out_several_at_once(bench):
    table = bench.frame(bench.campaign(bench.networks(25, layers=2)))

    protocol = plan(table, Origin.MEASURED)

    assert len(protocol.folds) == MAX_FOLDS
    assert sorted(name for fold in protocol.folds for name in fold) == list(protocol.networks)


def test_one_network_or_none_cannot_be_unseen(bench):
    one = bench.frame(bench.campaign(bench.networks(1)))

    assert plan(one, Origin.MEASURED) is None
    assert plan(one, Origin.IMPORTED) is None


def test_layers_of_unseen_networks_are_predicted_near_the_law_and_no_worse_than_by_one_xgboost(lab_rows, bench):
    table = select_rows([bench.frame(lab_rows)]).layers
    told = []

    evaluation = evaluate(table, plan(table, Origin.MEASURED), lambda done, note: told.append((done, note)))

    assert [score.network for score in evaluation.networks] == [f"net-{number}" for number in range(5)]
    assert sum(score.rows for score in evaluation.networks) == evaluation.rows == len(table)
    assert evaluation.bob.mean <= evaluation.xgboost.mean < 40
    assert evaluation.bob.mean == pytest.approx(np.mean([score.bob_mape_percent for score in evaluation.networks]))
    assert [done for done, _ in told] == [1, 2, 3, 4, 5]


def test_a_configuration_of_the_held_out_network_is_not_trained_on_under_another_name_device_or_origin(bench):
    # Every layer of "held" costs 1000 times the law. Its twins (another network, another device, a formula) cost the
    # same and would give it away; without them nothing can tell.
    rows = bench.campaign(bench.networks(3, layers=12))
    odd = [
        bench.row(layer, networks=["held"], execution_time_ms=1000 * bench.true_latency_ms(layer, bench.phone))
        for layer in bench.layers(12)
    ]
    twins = [
        replace(row, provenance=replace(row.provenance, job=f"t-{n}", networks=("other",))) for n, row in enumerate(odd)
    ]
    formula = [
        replace(row, provenance=replace(row.provenance, job=f"f-{n}", origin=Origin.MODELLED, networks=()))
        for n, row in enumerate(odd)
    ]
    table = bench.frame([*rows, *odd, *twins, *formula])

    evaluation = evaluate(table, plan(table, Origin.MEASURED))

    held = next(score for score in evaluation.networks if score.network == "held")
    assert held.bob_mape_percent > 90
    assert held.xgboost_mape_percent > 90


def test_duplicates_tell_how_well_a_measurement_predicts_its_twin(bench):
    layers = bench.layers(10)
    rows = [bench.row(layer, execution_time_ms=time_ms) for layer in layers for time_ms in (1.0, 1.25)]

    ceiling = noise_ceiling(bench.frame(rows), LATENCY)

    # |1/1.25 − 1| = 20 % and |1.25/1 − 1| = 25 %
    assert (ceiling.source, ceiling.basis) == ("duplicates", 10)
    assert ceiling.mape_percent == pytest.approx(22.5)


def test_without_duplicates_the_spread_between_processes_tells(bench):
    rows = [bench.row(layer, spread=0.06, processes=9) for layer in bench.layers(5)]

    ceiling = noise_ceiling(bench.frame(rows), LATENCY)

    assert (ceiling.source, ceiling.basis) == ("spread", 5)
    assert ceiling.mape_percent == pytest.approx(100 * 0.06 / 3 * 2 / math.sqrt(math.pi))


def test_twins_of_other_devices_or_contexts_are_no_duplicates(bench):
    layers = bench.layers(10)
    rows = [bench.row(layer, spread=None) for layer in layers]
    rows += [bench.row(layer, spread=None, context=bench.slow_phone) for layer in layers]

    assert noise_ceiling(bench.frame(rows), LATENCY).source == "unknown"


def test_the_noise_of_memory_is_unknown_without_duplicates(bench):
    rows = [bench.row(layer) for layer in bench.layers(5)]

    ceiling = noise_ceiling(bench.frame(rows), MEMORY)

    assert (ceiling.mape_percent, ceiling.source, ceiling.basis) == (None, "unknown", 0)


def test_rows_without_a_network_are_trained_on_and_belong_to_no_fold(bench):
    table = bench.frame([bench.row(layer) for layer in bench.layers(5)] + bench.campaign(bench.networks(2, layers=3)))
    table.loc[0, "networks"] = None  # a null as another tool writes it

    protocol = plan(table, Origin.MEASURED)

    assert protocol.networks == ("net-0", "net-1")
    assert [score.network for score in evaluate(table, protocol).networks] == ["net-0", "net-1"]
