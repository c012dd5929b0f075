from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from parsers.device_config import load_device_config
from parsers.schema import Context, DeviceKind, Execution, Layer, Measurement, Origin, Provenance, Row
from parsers.stats import write_stats
from profiler.cli import app
from profiler.host_facts import read_host_facts


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def day(path: Path, time_ms: float) -> Path:
    row = Row(
        layer=Layer(type="Gemm", in_channels=8, channels=4, input_volume=8, output_volume=4),
        context=Context(cores=1, memory_gb=8.0, clock_freq_ghz=2.84),
        execution=Execution(),
        measurement=Measurement(execution_time_ms=time_ms, spread=0.01, processes=3),
        provenance=Provenance(
            origin=Origin.MEASURED, device_kind=DeviceKind.PHONE, device="phone", campaign="c", job="Gemm-1"
        ),
    )
    write_stats([row], path)
    return path


def test_this_machine_is_detected_and_written_as_a_config(tmp_path: Path) -> None:
    path = tmp_path / "here.toml"

    printed = run("detect", "--device", "host", "-o", str(path), "--limit", "12.5")

    config = load_device_config(str(path))
    assert (config.context, config.latency_limit_ms) == (read_host_facts().context, 12.5)
    assert "memory_gb" in printed
    assert printed.splitlines()[-1] == str(path)


def test_without_an_output_nothing_is_written_and_json_says_so(tmp_path: Path) -> None:
    document = json.loads(run("detect", "--device", "host", "--json"))

    assert document["config"] is None
    assert [found["key"] for found in document["context"]][:3] == ["cores", "memory_gb", "clock_freq_ghz"]
    assert list(tmp_path.iterdir()) == []


def test_two_days_are_compared_in_words_and_as_a_document(tmp_path: Path) -> None:
    monday, tuesday = day(tmp_path / "a.parquet", 1.0), day(tmp_path / "b.parquet", 1.2)

    printed = run("repeatability", str(monday), str(tuesday))
    document = json.loads(run("repeatability", str(monday), str(tuesday), "--json"))

    assert "phone (phone): 1 layers measured twice; changed by 20.0% (median), 20.0% (90 % of the layers)." in printed
    assert "1 of 1 changed by more than their own spread explains" in printed
    assert (document["beyond"], document["layers"][0]["job"], document["layers"][0]["beyond"]) == (1, "Gemm-1", True)
