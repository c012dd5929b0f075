from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from metamodel import cli
from metamodel.artefact import load_artefact
from parsers.schema import Origin
from parsers.stats import write_stats


@pytest.fixture
def metamodel(monkeypatch, capsys, quick):
    """Runs a command line, with quick fits; gives its exit code, standard output and standard error."""
    monkeypatch.setattr("metamodel.recipe.RECIPE", quick)

    def metamodel(*arguments):
        monkeypatch.setattr(sys, "argv", ["metamodel", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return metamodel


@pytest.fixture
def network(tmp_path):
    """Writes an ONNX file of two convolutions and a pooling."""

    def network(batch=1):
        weights = [
            numpy_helper.from_array(np.ones((8, 3, 3, 3), dtype=np.float32), "w1"),
            numpy_helper.from_array(np.ones((16, 8, 1, 1), dtype=np.float32), "w2"),
        ]
        nodes = [
            helper.make_node("Conv", ["x", "w1"], ["c1"], name="stem", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c1"], ["r1"], name="relu"),
            helper.make_node("Conv", ["r1", "w2"], ["c2"], name="head"),
            helper.make_node("GlobalAveragePool", ["c2"], ["y"], name="pool"),
        ]
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 16, 16])]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 16, 1, 1])]
        graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
        path = tmp_path / "tiny.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return network


def one_line(stderr):
    (line,) = stderr.splitlines()
    return line


def test_fit_writes_a_model_and_prints_rows_by_origin_and_kind_scores_and_corrections(metamodel, lab_table, tmp_path):
    code, out, err = metamodel("fit", lab_table, "-o", tmp_path / "model")

    assert code == 0
    assert [line.split() for line in out.splitlines() if "│ measured" in line and "phone" in line] == [
        ["│", "layers", "│", "measured", "│", "phone", "│", "150", "│"],
        ["│", "networks", "│", "measured", "│", "phone", "│", "75", "│"],
    ]
    assert "Infeasible pairs of layer and setting (the set B): 1." in out
    assert "Not fitted: power from evidence (0 layers hold power_mw, 10 are needed)." in out
    assert "noise ceiling" in out
    assert "From layers to networks on phone, cpu, 1 threads" in out
    assert "No whole network was measured on slow-phone: there, layers add up uncorrected." in out
    assert err.splitlines()[0] == "Fitting the bags: 0/2"
    assert load_artefact(tmp_path / "model").manifest.evaluations[0].origin == "measured"


def test_fit_prints_one_json_document_and_nothing_else(metamodel, lab_table, tmp_path):
    code, out, _ = metamodel("fit", lab_table, "-o", tmp_path / "model", "--no-evaluate", "--json")

    document = json.loads(out)
    assert code == 0
    assert document["model"] == str(tmp_path / "model")
    assert document["rows"] == [{"origin": "measured", "device_kind": "phone", "rows": 150}]
    assert document["evaluations"] == []


def test_fit_takes_several_tables(metamodel, bench, lab_table, tmp_path):
    write_stats(bench.campaign(bench.networks(2), origin=Origin.MODELLED, device="mid"), tmp_path / "more.parquet")

    code, out, _ = metamodel("fit", lab_table, tmp_path / "more.parquet", "-o", tmp_path / "model", "--no-evaluate")

    assert code == 0
    assert "modelled (agreement with a formula)" in out


def test_predict_shows_every_layer_the_total_and_what_it_stands_on(metamodel, lab_model, network):
    code, out, err = metamodel("predict", network(), "--tier", "mid", "--model", lab_model)

    assert (code, err) == (0, "")
    for name in ("stem", "head", "pool", "network"):
        assert name in out
    assert "1×3×16×16 → 1×8×16×16" in out
    assert "Rows in this setting: none: this setting was never measured or modelled." in out
    assert "No whole network was measured on mid: layers add up uncorrected." in out
    assert "Never seen in fitting, so a guess: GlobalAveragePool." in out


def test_predict_as_json_adds_up(metamodel, lab_model, network):
    code, out, _ = metamodel("predict", network(), "--tier", "low", "--model", lab_model, "--json", "--threads", "3")

    document = json.loads(out)
    assert code == 0
    assert (document["network"], document["device"], document["threads"]) == ("tiny", "low", 3)
    assert document["feasible"] is True
    assert [layer["name"] for layer in document["layers"]] == ["stem", "head", "pool"]
    assert document["latency_ms"] == pytest.approx(sum(layer["latency_ms"] for layer in document["layers"]))
    assert document["power_mw"] is None


def test_predict_reads_a_device_config_from_a_file(metamodel, lab_model, network, tmp_path):
    config = shutil.copy(Path("device_configs") / "mid.toml", tmp_path / "mine.toml")

    code, out, _ = metamodel("predict", network(), "--device-config", config, "--model", lab_model, "--json")

    assert (code, json.loads(out)["device"]) == (0, "mine")


@pytest.mark.parametrize("choice", [[], ["--tier", "mid", "--device-config", "mid.toml"]])
def test_predict_without_one_device_is_a_malformed_command_line(metamodel, network, choice):
    code, _, err = metamodel("predict", network(), *choice)

    assert code == 2
    assert "either --tier or --device-config" in err


def test_a_table_is_wanted(metamodel):
    assert metamodel("fit")[0] == 2


def test_an_absent_and_a_torn_table_are_one_line_and_exit_code_1(metamodel, lab_table, tmp_path):
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(lab_table.read_bytes()[:500])

    absent_code, _, absent = metamodel("fit", tmp_path / "absent.parquet", "-o", tmp_path / "model")
    torn_code, _, torn_line = metamodel("fit", torn, "-o", tmp_path / "model")

    assert (absent_code, torn_code) == (1, 1)
    assert "absent.parquet: no such table" in one_line(absent)
    assert "torn.parquet: not a whole Parquet file" in one_line(torn_line)
    assert not (tmp_path / "model").exists()


def test_a_table_of_useless_rows_is_one_line_that_counts_them(metamodel, bench, tmp_path):
    times = [float("nan"), 0.0, -1.0]
    rows = [bench.row(layer, execution_time_ms=time_ms) for layer, time_ms in zip(bench.layers(3), times, strict=True)]
    write_stats(rows, tmp_path / "t.parquet")

    code, _, err = metamodel("fit", tmp_path / "t.parquet", "-o", tmp_path / "model")

    assert code == 1
    assert "None of 3 rows can be fitted to (3 × execution_time_ms is missing, zero" in one_line(err)


def test_a_folder_that_is_no_model_is_refused_before_anything_is_fitted(metamodel, lab_table, tmp_path):
    (tmp_path / "precious").write_text("")

    code, _, err = metamodel("fit", lab_table, "-o", tmp_path)

    assert code == 1
    assert "exists and is no model; name another folder with -o" in one_line(err)


def test_an_absent_model_says_to_fit_first(metamodel, network, tmp_path):
    code, _, err = metamodel("predict", network(), "--tier", "mid", "--model", tmp_path / "none")

    assert code == 1
    assert "run 'metamodel fit' first" in one_line(err)


def test_an_unknown_tier_names_those_there_are(metamodel, lab_model, network):
    code, _, err = metamodel("predict", network(), "--tier", "titan", "--model", lab_model)

    assert code == 1
    assert "flagship" in one_line(err)


def test_a_file_that_is_no_onnx_and_one_with_dynamic_shapes_are_one_line(metamodel, lab_model, network, tmp_path):
    (tmp_path / "text.onnx").write_text("not a network")

    for path in (tmp_path / "text.onnx", network(batch="batch"), tmp_path / "absent.onnx"):
        code, _, err = metamodel("predict", path, "--tier", "mid", "--model", lab_model)

        assert code == 1
        assert path.stem in one_line(err)


def test_ctrl_c_during_a_fit_is_exit_code_130_one_line_and_no_model(lab_table, tmp_path):
    # Where the tests run in the background, SIGINT is ignored, and a child inherits that.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heard}; from metamodel.cli import main; main()"
    command = [sys.executable, "-c", program, "fit", str(lab_table), "-o", "model"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("Fitting")
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().splitlines()

    assert process.returncode == 130
    assert told[-1].startswith("metamodel: stopped.")
    assert list(tmp_path.iterdir()) == []


def test_names_in_square_brackets_are_printed_as_they_are(metamodel, bench, tmp_path):
    write_stats(bench.campaign(bench.networks(2), device="[red]phone[/blue]"), tmp_path / "rows.parquet")

    code, out, _ = metamodel("fit", tmp_path / "rows.parquet", "-o", tmp_path / "model", "--no-evaluate")

    assert code == 0
    assert "No whole network was measured on [red]phone[/blue]" in out
