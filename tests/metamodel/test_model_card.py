from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from metamodel.cli import main
from metamodel.model_card import read_card

FORMAT_1 = Path(__file__).parent / "artefacts" / "format-1"


def metamodel(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["metamodel", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_a_model_is_shown_with_what_it_stands_on(monkeypatch, capsys, lab_model):
    code = metamodel(monkeypatch, "show", "--model", lab_model)

    said = capsys.readouterr().out
    assert code == 0
    for words in (
        "whole: every file",
        "stats.parquet",
        "latency, ms",
        "measured",
        "out_of_memory 1",
        "none: fitted to",
    ):
        assert words in said


def test_json_is_the_manifest_and_the_state_of_the_folder(monkeypatch, capsys, lab_model):
    code = metamodel(monkeypatch, "show", "--model", lab_model, "--json")

    document = json.loads(capsys.readouterr().out)
    manifest = json.loads((lab_model / "manifest.json").read_text())
    assert code == 0
    assert document["problems"] == []
    assert {name: document[name] for name in manifest["manifest"]} == manifest["manifest"]


def test_a_model_of_an_earlier_release_is_shown(monkeypatch, capsys):
    assert metamodel(monkeypatch, "show", "--model", FORMAT_1) == 0
    assert "1, rows of schema version" in capsys.readouterr().out


def test_what_was_edited_lost_or_torn_is_named(lab_model, tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(lab_model, folder)
    (folder / "latency-evidence-00.ubj").unlink()
    (folder / "latency-evidence-01.ubj").write_bytes(b"torn")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))

    problems = read_card(folder).problems

    assert problems == (
        "manifest.json was edited after it was written",
        "latency-evidence-00.ubj is missing",
        "latency-evidence-01.ubj is not the file that was written (SHA-256 differs)",
    )


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "x" * 5000, "a\0b", ""])
def test_a_file_name_that_is_none_is_missing_and_nothing_outside_is_read(lab_model, tmp_path: Path, name):
    folder = tmp_path / "model"
    shutil.copytree(lab_model, folder)
    (tmp_path / "secret").write_text("secret")
    manifest = folder / "manifest.json"
    document = json.loads(manifest.read_text())
    document["files"][name] = "0"
    manifest.write_text(json.dumps(document))

    assert read_card(folder).problems == ("manifest.json was edited after it was written", f"{name} is missing")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_model_that_is_not_whole_is_shown_and_exits_with_1(monkeypatch, capsys, lab_model, tmp_path: Path, options):
    folder = tmp_path / "model"
    shutil.copytree(lab_model, folder)
    (folder / "latency-evidence.onnx").unlink()

    code = metamodel(monkeypatch, "show", "--model", folder, *options)

    said = capsys.readouterr()
    assert code == 1
    assert "none: fitted to" in said.out or json.loads(said.out)["problems"] == ["latency-evidence.onnx is missing"]
    assert said.err == f"metamodel: {folder} is not whole: latency-evidence.onnx is missing.\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no JSON"),
        ("[]", "is no manifest of a model"),
        ('{"files": {}, "manifest": {}}', "is no manifest that can be shown (KeyError"),
        ('{"files": {}, "manifest": {"infeasible": 3, "versions": {}}}', "is no manifest that can be shown (KeyError"),
    ],
)
def test_what_is_no_manifest_gets_one_line(monkeypatch, capsys, tmp_path: Path, content, says):
    (tmp_path / "manifest.json").write_text(content)

    code = metamodel(monkeypatch, "show", "--model", tmp_path)

    told = capsys.readouterr().err
    assert (code, len(told.splitlines())) == (1, 1)
    assert says in told


def test_a_folder_without_a_model_gets_one_line(monkeypatch, capsys, tmp_path: Path):
    assert metamodel(monkeypatch, "show", "--model", tmp_path) == 1
    assert "run 'metamodel fit' first" in capsys.readouterr().err


def test_showing_loads_no_xgboost():
    code = "import sys; import metamodel.model_card; sys.exit('xgboost' in sys.modules or 'pandas' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_bag_is_exported_and_what_is_not_there_is_named(monkeypatch, capsys, lab_model, tmp_path: Path):
    code = metamodel(monkeypatch, "export", "--onnx", tmp_path / "latency.onnx", "--model", lab_model)

    assert code == 0
    assert "latency from evidence" in capsys.readouterr().out
    onnx.checker.check_model(onnx.load(tmp_path / "latency.onnx"))

    code = metamodel(
        monkeypatch, "export", "--onnx", tmp_path / "power.onnx", "--model", lab_model, "--target", "power"
    )

    assert code == 1
    assert "has no bag for power. It has latency from evidence" in capsys.readouterr().err
    assert not (tmp_path / "power.onnx").exists()
