from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from parsers.dump import Dump, DumpSettings
from parsers.profiles.ncnn import KIND
from parsers.profiles.operator_time import LayerShape, OperatorTime

CONV = b"Convolution              conv1                              3.21ms    |"
WINDOW = b"     kernel: 3 x 5     stride: 2 x 1"
NETWORK = b"                tiny  min =    4.10  max =    8.25  avg =    6.02\n"


def read(data: bytes) -> Dump:
    dump = KIND.read(data, DumpSettings(name="log"))
    return replace(dump, records=list(dump.records), rejects=list(dump.rejects))


def known(row: Mapping[str, object], *names: str) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


def test_a_layers_line_tells_its_time_its_shapes_and_its_window() -> None:
    (time,) = read(CONV + b" [224, 220,   3 *1] -> [112, 220,   8 *4]" + WINDOW + b"\n").records

    assert time == OperatorTime(
        section="layers, run 1",
        order=0,
        type="Convolution",
        name="conv1",
        value=3.21,
        unit="ms",
        provider="ncnn",
        shape=LayerShape(
            input_shapes=((1, 3, 220, 224),),
            output_shapes=((1, 32, 220, 112),),
            is_image=True,
            kernel=(5, 3),
            stride=(1, 2),
            groups=1,
        ),
    )


def test_shapes_become_a_rows_columns_and_what_is_not_told_stays_null() -> None:
    (row,) = read(CONV + b" [224, 220,   3 *1] -> [112, 220,   8 *4]" + WINDOW + b"\n").cells

    assert known(row, "type", "batch", "in_channels", "height", "width", "channels", "out_height", "out_width") == (
        "Conv", 1, 3, 220, 224, 32, 220, 112,
    )  # fmt: skip
    assert known(row, "kernel_height", "kernel_width", "kernel_size", "stride_height", "stride_width", "stride") == (
        5, 3, 5, 1, 2, 2,
    )  # fmt: skip
    assert known(row, "input_volume", "output_volume", "input_shapes", "output_shape", "groups") == (
        3 * 220 * 224, 32 * 220 * 112, "1x3x220x224", "1x32x220x112", 1,
    )  # fmt: skip
    unknown = (
        "padding",
        "pad_top",
        "dilation",
        "weight_elements",
        "precision",
        "layer_key",
        "threads",
        "compute_units",
    )
    assert known(row, *unknown) == (None,) * len(unknown)


def test_a_layer_has_the_median_of_the_runs_that_the_benchmark_counts(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["ncnn"])

    assert [known(row, "type", "execution_time_ms", "samples", "scope", "networks") for row in dump.cells] == [
        ("Conv", pytest.approx(4.8), 2, "in_network", "tiny"),
        ("Eltwise", pytest.approx(0.375), 2, "in_network", "tiny"),
        ("Gemm", pytest.approx(0.75), 2, "in_network", "tiny"),
        ("Network", 6.02, 2, "network", "tiny"),
        ("Network", 3.02, 2, "network", "tiny_int8"),
    ]
    assert [time.section for time in dump.records][::4] == ["tiny, run 1", "tiny, run 2", "tiny, run 3", "networks"]
    assert (dump.rejects, dump.notes) == ([], [])


def test_a_networks_time_is_its_wall_time(profiles: Mapping[str, bytes]) -> None:
    row = read(profiles["ncnn"]).cells[3]

    assert known(row, "execution_time_ms", "wall_ms", "network_wall_ms", "provider", "threads", "compute_units") == (
        6.02, 6.02, 6.02, "ncnn-cpu", 4, 0,
    )  # fmt: skip


def test_without_a_count_of_runs_all_are_taken_and_that_is_said() -> None:
    lines = [CONV.replace(b"3.21", text) + b"\n" for text in (b"9.00", b"1.00", b"2.00")]

    dump = read(b"".join(lines))

    assert [known(row, "execution_time_ms", "samples") for row in dump.cells] == [(2.0, 3)]
    assert dump.notes == ["The log does not say which runs are warm-up: a row holds the median over all runs."]


def test_the_old_form_tells_the_maps_size_but_no_channels_to_be_believed() -> None:
    old = b"    feature_map:  224 x 220     inch:    3    outch:   32"

    (row,) = read(CONV + old + WINDOW + b"\n").cells

    assert known(row, "height", "width", "kernel_size", "in_channels", "channels", "input_volume") == (
        220, 224, 5, None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "inputs", "outputs"),
    [
        (b"", None, None),
        (b"                        ->                       ", (), ()),
        (b"              [320 *4] -> [1000 *1]             ", ((1, 1280),), ((1, 1000),)),
        (b"          [ 10,  20 *4] -> [ 10,  20 *4]        ", ((1, 80, 10),), ((1, 80, 10),)),
    ],
)
def test_shapes_of_any_rank_are_read(
    shapes: bytes, inputs: tuple[tuple[int, ...], ...] | None, outputs: tuple[tuple[int, ...], ...] | None
) -> None:
    (time,) = read(CONV.replace(b"Convolution ", b"InnerProduct") + shapes + b"\n").records

    assert (time.shape and time.shape.input_shapes, time.shape and time.shape.output_shapes) == (inputs, outputs)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Convolution conv2 3.2x1ms    |\n", "a layer's line without type and time"),
        (b"Convolution conv2 1.21ms    | [224, x, 3 *1] -> [1 *1]\n", "a layer's line whose shapes cannot be read"),
        (b"  tiny  min =    4.10  max =    8.25  avg =    x.02\n", "a network's times that cannot be read"),
        (b"  tiny  min =    4.10  max =    8.25\n", "a network's times that cannot be read"),
        (
            b"  tiny  min =    4.10  max =    8.25  avg =    9.02\n",
            "a network's mean time that is not between its least and its greatest",
        ),
        (b"Convoluti^n\n", "a line between a table's lines that does not fit"),
    ],
)
def test_a_line_of_a_table_that_cannot_be_read_is_counted(line: bytes, reason: str) -> None:
    dump = read(CONV + b"\n" + line + NETWORK)

    assert [(reject.reason, reject.offset) for reject in dump.rejects] == [(reason, len(CONV) + 1)]
    assert len(list(dump.records)) == 2


def test_other_lines_of_a_log_are_nobodys_business() -> None:
    dump = read(b"loading model\n\n" + CONV + b"\n\nfind_blob_index_by_name failed\n" + NETWORK)

    assert (len(list(dump.records)), dump.rejects) == (2, [])


def test_a_lost_line_of_a_run_is_said(profiles: Mapping[str, bytes]) -> None:
    lines = profiles["ncnn"].splitlines(keepends=True)

    dump = read(b"".join(lines[:7] + lines[8:]))

    assert dump.notes == ["Runs of a network list different layers: lines of them are lost, or stand there twice."]


def test_depthwise_layers_keep_their_name_because_they_may_be_grouped() -> None:
    line = CONV.replace(b"Convolution         ", b"ConvolutionDepthWise") + b"\n"

    dump = read(line)

    assert [known(row, "type", "groups") for row in dump.cells] == [("ConvolutionDepthWise", None)]
    assert dump.notes == ["ncnn's ...DepthWise layers may be grouped, and groups are not told: they keep ncnn's name."]


def test_a_gpu_is_told_by_its_number(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["ncnn"].replace(b"gpu_device = -1", b"gpu_device = 0"))

    assert {known(row, "provider", "threads", "compute_units") for row in dump.cells} == {("ncnn-vulkan", None, None)}
