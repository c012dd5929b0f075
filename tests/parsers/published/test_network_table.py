from __future__ import annotations

import csv
import math
import re

import pytest

from parsers.errors import PublishedError
from parsers.published.network_table import TABLE
from parsers.published.phones import Cluster, Phone
from parsers.published.tables import import_table
from parsers.schema import Context, Measurement, Scope

PHONES = {
    "pixel4": Phone(
        title="P",
        soc="Chip P",
        cores=8,
        clock_ghz=2.8,
        memory_gb=6.0,
        memory_bw_gbs=30.0,
        gpu="G",
        gpu_units=2,
        gpu_clock_ghz=0.6,
        large=Cluster(cores=1, clock_ghz=2.8),
        medium=Cluster(cores=3, clock_ghz=2.3),
        small=Cluster(cores=4, clock_ghz=1.8),
        source="a test",
    )
}
HEADER = "model,FLOPS,size,pixel4|1large1med|float|mean,pixel4|1large1med|float|std,pixel4|4small|quant|mean,pixel4|4small|quant|std,pixel4|gpu|float|mean,pixel4|gpu|float|std\n"


def read(lines: str):
    return TABLE.read((HEADER + lines).encode(), "e2e", PHONES)


def test_a_line_is_a_network_in_every_setting():
    cpu, quantised, gpu = read("net,1000,4000,8000.0,400.0,5000,0,2000.5,\n").rows

    assert cpu.execution.scope is Scope.NETWORK
    assert cpu.measurement == Measurement(execution_time_ms=8.0, wall_ms=8.0, network_wall_ms=8.0, spread=0.05)
    assert cpu.context == Context(cores=2, memory_gb=6.0, clock_freq_ghz=2.8, memory_bw_gbs=30.0)
    assert (cpu.execution.provider, cpu.execution.threads, cpu.execution.affinity) == ("tflite-cpu", 2, "1large1med")
    assert (cpu.provenance.networks, cpu.provenance.job) == (("net",), "2-net-1large1med-float")
    assert (quantised.context.cores, quantised.context.clock_freq_ghz, quantised.measurement.spread) == (4, 1.8, 0.0)
    assert (gpu.execution.provider, gpu.measurement.spread) == ("tflite-gpu", None)
    assert gpu.context == Context(cores=None, compute_units=2, memory_gb=6.0, clock_freq_ghz=0.6, memory_bw_gbs=30.0)
    assert [row.cells()["precision"] for row in (cpu, quantised, gpu)] == ["float32", "int8", "float16"]


def test_of_its_layers_nothing_is_known_but_what_the_table_says_of_the_whole():
    (row,) = read("net,1000,4000,8000.0,400.0,,,,\n").rows

    cells = row.cells()

    assert (cells["type"], cells["attributes"]) == ("Network", '{"flops":1000,"size_bytes":4000}')
    assert [cells[name] for name in ("layer_key", "in_channels", "input_volume", "kernel_size", "batch")] == [None] * 5


def test_damage_costs_what_it_hits_and_is_listed_with_its_place():
    published = read("net,1,2,8.0,x,y,1,-3,1\nshort,1\n;,1,2,8.0,1,,,,\n")

    assert [row.provenance.job for row in published.rows] == ["2-net-1large1med-float"]
    assert [(reject.offset - len(HEADER), reject.reason) for reject in published.rejects] == [
        (0, "no deviation for pixel4 1large1med float; its time is taken"),
        (0, "no time above zero for pixel4 4small quant"),
        (0, "no time above zero for pixel4 gpu float"),
        (23, "a line that is not one value per column"),
        (31, "a line without the name of a model"),
    ]


def test_columns_are_found_by_their_names_in_whatever_order_they_stand():
    text = "size,x|gpu|float|std,FLOPS,x|gpu|float|mean,model\n2,1.0,1,8.0,net\n"
    usual = "model,FLOPS,size,x|gpu|float|mean,x|gpu|float|std\nnet,1,2,8.0,1.0\n"

    assert TABLE.read(text.encode(), "e2e", PHONES) == TABLE.read(usual.encode(), "e2e", PHONES)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "The file is empty"),
        ("model,operation,feature,pixel4|gpu|float\n", "Another table: its columns begin"),
        ("model,FLOPS,size\n", "no column of times"),
    ],
)
def test_another_table_is_refused(text: str, complaint: str):
    with pytest.raises(PublishedError, match=complaint):
        TABLE.read(text.encode(), "e2e", PHONES)


def test_a_column_that_is_not_understood_is_named():
    text = "model,FLOPS,size,pixel4|gpu|float|mean,pixel4|9npu|float|mean\nnet,1,1,5.0,6.0\n"

    published = TABLE.read(text.encode(), "e2e", PHONES)

    assert len(published.rows) == 1
    assert published.notes[0] == "The column 'pixel4|9npu|float|mean' is not read."


def test_the_published_table_is_read_whole(published):
    path = published("tflite_cnn_e2e.csv")
    with path.open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    columns = [name for name in lines[0] if name.endswith("|mean")]

    imported = import_table("tflite-e2e", path)

    assert imported.rejects == ()
    assert len(imported.rows) == sum(bool(line[name]) for line in lines for name in columns)
    for name in columns:
        device, cores, precision, _ = name.split("|")
        times_ms = [float(line[name]) / 1000 for line in lines if line[name]]
        rows = [
            row
            for row in imported.rows
            if row.provenance.device == device and row.provenance.job.endswith(f"-{cores}-{precision}")
        ]
        assert len(rows) == len(times_ms)
        assert math.fsum(row.measurement.wall_ms or 0 for row in rows) == pytest.approx(math.fsum(times_ms))
        digits = [int(number) for number in re.findall("[0-9]", cores)]
        assert {row.context.cores for row in rows} == ({None} if cores == "gpu" else {sum(digits)})


def test_the_published_spreads_are_deviation_over_mean(published):
    path = published("tflite_cnn_e2e.csv")
    with path.open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    told = [float(line["s10|4small|quant|std"]) / float(line["s10|4small|quant|mean"]) for line in lines]

    rows = import_table("tflite-e2e", path).rows

    found = [
        row.measurement.spread
        for row in rows
        if (row.provenance.device, row.execution.affinity) == ("s10", "4small") and row.provenance.job.endswith("quant")
    ]
    assert found == pytest.approx(told)
