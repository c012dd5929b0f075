from __future__ import annotations

import csv
import math
import re
from collections import Counter

import pytest

from parsers.errors import PublishedError
from parsers.published.phones import Phone
from parsers.published.rows import PublishedRow
from parsers.published.tables import import_table
from parsers.published.torch_ops import TABLE
from parsers.roofline import macs
from parsers.schema import Layer

PHONES = {"s10": Phone(title="S", soc="Chip S", cores=8, clock_ghz=2.7, gpu="Mali", gpu_units=12, source="a test")}
HEADER = "model,operation,feature,s10|gpu|float,s10|gpu|kernel\n"
CONV = {
    "input_channel": 6,
    "input_shape": 8,
    "output_channel": 12,
    "output_shape": 8,
    "kernel_size": 3,
    "stride": 1,
    "padding": 1,
}


def read_one(operation: str, sizes: dict[str, object], kernel: str = "vulkan.conv2d") -> PublishedRow:
    line = f'net,{operation},"{sizes}",250.0,{kernel}\n'
    (row,) = TABLE.read((HEADER + line).encode(), "ops", PHONES).rows
    return row


def conv(**sizes: object) -> PublishedRow:
    return read_one("vulkan_prepack::run_conv2d_context", {**CONV, **sizes})


@pytest.mark.parametrize(
    ("sizes", "type_", "groups"),
    [
        ({"groups": 1, "filter_size": 648}, "Conv", 1),
        ({"groups": 3, "filter_size": 216}, "GroupedConv", 3),
        ({"groups": None, "filter_size": 108}, "DepthwiseConv", 6),
        ({"filter_size": 108}, "DepthwiseConv", 6),
        ({}, "DepthwiseConv", 6),
        ({"groups": 6}, "DepthwiseConv", 6),
    ],
)
def test_a_convolution_without_groups_is_depthwise_and_the_others_are_kept_apart(sizes, type_, groups):
    layer = conv(**sizes).sketch.layer

    assert layer == Layer(
        type=type_,
        in_channels=6,
        channels=12,
        height=8,
        width=8,
        out_height=8,
        out_width=8,
        kernel_height=3,
        kernel_width=3,
        stride_height=1,
        stride_width=1,
        pad_top=1,
        pad_bottom=1,
        pad_left=1,
        pad_right=1,
        groups=groups,
        input_volume=384,
        output_volume=768,
        weight_elements=12 * 6 // groups * 9 + 12,
        precision="float16",
        input_shapes=((1, 6, 8, 8),),
        output_shape=(1, 12, 8, 8),
    )


@pytest.mark.parametrize(
    "sizes", [{"groups": 4}, {"groups": 1, "filter_size": 7}, {"output_channel": 8}, {"groups": 0}, {"stride": "-"}]
)
def test_a_convolution_whose_sizes_contradict_each_other_or_are_missing_is_known_in_part(sizes):
    row = conv(**sizes)

    assert row.sketch.layer is None
    assert row.cells()["type"] == "Conv"
    assert (row.cells()["input_volume"], row.cells()["groups"], row.cells()["layer_key"]) == (384, None, None)


def test_a_row_is_measured_by_pytorch_on_the_gpu_and_names_its_kernel():
    row = read_one("aten::relu", {"input_channel": 4, "input_shape": 5, "flops": 100}, "vulkan.clamp")

    assert (row.execution.provider, row.execution.provider_used) == ("pytorch-vulkan", "pytorch-vulkan:clamp")
    assert row.provenance.runtime_version == "PyTorch Mobile 2.0.0"
    assert (row.context.cores, row.context.compute_units, row.context.clock_freq_ghz) == (None, 12, None)
    assert row.measurement.execution_time_ms == 0.25


@pytest.mark.parametrize(
    ("sides", "padding", "pads", "attributes"),
    [
        ((12, 6), 1, (1, 1), "{}"),  # ⌊(12 + 2 − 3)/2⌋ + 1 = 6
        ((12, 6), 0, (0, 0), '{"ceil_mode":1}'),  # ⌈(12 − 3)/2⌉ + 1 = 6
        ((13, 6), 0, (0, 0), "{}"),
        ((12, 9), 0, (None, None), "{}"),
        ((12, 6), None, (None, None), "{}"),
    ],
)
def test_a_poolings_padding_stands_where_its_sizes_allow_it(sides, padding, pads, attributes):
    sizes = {"input_channel": 2, "input_shape": sides[0], "output_shape": sides[1], "kernel_size": 3, "stride": 2}
    layer = read_one("aten::max_pool2d", {**sizes, "padding": padding}).sketch.layer

    assert layer is not None
    assert (layer.pad_top, layer.pad_bottom, layer.attributes) == (*pads, attributes)


@pytest.mark.parametrize(
    ("operation", "kernel", "expected"),
    [
        ("aten::add", "vulkan.add", ("Add", 200, 100, ((1, 4, 5, 5),) * 2, 0)),
        ("aten::clamp", "vulkan.clamp", ("Clip", 100, 100, ((1, 4, 5, 5),), 0)),
        ("aten::sigmoid", "vulkan.sigmoid", ("Sigmoid", 100, 100, ((1, 4, 5, 5),), 0)),
        ("aten::hardswish", "vulkan.hardswish", ("HardSwish", 100, 100, ((1, 4, 5, 5),), 0)),
        (
            "vulkan_prepack::run_batchnorm_context",
            "vulkan.batchnorm",
            ("BatchNormalization", 100, 100, ((1, 4, 5, 5),), 16),
        ),
        ("aten::adaptive_avg_pool2d", "vulkan.mean", ("GlobalAveragePool", 100, 4, ((1, 4, 5, 5),), 0)),
    ],
)
def test_operations_become_layers_as_onnx_spells_them(operation, kernel, expected):
    layer = read_one(operation, {"input_channel": 4, "input_shape": 5}, kernel).sketch.layer

    assert layer is not None
    assert expected == (
        layer.type,
        layer.input_volume,
        layer.output_volume,
        layer.input_shapes,
        layer.weight_elements,
    )


def test_a_linear_layer_is_a_gemm():
    layer = read_one("vulkan_prepack::run_linear_context", {"input_shape": 5, "output_shape": 3}).sketch.layer

    assert layer is not None
    assert (layer.type, layer.in_channels, layer.channels, layer.weight_elements) == ("Gemm", 5, 3, 18)


@pytest.mark.parametrize(
    ("operation", "kernel", "known"),
    [
        ("aten::mul", "vulkan.mul", {"type": "Mul", "input_volume": None, "output_volume": 100, "channels": 4}),
        ("aten::avg_pool2d", "vulkan.avg_pool2d", {"type": "AveragePool", "input_volume": 100, "output_volume": None}),
        (
            "aten::adaptive_avg_pool2d",
            "vulkan.adaptive_avg_pool2d",
            {"type": "aten::adaptive_avg_pool2d", "channels": 4, "out_height": None},
        ),
    ],
)
def test_what_an_operation_does_not_tell_is_null(operation, kernel, known):
    cells = read_one(operation, {"input_channel": 4, "input_shape": 5}, kernel).cells()

    assert {name: cells[name] for name in known} == known
    assert cells["layer_key"] is None


def test_tflites_table_is_refused():
    with pytest.raises(PublishedError, match=r"Another runtime's table: .*'MEAN'"):
        TABLE.read((HEADER + "net,MEAN,{},1.0,mean_1\n").encode(), "ops", PHONES)


def test_the_published_table_is_read_whole_without_its_empty_cells(published):
    path = published("torch_cnn_ops_gpu.csv")
    with path.open(newline="") as handle:
        lines = list(csv.DictReader(handle))

    imported = import_table("torch-gpu-ops", path)

    assert imported.rejects == ()
    for device in ("pixel4", "s10"):
        cells = [line[f"{device}|gpu|float"] for line in lines]
        times_ms = [float(cell) / 1000 for cell in cells if cell]
        rows = [row for row in imported.rows if row.provenance.device == device]
        assert len(rows) == len(times_ms)
        assert math.fsum(row.measurement.execution_time_ms or 0 for row in rows) == pytest.approx(math.fsum(times_ms))


def test_the_published_convolutions_are_told_apart_by_their_groups(published):
    path = published("torch_cnn_ops_gpu.csv")
    lines = [line for line in path.read_text().splitlines() if "run_conv2d_context" in line]
    groups = [re.search("'groups': ([0-9]+)", line) for line in lines]

    rows = [row for row in import_table("torch-gpu-ops", path).rows if row.provenance.device == "pixel4"]

    counts = Counter(row.type for row in rows)
    assert counts["DepthwiseConv"] == groups.count(None)
    assert counts["Conv"] == sum(found is not None and found[1] == "1" for found in groups)
    assert counts["GroupedConv"] == sum(found is not None and found[1] != "1" for found in groups)


def test_the_published_sizes_and_work_are_those_that_the_table_says(published):
    path = published("torch_cnn_ops_gpu.csv")
    told = []
    for line in path.read_text().splitlines():
        if "run_conv2d_context" in line:
            sizes = {name: int(value) for name, value in re.findall("'([a-z_]+)': ([0-9]+)", line)}
            told.append((sizes["input_size"], sizes["output_size"], sizes["filter_size"], sizes["flops"]))

    rows = [row for row in import_table("torch-gpu-ops", path).rows if row.provenance.device == "pixel4"]
    layers = [row.sketch.layer for row in rows if row.sketch.layer and row.type.endswith("Conv")]

    assert told == [
        (layer.input_volume, layer.output_volume, layer.weight_elements - layer.channels, macs(layer))
        for layer in layers
    ]
