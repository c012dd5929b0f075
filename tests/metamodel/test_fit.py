from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from metamodel.artefact import save_artefact
from metamodel.errors import TableError
from metamodel.fit import fit_artefact, prepare, protocols, with_evaluation
from metamodel.interface import Setting
from metamodel.predictor import TrainedPredictor
from metamodel.rows import RowCount
from metamodel.targets import Target
from parsers.errors import StatsError
from parsers.schema import Execution, Origin, Scope
from parsers.stats import write_stats


def quietly(done, note):
    """Nobody is watching."""


@pytest.fixture
def fit(quick, tmp_path):
    def fit(rows, *, seed=0):
        write_stats(rows, tmp_path / "stats.parquet")
        return fit_artefact(prepare([tmp_path / "stats.parquet"]), seed=seed, workers=2, advance=quietly, recipe=quick)

    return fit


def test_the_same_tables_and_seed_give_the_same_model_byte_for_byte(fit, bench, tmp_path):
    rows = bench.campaign(bench.networks(2))
    first, second = (fit(rows, seed=5) for _ in range(2))

    for name, artefact in (("first", first), ("second", second)):
        save_artefact(artefact, tmp_path / name)

    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "second").iterdir())
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_another_seed_gives_another_model(fit, bench):
    rows = bench.campaign(bench.networks(2))

    first, second = (fit(rows, seed=seed).models[0].members[0].save_raw() for seed in (0, 1))

    assert first != second


def test_a_model_remembers_its_rows_tables_and_what_it_could_not_learn(lab_artefact, lab_table):
    manifest = lab_artefact.manifest

    (table,) = manifest.tables
    assert (table.name, table.rows) == ("stats.parquet", 226)
    assert table.sha256 == hashlib.sha256(lab_table.read_bytes()).hexdigest()
    assert manifest.rows == (RowCount(origin="measured", device_kind="phone", rows=150),)
    assert manifest.network_rows == (RowCount(origin="measured", device_kind="phone", rows=75),)
    assert len(manifest.infeasible) == 1
    assert manifest.missing == (
        "power from evidence (0 layers hold power_mw, 10 are needed)",
        "energy from evidence (0 layers hold energy_mj, 10 are needed)",
    )


def test_measurements_and_formulas_get_bags_of_their_own_scored_by_origin(fit, bench):
    measured = [bench.row(layer) for layer in bench.layers(25)]
    modelled = [bench.row(layer, origin=Origin.MODELLED, device="mid", power_mw=900.0) for layer in bench.layers(30)]

    artefact = fit(measured + modelled)

    seen = [
        (record.response.target.value, record.ground.value, [(count.origin, count.rows) for count in record.rows])
        for record in artefact.manifest.responses
    ]
    assert seen == [
        ("latency", "evidence", [("measured", 25)]),
        ("latency", "formula", [("modelled", 30)]),
        ("memory", "evidence", [("measured", 25)]),
        ("memory", "formula", [("modelled", 30)]),
        ("power", "formula", [("modelled", 30)]),
    ]
    for record in artefact.manifest.responses:
        assert [error.origin for error in record.out_of_bag] == [record.rows[0].origin]


def test_power_and_energy_are_fitted_where_the_table_holds_them(fit, bench, setting):
    rows = [
        bench.row(layer, power_mw=2000.0, energy_mj=2.0 * bench.true_latency_ms(layer, bench.phone))
        for layer in bench.layers(60)
    ]
    layers = [row.layer for row in rows[:20]]

    artefact = fit(rows)

    costs = TrainedPredictor(artefact).predict_network(layers, setting)
    assert [record.response.target for record in artefact.manifest.responses] == list(Target)
    np.testing.assert_allclose(costs.layers.power_mw, 2000.0, rtol=0.01)
    np.testing.assert_allclose(costs.layers.energy_mj, 2.0 * costs.layers.latency_ms, rtol=0.3)
    assert costs.energy_mj == pytest.approx(costs.layers.energy_mj.sum())
    assert costs.power_mw == pytest.approx(1e3 * costs.energy_mj / costs.latency_ms)


def test_without_energy_a_networks_power_is_its_layers_weighted_by_time(fit, bench, setting):
    artefact = fit([bench.row(layer, power_mw=1500.0) for layer in bench.layers(40)])

    costs = TrainedPredictor(artefact).predict_network(bench.layers(5), setting)

    assert costs.energy_mj is None
    assert costs.power_mw == pytest.approx(1500.0, rel=0.01)


def test_a_table_of_one_type_is_enough(fit, bench, setting):
    rows = [bench.row(bench.convolution(4 * n, in_channels=4 * n)) for n in range(1, 30)]

    artefact = fit(rows)

    predicted = TrainedPredictor(artefact).predict_layers([bench.convolution(50, in_channels=50)], setting)
    truth = bench.true_latency_ms(bench.convolution(50, in_channels=50), bench.phone)
    assert predicted.latency_ms[0] == pytest.approx(truth, rel=0.5)


def test_blocks_are_fitted_beside_operators(fit, bench, setting):
    blocks = [replace(layer, type="InvertedResidual", expansion_ratio=6.0) for layer in bench.layers(30)]
    rows = [bench.row(layer) for layer in bench.layers(30)]
    rows += [
        replace(bench.row(block, execution_time_ms=100.0), execution=Execution(scope=Scope.BLOCK)) for block in blocks
    ]

    artefact = fit(rows)

    predicted = TrainedPredictor(artefact).predict_layers(blocks, setting).latency_ms
    assert np.median(predicted) == pytest.approx(100.0, rel=0.3)


def test_one_row_is_no_basis_and_says_what_is_needed(bench, tmp_path):
    write_stats([bench.row(bench.gemm(8, 4))], tmp_path / "stats.parquet")

    with pytest.raises(TableError, match=r"latency from evidence \(1 layers hold execution_time_ms, 10 are needed\)"):
        prepare([tmp_path / "stats.parquet"])


def test_a_table_without_rows_is_one_clear_line(tmp_path):
    write_stats([], tmp_path / "stats.parquet")

    with pytest.raises(TableError, match="hold no rows"):
        prepare([tmp_path / "stats.parquet"])


def test_an_absent_and_a_torn_table_are_the_parsers_complaint(lab_table, tmp_path):
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(lab_table.read_bytes()[:1000])

    for path in (tmp_path / "absent.parquet", torn):
        with pytest.raises(StatsError, match=path.name):
            prepare([path])


def test_measured_networks_alone_are_evaluated_and_the_score_is_remembered(fit, bench, tmp_path):
    modelled = bench.campaign({"formula": bench.layers(10)}, origin=Origin.MODELLED, device="mid")
    artefact = fit(bench.campaign(bench.networks(2, layers=8)) + modelled)
    prepared = prepare([tmp_path / "stats.parquet"])
    (protocol,) = protocols(prepared)

    scored = with_evaluation(artefact, prepared, protocol, seed=0, workers=1, advance=quietly)

    (evaluation,) = scored.manifest.evaluations
    assert (evaluation.origin, evaluation.target, evaluation.rows) == ("measured", "latency", 16)
    assert scored.models is artefact.models


def test_formulas_alone_are_never_evaluated(bench, tmp_path):
    write_stats(bench.campaign(bench.networks(3), origin=Origin.MODELLED), tmp_path / "stats.parquet")

    assert protocols(prepare([tmp_path / "stats.parquet"])) == ()


def test_a_setting_is_answered_by_the_ground_that_its_rows_or_its_device_stand_on(fit, bench):
    formula_is_slower = {"execution_time_ms": 500.0, "power_mw": 900.0}
    layers = bench.layers(30)
    rows = [bench.row(layer) for layer in layers]
    rows += [
        bench.row(layer, context=bench.slow_phone, device="low", origin=Origin.MODELLED, **formula_is_slower)
        for layer in layers
    ]
    predictor = TrainedPredictor(fit(rows))
    elsewhere = replace(bench.phone, memory_gb=1.0)
    settings = {
        "measured": Setting(context=bench.phone),
        "modelled": Setting(context=bench.slow_phone),
        "modelled, other threads": Setting(context=bench.slow_phone, device="low", threads=2),
        "unknown": Setting(context=elsewhere),
    }

    costs = {name: predictor.predict_layers(layers, setting) for name, setting in settings.items()}

    assert {name: bool(np.median(cost.latency_ms) > 400) for name, cost in costs.items()} == {
        "measured": False,
        "modelled": True,
        "modelled, other threads": True,
        "unknown": False,
    }
    assert {name: cost.power_mw is not None for name, cost in costs.items()} == {
        "measured": False,
        "modelled": True,
        "modelled, other threads": True,
        "unknown": False,
    }
    assert predictor.targets == ("latency", "throughput", "memory", "power")


def test_formulas_alone_answer_everywhere(fit, bench):
    rows = [bench.row(layer, origin=Origin.MODELLED, device="mid") for layer in bench.layers(15)]

    costs = TrainedPredictor(fit(rows)).predict_layers(bench.layers(2), Setting(context=bench.slow_phone))

    assert np.isfinite(costs.latency_ms).all()
