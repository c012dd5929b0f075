from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest

from metamodel.artefact import load_artefact
from metamodel.calibrate import calibrate_by_rows
from metamodel.cli import main
from metamodel.errors import TableError
from metamodel.interface import Setting, load_predictor
from metamodel.manifest import Manifest
from metamodel.predictor import TrainedPredictor
from metamodel.targets import Target
from parsers.schema import Execution, Status
from parsers.stats import rows_to_frame, write_stats
from profiler.measure import Measured

FACTOR = 2.5


@pytest.fixture
def new_phone(bench):
    """A phone of which no attribute tells that it is slower than the law, and fifty of its layers."""
    return replace(bench.phone, clock_freq_ghz=2.0), list(dict.fromkeys(bench.layers(50)))


@pytest.fixture
def new_rows(bench, new_phone):
    context, layers = new_phone
    return [
        bench.row(
            layer,
            context=context,
            device="new",
            execution_time_ms=FACTOR * bench.true_latency_ms(layer, context),
            peak_memory_mb=None,
        )
        for layer in layers
    ]


@pytest.fixture
def calibrate(monkeypatch, capsys):
    """Run the command; gives exit code, standard output and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["metamodel", "calibrate", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return run


def median_error(model, layers, setting, truth):
    predicted = load_predictor(model).predict_layers(layers, setting).latency_ms
    return float(np.median(np.abs(predicted / truth - 1)))


def test_ten_of_a_phone_s_layers_bring_the_others_right_and_leave_other_phones_alone(
    bench, lab_model, new_phone, new_rows, tmp_path, calibrate, setting
):
    context, layers = new_phone
    rows, adapted = tmp_path / "rows.parquet", tmp_path / "adapted"
    write_stats(new_rows, rows)

    code, out, _ = calibrate("--rows", rows, "--model", lab_model, "-o", adapted, "-k", 10, "--json")

    told = json.loads(out)
    there = Setting(context=context, device="new")
    truth = np.array([FACTOR * bench.true_latency_ms(layer, context) for layer in layers])
    assert code == 0
    assert [(one["target"], len(one["layers"])) for one in told["phones"]] == [("latency", 10)]
    assert told["others"]["layers"] == len(layers) - 10
    assert median_error(lab_model, layers, there, truth) > 0.4
    assert median_error(adapted, layers, there, truth) < 0.2
    assert told["others"]["median_ape_after"] < told["others"]["median_ape_before"] / 2
    assert np.array_equal(
        load_predictor(adapted).predict_layers(layers, setting).latency_ms,
        load_predictor(lab_model).predict_layers(layers, setting).latency_ms,
    )


def test_intervals_on_an_adapted_phone_are_wider_than_the_bags_and_cover_what_was_not_measured(
    bench, lab_artefact, new_phone, new_rows, setting
):
    context, layers = new_phone
    adapted = calibrate_by_rows(lab_artefact, "a", rows_to_frame(new_rows), device=None, count=10, seed=0).artefact
    there = Setting(context=context, device="new")
    truth = np.array([FACTOR * bench.true_latency_ms(layer, context) for layer in layers])

    interval = TrainedPredictor(adapted).layer_intervals(layers, there)[Target.LATENCY]
    bags = TrainedPredictor(lab_artefact).layer_intervals(layers, there)[Target.LATENCY]

    assert np.mean((interval.lower <= truth) & (truth <= interval.upper)) >= 0.9
    assert (interval.upper / interval.lower > bags.upper / bags.lower).all()
    elsewhere = [
        TrainedPredictor(one).layer_intervals(layers, setting)[Target.LATENCY] for one in (adapted, lab_artefact)
    ]
    np.testing.assert_array_equal(elsewhere[0].upper, elsewhere[1].upper)


def test_a_networks_interval_on_an_adapted_phone_is_wider_than_elsewhere(
    lab_artefact, new_phone, new_rows, setting, monkeypatch
):
    adapted = calibrate_by_rows(lab_artefact, "a", rows_to_frame(new_rows), device=None, count=5, seed=0).artefact
    monkeypatch.setattr(Manifest, "network_factor", 1.1)
    context, layers = new_phone
    predictor = TrainedPredictor(adapted)

    there = predictor.predict_network(layers, Setting(context=context, device="new"))
    elsewhere = predictor.predict_network(layers, setting)

    doubt = adapted.layer_model.network_doubt(layers, Setting(context=context, device="new"), there.layers.latency_ms)
    factor = np.exp(np.hypot(np.log(1.1), 1.6448536 * doubt))
    assert factor > 1.15
    assert there.latency_interval_ms == pytest.approx((there.latency_ms / factor, there.latency_ms * factor))
    assert elsewhere.latency_interval_ms == pytest.approx((elsewhere.latency_ms / 1.1, elsewhere.latency_ms * 1.1))
    assert predictor.predict_network([], Setting(context=context, device="new")).latency_interval_ms == (0.0, 0.0)


def test_a_phone_that_was_calibrated_is_no_longer_outside_what_was_seen(lab_artefact, new_phone, new_rows):
    adapted = calibrate_by_rows(lab_artefact, "a", rows_to_frame(new_rows), device=None, count=10, seed=0).artefact
    there = Setting(context=new_phone[0], device="new")

    assert TrainedPredictor(lab_artefact).setting_reasons(there)
    assert TrainedPredictor(lab_artefact).calibration(there) is None
    assert TrainedPredictor(adapted).setting_reasons(there) == ()
    assert TrainedPredictor(adapted).calibration(there) == adapted.manifest.adaptations[0]
    assert TrainedPredictor(adapted).setting_reasons(replace(there, provider="npu"))


def test_the_adapted_model_remembers_its_parent_and_what_was_measured(lab_model, new_rows, tmp_path, calibrate):
    rows, adapted = tmp_path / "rows.parquet", tmp_path / "adapted"
    write_stats(new_rows, rows)

    calibrate("--rows", rows, "--model", lab_model, "-o", adapted, "-k", 5)

    manifest = load_artefact(adapted).manifest
    assert manifest.parent == hashlib.sha256((lab_model / "manifest.json").read_bytes()).hexdigest()
    (record,) = manifest.adaptations
    times = {row.layer.key: row.measurement.execution_time_ms for row in new_rows}
    assert {one.layer_key: one.measured for one in record.layers} == {
        one.layer_key: pytest.approx(times[one.layer_key]) for one in record.layers
    }
    assert record.expected_error_percent is not None


def test_the_onnx_of_an_adapted_model_is_the_bag_alone_and_says_so(
    lab_model, new_rows, tmp_path, calibrate, monkeypatch, capsys
):
    rows, adapted = tmp_path / "rows.parquet", tmp_path / "adapted"
    write_stats(new_rows, rows)
    calibrate("--rows", rows, "--model", lab_model, "-o", adapted, "-k", 5)

    monkeypatch.setattr(
        sys, "argv", ["metamodel", "export", "--onnx", str(tmp_path / "a.onnx"), "--model", str(adapted)]
    )
    with pytest.raises(SystemExit) as ended:
        main()

    assert not ended.value.code
    assert capsys.readouterr().out.splitlines()[-1] == (
        "The bag alone: the calibration to new is not in the file, and there it predicts as before it."
    )
    left_out = [
        {entry.key: entry.value for entry in onnx.load(path).metadata_props}["adaptations_left_out"]
        for path in (tmp_path / "a.onnx", adapted / "latency-evidence.onnx", adapted / "memory-evidence.onnx")
    ]
    assert left_out == ['["new"]', '["new"]', "[]"]


def test_a_second_calibration_takes_the_place_of_the_first(lab_artefact, new_rows):
    table = rows_to_frame(new_rows)
    first = calibrate_by_rows(lab_artefact, "a", table, device=None, count=5, seed=0)
    again = calibrate_by_rows(first.artefact, "b", table, device=None, count=8, seed=0)
    directly = calibrate_by_rows(lab_artefact, "b", table, device=None, count=8, seed=0)

    assert again.artefact.manifest == directly.artefact.manifest


def test_times_of_layers_that_are_not_chosen_change_nothing_that_is_learned(lab_artefact, new_rows):
    table = rows_to_frame(new_rows)
    honest = calibrate_by_rows(lab_artefact, "a", table, device=None, count=6, seed=0)
    chosen = {one.layer_key for one in honest.adaptations[0].layers}
    table.loc[~table["layer_key"].isin(chosen), "execution_time_ms"] *= 7

    assert calibrate_by_rows(lab_artefact, "a", table, device=None, count=6, seed=0).adaptations == honest.adaptations


def test_repetitions_of_a_layer_count_once_at_their_median(bench, lab_artefact, new_phone, new_rows):
    context, layers = new_phone
    twice = [
        bench.row(layers[0], context=context, device="new", execution_time_ms=time, peak_memory_mb=None)
        for time in (1.0, 3.0)
    ]

    calibration = calibrate_by_rows(
        lab_artefact, "a", rows_to_frame([*twice, *new_rows[1:3]]), device=None, count=3, seed=0
    )

    assert calibration.others_after_percent is None
    assert {one.layer_key: one.measured for one in calibration.adaptations[0].layers}[layers[0].key] == 2.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--device", "nobody"), "No row is of device 'nobody'. Devices of the rows: new."),
        (("-k", "51"), "usable layers, but 51 are asked for"),
    ],
)
def test_rows_that_do_not_serve_are_refused_in_one_line(lab_model, new_rows, tmp_path, calibrate, words, message):
    rows = tmp_path / "rows.parquet"
    write_stats(new_rows, rows)

    code, out, err = calibrate("--rows", rows, "--model", lab_model, "-o", tmp_path / "adapted", *words)

    assert (code, out) == (1, "")
    assert message in " ".join(err.split())
    assert not (tmp_path / "adapted").exists()


def test_settings_that_the_model_cannot_adapt_are_refused(lab_artefact, new_rows):
    foreign = [replace(row, execution=Execution(provider="npu", threads=1)) for row in new_rows]
    mixed = [*new_rows[:5], replace(new_rows[5], execution=Execution(threads=4))]
    strangers = [*new_rows, replace(new_rows[0], provenance=replace(new_rows[0].provenance, device="other"))]

    for rows, message in (
        (foreign, "The model never saw provider 'npu', so that nothing can be adapted. It knows cpu."),
        (mixed, "of several settings"),
        (strangers, r"of several devices \(new, other\); name one with --device"),
    ):
        with pytest.raises(TableError, match=message):
            calibrate_by_rows(lab_artefact, "a", rows_to_frame(rows), device=None, count=3, seed=0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--device", "all"), "One phone is calibrated at a time, not 'all'"),
        (("--device", "host", "--provider", "npu"), "The model never saw provider 'npu'"),
        (("--device", "host", "--layers", "nowhere.json"), "nowhere.json"),
        (("--device", "host", "-k", "100000"), "but 100000 are asked for"),
    ],
)
def test_a_device_that_cannot_be_measured_is_refused_in_one_line(lab_model, tmp_path, calibrate, words, message):
    code, _, err = calibrate("--model", lab_model, "-o", tmp_path / "adapted", "--runs", tmp_path / "runs", *words)

    assert code == 1
    assert message in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "adapted").exists()


@pytest.fixture
def measuring(monkeypatch, bench, new_phone, tmp_path):
    """A bench that measures the chosen layers, each of which ends with a status in turn."""
    context, layers = new_phone
    chosen = []

    def stand_in(statuses):
        def measure(choose, **_):
            chosen.extend(layers[index] for index in choose(layers, context))
            rows = [
                bench.row(layer, context=context, device="new", peak_memory_mb=None)
                if statuses[place % len(statuses)] is Status.OK
                else bench.failed_row(layer, statuses[place % len(statuses)], context=context)
                for place, layer in enumerate(chosen)
            ]
            rows = [replace(row, provenance=replace(row.provenance, device="new")) for row in rows]
            path = tmp_path / "stats.parquet"
            write_stats(rows, path)
            return Measured(campaign="calibration", stats_path=path, rows=tuple(rows), rejects=())

        monkeypatch.setattr("metamodel.calibrate.measure_chosen", measure)
        return chosen

    return stand_in


def test_the_layers_that_were_chosen_and_no_others_are_measured_and_adapted_to(
    lab_model, tmp_path, calibrate, measuring
):
    chosen = measuring([Status.OK])

    code, out, _ = calibrate("--device", "SERIAL", "-k", 4, "--model", lab_model, "-o", tmp_path / "adapted")

    (record,) = load_artefact(tmp_path / "adapted").manifest.adaptations
    assert code == 0
    assert "Expected error of latency on new" in out
    assert {one.layer_key for one in record.layers} == {layer.key for layer in chosen}
    assert len(chosen) == 4


def test_a_layer_that_could_not_be_measured_is_told_with_its_status_and_nothing_is_written(
    lab_model, tmp_path, calibrate, measuring
):
    measuring([Status.OK, Status.OK, Status.CONTENDED])

    code, _, err = calibrate("--device", "SERIAL", "-k", 3, "--model", lab_model, "-o", tmp_path / "adapted")

    assert code == 1
    assert "2 of 3 layers could be measured (1 contended)" in " ".join(err.split())
    assert not (tmp_path / "adapted").exists()
