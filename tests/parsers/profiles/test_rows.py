from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from parsers.device_config import DeviceConfig
from parsers.dump import DumpSettings
from parsers.dump_files import write_records
from parsers.profiles import ncnn, tflite
from parsers.profiles.operator_time import LayerShape
from parsers.profiles.rows import processor_of, stem_of
from parsers.schema import COLUMNS
from parsers.stats import read_stats


def known(row: Mapping[str, object], *names: str) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


CONTEXT = ("cores", "clock_freq_ghz", "memory_gb", "memory_bw_gbs", "core_part", "compute_units", "task_text")


def test_a_row_on_the_phones_processor_carries_its_context(profiles: Mapping[str, bytes], phone: DeviceConfig) -> None:
    row = ncnn.KIND.read(profiles["ncnn"], DumpSettings(name="log", device=phone)).cells[0]

    assert known(row, *CONTEXT) == (4, 2.84, 6.0, 34.1, "0xd0d", 0, 0)
    assert known(row, "device", "soc", "device_kind") == ("pixel", "sm8150", "phone")


def test_a_row_on_a_gpu_carries_no_clock_and_no_cores_of_the_cpu(
    profiles: Mapping[str, bytes], phone: DeviceConfig
) -> None:
    data = profiles["ncnn"].replace(b"gpu_device = -1", b"gpu_device = 0")

    row = ncnn.KIND.read(data, DumpSettings(name="log", device=phone)).cells[0]

    assert known(row, *CONTEXT) == (None, None, 6.0, 34.1, None, None, 0)


def test_a_tier_is_no_phone(profiles: Mapping[str, bytes], phone: DeviceConfig) -> None:
    tier = replace(phone, kind="tier", latency_limit_ms=9.0)

    row = ncnn.KIND.read(profiles["ncnn"], DumpSettings(device=tier)).cells[0]

    assert known(row, "device_kind", "campaign") == ("none", "ncnn-profile")


def test_without_a_device_the_context_is_unknown(profiles: Mapping[str, bytes]) -> None:
    row = ncnn.KIND.read(profiles["ncnn"], DumpSettings()).cells[0]

    assert known(row, *CONTEXT) == (None, None, None, None, None, 0, None)
    assert set(row) == {column.name for column in COLUMNS}


def test_rows_can_be_cut_and_counted_and_are_the_same_each_time(profiles: Mapping[str, bytes]) -> None:
    cells = tflite.KIND.read(profiles["tflite"], DumpSettings()).cells

    assert len(cells) == 3
    assert [row["type"] for row in cells[1:]] == ["TfLiteXNNPackDelegate", "Gemm"]
    assert list(cells) == list(cells)
    with pytest.raises(IndexError):
        cells[3]


def test_a_profile_becomes_a_stats_table(profiles: Mapping[str, bytes], tmp_path: Path) -> None:
    dump = ncnn.KIND.read(profiles["ncnn"], DumpSettings(name="log"))

    written = write_records(dump, tmp_path / "rows.parquet")

    table = read_stats(tmp_path / "rows.parquet")
    assert (written, list(table["type"])) == (5, ["Conv", "Eltwise", "Gemm", "Network", "Network"])
    assert list(table["scope"].unique()) == ["in_network", "network"]


def test_a_volume_that_no_table_can_hold_is_unknown() -> None:
    shape = LayerShape(input_shapes=((2**31 - 1,) * 3,), output_shapes=((1,) * 17,))

    assert known(shape.cells(), "input_volume", "output_volume") == (None, None)


def test_a_dense_layers_sides_are_one() -> None:
    cells = LayerShape(input_shapes=((2, 64),), output_shapes=((2, 10),), is_dense=True).cells()

    assert known(cells, "batch", "in_channels", "channels", "height", "width", "out_height", "out_width") == (
        2, 64, 10, 1, 1, 1, 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "processor"),
    [("tflite-xnnpack", "cpu"), ("cpu", "cpu"), ("mnn-vulkan", "gpu"), ("snpe-dsp", "dsp"), ("qnn", "qnn")],
)
def test_a_provider_names_its_processor(provider: str, processor: str) -> None:
    assert processor_of(provider) == processor


@pytest.mark.parametrize(
    ("path", "stem"),
    [("/data/local/tmp/a.b.tflite", "a.b"), (r"C:\models\net.mnn", "net"), ("net", "net"), (".hidden", ".hidden")],
)
def test_a_models_path_gives_the_networks_name(path: str, stem: str) -> None:
    assert stem_of(path) == stem
