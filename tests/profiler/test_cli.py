from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from parsers.stats import read_stats
from profiler.cli import main


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command needs the checkout as its current folder."""
    monkeypatch.chdir(tmp_path)


def profile(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["profile", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def dynamic_model(path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "dynamic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
    )
    onnx.save(helper.make_model(graph), path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("collect", "--device", "host", "--suite", "nothing"), "No suite 'nothing'"),
        (("collect", "--device", "R58M12", "--suite", "demo"), "No device 'R58M12'"),
        (("collect", "--device", "host", "--model", "absent.onnx"), "absent.onnx"),
        (("collect", "--device", "host", "--model", "garbage.onnx"), "garbage.onnx"),
        (("collect", "--device", "host", "--model", "dynamic.onnx"), "batch"),
        (("collect", "--device", "host", "--layers", "empty.json"), "no layers"),
        (("collect", "--device", "host", "--suite", "demo", "--campaign", "../up"), "'../up' is no campaign name"),
        (("model", "--tier", "foldable", "--suite", "demo"), "foldable"),
        (("parse", "absent"), "absent"),
        (("parse", "garbage.parquet", "-o", "out.parquet"), "not a whole Parquet file"),
    ],
)
def test_bad_input_gets_one_line_that_names_it_and_exit_code_1(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "garbage.onnx").write_bytes(b"\x00garbage")
    (tmp_path / "garbage.parquet").write_bytes(b"PAR1garbage")
    (tmp_path / "empty.json").write_text('{"schema": 1, "layers": []}')
    dynamic_model(tmp_path / "dynamic.onnx")

    code = profile(monkeypatch, *arguments)

    printed = capsys.readouterr()
    assert code == 1
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("collect", "--device", "host"),
        ("collect", "--device", "host", "--suite", "demo", "--layers", "layers.json"),
        ("collect", "--device", "host", "--suite", "demo", "--threads", "0"),
        ("collect", "--suite", "demo"),
        ("measure",),
    ],
)
def test_a_malformed_command_line_has_exit_code_2(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    assert profile(monkeypatch, *arguments) == 2


def test_a_modelled_table_says_modelled_in_every_row_and_merges_with_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [
        profile(monkeypatch, "model", "--tier", "flagship", "--suite", "demo", "--json"),
        profile(monkeypatch, "model", "--tier", "low", "--suite", "demo", "-o", "low.parquet"),
    ]
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    merged = profile(monkeypatch, "parse", first["stats"], "low.parquet", "-o", "both.parquet")

    table = read_stats(Path("both.parquet"))
    assert (codes, merged) == ([0, 0], 0)
    assert set(table["origin"]) == {"modelled"}
    assert set(table["device_kind"]) == {"none"}
    assert table.groupby("device").size().to_dict() == {"flagship": 25, "low": 25}
    slower = table.pivot_table(index="layer_key", columns="device", values="execution_time_ms")
    assert (slower["low"] > slower["flagship"]).all()


def test_json_prints_one_document_and_nothing_else_on_standard_output(
    layers_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fast = ("--processes", "2", "--budget-ms", "20")

    code = profile(monkeypatch, "collect", "--device", "host", "--layers", str(layers_file), *fast, "--json")

    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert sum(document["rows"].values()) == 3
    assert len(read_stats(Path(document["stats"]))) == 3


def test_on_another_system_profile_says_in_one_line_that_it_needs_linux(
    layers_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("profiler.cli.sys.platform", "darwin")

    code = profile(monkeypatch, "collect", "--device", "host", "--layers", str(layers_file))

    assert code == 1
    expected = "profile: This needs Linux, and here is darwin. 'metamodel' and 'nas' run here too.\n"
    assert capsys.readouterr().err == expected
