from __future__ import annotations

import csv
import math
import re
from collections import Counter

import pytest

from parsers.dump import Reject
from parsers.errors import PublishedError
from parsers.published.phones import Cluster, Phone
from parsers.published.rows import PublishedRow
from parsers.published.sketch import Fused
from parsers.published.tables import import_table
from parsers.published.tflite_ops import TABLE, fused_behind, kernel_name
from parsers.roofline import flops
from parsers.schema import Context, DeviceKind, Execution, Layer, Measurement, Origin, Provenance, Scope

PHONES = {
    "pixel4": Phone(
        title="P",
        soc="Chip P",
        cores=4,
        clock_ghz=2.0,
        memory_gb=6.0,
        memory_bw_gbs=30.0,
        gpu="G",
        gpu_units=2,
        gpu_clock_ghz=0.6,
        large=Cluster(cores=4, clock_ghz=2.0),
        source="a test",
    )
}
HEADER = "model,operation,feature,pixel4|gpu|float,pixel4|gpu|kernel,other|gpu|float,other|gpu|kernel\n"
CONV = (
    "net,CONV_2D,\"{'Input_shape': '8', 'Input_channel': 4, 'Output_shape': '8', 'Stride': '1', 'Kernel': '3', "
    "'Filter': '6', 'Group': '1', 'FLOPS': '27648'}\",12.5,convolution_2d_7_linked_:_add_8_linked_:_relu_9,"
    "20.0,convolution_winograd_4x4_6x6_7\n"
)


def feature(**sizes: object) -> str:
    """A feature as the table writes it, quoted."""
    return f'"{sizes}"'


def read(lines: str) -> list[PublishedRow]:
    return list(TABLE.read((HEADER + lines).encode(), "ops", PHONES).rows)


def layer_of(operation: str, sizes: str, kernel: str = "kernel_1") -> Layer | None:
    (row,) = read(f"net,{operation},{sizes},1.0,{kernel},,{kernel}\n")
    return row.sketch.layer


def test_a_line_is_a_row_per_device_with_one_layer_for_both():
    ours, other = read(CONV)

    assert ours == PublishedRow(
        sketch=ours.sketch,
        context=Context(cores=None, compute_units=2, memory_gb=6.0, clock_freq_ghz=0.6, memory_bw_gbs=30.0),
        execution=Execution(
            scope=Scope.IN_NETWORK, provider="tflite-gpu", provider_used="tflite-gpu:convolution_2d", threads=1
        ),
        measurement=Measurement(execution_time_ms=0.0125),
        provenance=Provenance(
            origin=Origin.IMPORTED,
            device_kind=DeviceKind.PHONE,
            device="pixel4",
            soc="Chip P",
            campaign="tflite-gpu-ops-ops",
            job="2-net-CONV_2D-gpu|float",
            networks=("net",),
            runtime_version="TensorFlow Lite 2.10.0",
        ),
    )
    assert ours.sketch.layer == Layer(
        type="Conv",
        in_channels=4,
        channels=6,
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
        idskip=1,
        input_volume=256 + 384,
        output_volume=384,
        weight_elements=222,
        fused_ops=("Add", "Relu"),
        precision="float16",
        input_shapes=((1, 4, 8, 8), (1, 6, 8, 8)),
        output_shape=(1, 6, 8, 8),
    )
    assert other.execution.provider_used == "tflite-gpu:convolution_winograd_4x4_6x6"
    assert other.cells()["layer_key"] == ours.cells()["layer_key"]


def test_a_phone_that_nobody_described_has_no_hardware_and_that_is_said():
    published = TABLE.read((HEADER + CONV).encode(), "ops", PHONES)
    cells = published.rows[1].cells()

    assert [cells[name] for name in ("compute_units", "memory_gb", "clock_freq_ghz", "soc")] == [None] * 4
    assert any(note.startswith("other is no phone of") for note in published.notes)


def test_an_empty_cell_is_no_row():
    (row,) = read("net,MEAN," + feature(Input_shape="7", Input_channel=64, Output_shape="64") + ",,mean_3,5.0,mean_3\n")

    assert row.provenance.device == "other"


@pytest.mark.parametrize(
    ("operation", "sizes", "type_", "groups"),
    [
        ("CONV_2D", feature(Filter="6", Group="1"), "Conv", 1),
        ("CONV_2D_GROUP", feature(Filter="6", Group="2"), "GroupedConv", 2),
        ("DEPTHWISE_CONV_2D", feature(Filter="1", Group="1"), "DepthwiseConv", 4),
    ],
)
def test_dense_grouped_and_depthwise_convolutions_are_told_apart(operation, sizes, type_, groups):
    common = "{'Input_shape': '9', 'Input_channel': 4, 'Output_shape': '4', 'Stride': '2', 'Kernel': '3', "

    layer = layer_of(operation, sizes.replace("{", common))

    assert layer is not None
    assert (layer.type, layer.groups, layer.padding) == (type_, groups, 0)
    assert layer.channels == (4 if type_ == "DepthwiseConv" else 6)


@pytest.mark.parametrize(
    ("operation", "sizes", "layer"),
    [
        (
            "FULLY_CONNECTED",
            feature(Input_shape="-", Input_channel=10, Output_shape="-", Filter="5"),
            ("Gemm", 10, 5, 1, 10, 5, 55),
        ),
        (
            "MEAN",
            feature(Input_shape="7", Input_channel=3, Output_shape="3", Kernel="0"),
            ("GlobalAveragePool", 3, 3, 7, 147, 3, 0),
        ),
        (
            "CONCATENATION",
            feature(Input_shape="2", Input_channel=3, Output_shape="2", Kernel="2", Filter="8"),
            ("Concat", 3, 8, 2, 32, 32, 0),
        ),
        (
            "MAX_POOL_2D",
            feature(Input_shape="5", Input_channel=3, Output_shape="2", Kernel="3", Stride="2"),
            ("MaxPool", 3, 3, 5, 75, 12, 0),
        ),
        (
            "AVERAGE_POOL_2D",
            feature(Input_shape="7", Input_channel=3, Output_shape="1", Kernel="7", Stride="1"),
            ("AveragePool", 3, 3, 7, 147, 3, 0),
        ),
    ],
)
def test_operations_become_layers_as_onnx_spells_them(operation, sizes, layer):
    found = layer_of(operation, sizes)

    assert found is not None
    assert layer == (
        found.type,
        found.in_channels,
        found.channels,
        found.height,
        found.input_volume,
        found.output_volume,
        found.weight_elements,
    )


@pytest.mark.parametrize(
    ("operation", "sizes", "type_"),
    [
        ("CONV_2D", feature(Input_shape="8", Input_channel=4), "Conv"),
        ("CONV_2D_GROUP", feature(Input_shape="8", Input_channel=4, Output_shape="8", Stride="1", Kernel="1", Filter="6", Group="3"), "GroupedConv"),
        ("MEAN", feature(Input_shape="8", Input_channel=4, Output_shape="8"), "ReduceMean"),
        ("PAD", feature(Input_shape="8", Input_channel=4), "Pad"),
        ("SHUFFLE", feature(Input_shape="8", Input_channel=4), "SHUFFLE"),
    ],
)  # fmt: skip
def test_what_is_told_in_part_is_a_row_with_what_is_known_and_no_key(operation, sizes, type_):
    row, *_ = read(f"net,{operation},{sizes},1.0,k_1,,\n{CONV}")

    cells = row.cells()

    assert {name: cells[name] for name in ("type", "layer_key", "in_channels", "height", "output_volume")} == {
        "type": type_,
        "layer_key": None,
        "in_channels": 4,
        "height": 8,
        "output_volume": None,
    }
    assert cells["execution_time_ms"] == 0.001


@pytest.mark.parametrize(
    ("kernels", "fused"),
    [
        (["convolution_2d_3"], Fused()),
        (["convolution_2d_3_linked_:_relu_4", "convolution_2d_31_linked_:_relu_40"], Fused(ops=("Relu",))),
        (["fully_connected_3_linked_:_relu_4_linked_:_mul_5"], Fused(ops=("Relu", "Mul"))),
        (
            ["convolution_2d_3_linked_:_add_4_linked_:_mul_5_linked_:_add_6_linked_:_relu_7"],
            Fused(ops=("Add", "Mul", "Add", "Relu"), skips=1),
        ),
        (["concat_3_linked_:_mul_5_linked_:_add_6_linked_:_relu_7"], Fused(ops=("Mul", "Add", "Relu"))),
        (["convolution_2d_3_linked_:_add_4_linked_:_add_5"], Fused(ops=("Add", "Add"), skips=2)),
        (["convolution_2d_3_linked_:_elu_4"], Fused(ops=("elu",))),
        (["convolution_winograd_4x4_6x6_3", "convolution_2d_3_linked_:_relu_4"], Fused(ops=("Relu",))),
        (["depthwise_conv_plus_1x1_conv_3_4_5_linked_:_add_6", "depthwise_convolution_3"], Fused()),
        (["convolution_winograd_4x4_6x6_3"], None),
        (["convolution_2d_3_linked_:_relu_4", "convolution_2d_3"], None),
        ([], None),
    ],
)
def test_kernels_tell_what_is_fused_or_leave_it_unknown(kernels: list[str], fused: Fused | None):
    assert fused_behind(kernels) == fused


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("convolution_2d_17", "convolution_2d"),
        ("convolution_winograd_4x4_6x6_1", "convolution_winograd_4x4_6x6"),
        ("depthwise_conv_plus_1x1_conv_5_6_7_linked_:_add_8", "depthwise_conv_plus_1x1_conv"),
        ("mean_2_linked_:_relu_3", "mean"),
        ("17", "17"),
    ],
)
def test_a_kernels_name_loses_its_place_in_the_network(kernel: str, name: str):
    assert kernel_name(kernel) == name


def test_a_kernel_that_ran_two_lines_is_said():
    shared = CONV.replace("convolution_winograd_4x4_6x6_7", "depthwise_conv_plus_1x1_conv_6_7")

    notes = TABLE.read((HEADER + shared).encode(), "ops", PHONES).notes

    assert any(note.startswith("1 rows are of depthwise_conv_plus_1x1_conv") for note in notes)


def test_damage_costs_what_it_hits_and_is_listed_with_its_place():
    lines = [
        "only,three,fields\n",
        CONV.replace("12.5", "fast"),
        CONV.replace("12.5", "0"),
        CONV.replace("{'Input_shape'", "{Input_shape"),
        CONV.replace("net", " "),
        CONV,
    ]
    offsets = [len(HEADER) + sum(len(line) for line in lines[:index]) for index in range(len(lines))]

    published = TABLE.read((HEADER + "".join(lines)).encode(), "ops", PHONES)

    assert [(reject.offset, reject.reason) for reject in published.rejects] == [
        (offsets[0], "a line that is not one value per column"),
        (offsets[1], "no time above zero in column pixel4|gpu|float"),
        (offsets[2], "no time above zero in column pixel4|gpu|float"),
        (offsets[3], "a feature that is no dict of sizes; its layer is known by its type only"),
        (offsets[4], "a line without the name of a model or an operation"),
    ]
    assert published.rejects[0] == Reject(
        offset=offsets[0], reason="a line that is not one value per column", text=b"only,three,fields"
    )
    assert Counter(row.provenance.device for row in published.rows) == {"pixel4": 2, "other": 4}
    assert [row.type for row in published.rows] == ["Conv"] * 6


def test_columns_are_found_by_their_names_in_whatever_order_they_stand():
    (line,) = csv.reader([CONV])
    names = HEADER.strip().split(",")
    order = [6, 3, 2, 0, 5, 4, 1]
    moved = [[names[place] for place in order], [line[place] for place in order]]
    text = "\n".join(",".join(f'"{cell}"' for cell in cells) for cells in moved)

    rows = TABLE.read(text.encode(), "ops", PHONES).rows

    assert sorted(rows, key=lambda row: row.provenance.device, reverse=True) == read(CONV)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "The file is empty"),
        ("a,b,c\n1,2,3\n", "Another table: its columns begin b'a,b,c'"),
        ("model,operation,feature,note\n", "no column of times"),
        ("model,operation,feature,x|gpu|float,x|gpu|float\n", "two columns 'x|gpu|float'"),
        (HEADER + "net,aten::relu,{},1.0,vulkan.clamp,,\n", "Another runtime's table: .*'aten::relu'"),
        ("\x00\xff\x00", "Another table"),
    ],
)
def test_another_table_is_refused_in_one_line(text: str, complaint: str):
    with pytest.raises(PublishedError, match=complaint.replace("|", r"\|")) as caught:
        TABLE.read(text.encode(), "ops", PHONES)
    assert "\n" not in str(caught.value)


def test_a_column_that_is_not_understood_is_named_and_settings_of_a_cpu_are_read():
    table = "model,operation,feature,pixel4|2large|quant,pixel4|gpu|quant,comment\nnet,MEAN,{},4.0,5.0,hello\n"

    published = TABLE.read(table.encode(), "ops", PHONES)

    (row,) = published.rows
    assert (row.execution.provider, row.execution.threads, row.execution.affinity) == ("tflite-cpu", 2, "2large")
    assert (row.context.cores, row.cells()["precision"]) == (2, "int8")
    assert published.notes[:2] == ("The column 'pixel4|gpu|quant' is not read.", "The column 'comment' is not read.")


def test_the_published_table_is_read_whole(published):
    path = published("tflite_cnn_ops_gpu.csv")
    with path.open(newline="") as handle:
        lines = list(csv.DictReader(handle))

    imported = import_table("tflite-gpu-ops", path)

    assert imported.rejects == ()
    for device in ("pixel4", "s10", "mi8se", "iphone7", "iphonexs"):
        times_ms = [float(line[f"{device}|gpu|float"]) / 1000 for line in lines]
        rows = [row for row in imported.rows if row.provenance.device == device]
        assert len(rows) == len(times_ms)
        assert math.fsum(row.measurement.execution_time_ms or 0 for row in rows) == pytest.approx(math.fsum(times_ms))
        assert Counter(name for row in rows for name in row.provenance.networks) == Counter(
            line["model"] for line in lines
        )


def test_the_published_convolutions_need_the_flops_that_the_table_says(published):
    path = published("tflite_cnn_ops_gpu.csv")
    told = [int(value) for value in re.findall(r"'FLOPS': '([0-9]+)'", path.read_text())]
    with path.open(newline="") as handle:
        operations = [line["operation"] for line in csv.DictReader(handle) if "'FLOPS': '-'" not in line["feature"]]

    rows = [row for row in import_table("tflite-gpu-ops", path).rows if row.provenance.device == "pixel4"]
    counted = [flops(row.sketch.layer) for row in rows if row.sketch.layer and row.type != "Concat"]

    multiplies = [index for index, name in enumerate(operations) if name.startswith(("CONV", "DEPTHWISE", "FULLY"))]
    assert len(multiplies) > 4000
    assert [counted[index] for index in multiplies] == [told[index] for index in multiplies]


def test_the_published_skips_are_those_that_kernels_add(published):
    path = published("tflite_cnn_ops_gpu.csv")
    with path.open(newline="") as handle:
        kernels = [line["pixel4|gpu|kernel"] for line in csv.DictReader(handle)]

    rows = [row for row in import_table("tflite-gpu-ops", path).rows if row.provenance.device == "pixel4"]

    skips = [row.sketch.layer.idskip for row in rows if row.sketch.layer]
    assert skips == [int(bool(re.search("(?<!mul)_[0-9]+_linked_:_add", f"{name}"))) for name in kernels]


def test_every_published_layer_is_known_and_has_one_key_on_all_devices(published):
    rows = import_table("tflite-gpu-ops", published("tflite_cnn_ops_gpu.csv")).rows

    keys: dict[str, set[str]] = {}
    for row in rows:
        layer = row.sketch.layer
        assert layer is not None
        keys.setdefault(row.provenance.job, set()).add(layer.key)

    assert {len(found) for found in keys.values()} == {1}
    assert len(keys) * 5 == len(rows)
