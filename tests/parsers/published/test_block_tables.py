from __future__ import annotations

import json
import math
import re

import pytest

from parsers.errors import PublishedError
from parsers.published.block_tables import TABLES
from parsers.published.phones import Phone
from parsers.published.rows import Published, PublishedRow
from parsers.published.tables import import_table
from parsers.roofline import macs
from parsers.schema import Context, Layer, Measurement, Scope

ONCE_FOR_ALL, PROXYLESS = TABLES
PHONES = {
    name: Phone(title=name, soc="Chip", cores=8, clock_ghz=2.8, memory_gb=8.0, gpu="G", source="a test")
    for name in ("note10", "pixel1")
}
FIGURES = "  count: 40\n  mean: 2.0\n"
BLOCK = "expanded_conv-input:8x8x4-output:4x4x6-expand:{expand}-kernel:5-stride:2-idskip:0"


def read(table, name: str, figures: str = FIGURES) -> PublishedRow:
    published: Published = table.read(f"{name}:\n{figures}".encode(), "table", PHONES)
    (row,) = published.rows
    return row


def test_once_for_alls_expand_is_the_middle_width():
    row = read(ONCE_FOR_ALL, BLOCK.format(expand=12) + "-se:1-hs:1", FIGURES + "  std: 0.5\n")

    layer = row.sketch.layer
    assert layer is not None
    # expand 4·12 + 12, depthwise 25·12 + 12, squeeze 12·8 + 8 + 8·12 + 12, project 12·6 + 6
    assert layer == Layer(
        type="InvertedResidual",
        in_channels=4,
        channels=6,
        height=8,
        width=8,
        out_height=4,
        out_width=4,
        kernel_height=5,
        kernel_width=5,
        stride_height=2,
        stride_width=2,
        expansion_ratio=3.0,
        idskip=0,
        input_volume=256,
        output_volume=96,
        weight_elements=60 + 312 + 212 + 78,
        input_shapes=((1, 4, 8, 8),),
        output_shape=(1, 6, 4, 4),
        attributes=layer.attributes,
    )
    told = json.loads(layer.attributes)
    assert (told["activations"], told["squeeze"], told["gate"]) == (["HardSwish", "HardSwish"], 8, "HardSigmoid")
    assert row.measurement == Measurement(execution_time_ms=2.0, spread=0.25, samples=40)
    assert row.execution.scope is Scope.BLOCK
    assert row.provenance.device == "note10"


def test_proxylessnas_expand_is_the_ratio_and_its_variance_is_the_deviations_square():
    row = read(PROXYLESS, BLOCK.format(expand=3), FIGURES + "  var: 0.25\n  big: 0.2\n  small: 0.4\n")

    layer = row.sketch.layer
    assert layer is not None
    assert (layer.expansion_ratio, layer.weight_elements) == (3.0, 60 + 312 + 78)
    assert json.loads(layer.attributes) == {"activations": ["Relu6", "Relu6"]}
    assert row.measurement == Measurement(execution_time_ms=2.0, spread=0.25, samples=40)
    assert row.provenance.device == "pixel1"


def test_a_block_of_stride_one_is_padded_by_half_its_kernel_and_one_that_skips_says_so():
    name = "expanded_conv-input:8x8x4-output:8x8x4-expand:4-kernel:3-stride:1-idskip:1-se:0-hs:0"

    layer = read(ONCE_FOR_ALL, name).sketch.layer

    assert layer is not None
    assert (layer.padding, layer.idskip, json.loads(layer.attributes)) == (2, 1, {"activations": ["Relu"]})
    # no expansion where the middle is as wide as the input: depthwise 9·4 + 4, project 4·4 + 4
    assert (layer.expansion_ratio, layer.weight_elements) == (1.0, 40 + 20)
    assert macs(layer) == 64 * 4 * (9 + 4)


@pytest.mark.parametrize(
    ("name", "type_", "volumes", "weights"),
    [
        ("Conv-input:9x9x3-output:5x5x4", "Conv", (243, 100), 3 * 4 * 9 + 4),
        ("Conv_1-input:7x7x3-output:7x7x4", "Conv", (147, 196), 16),
        ("Conv_2-input:1x1x3-output:1x1x4", "Conv", (3, 4), 16),
        ("AvgPool2D-input:7x7x3-output:1x1x3", "GlobalAveragePool", (147, 3), 0),
        ("Logits-input:1x1x3-output:10", "Gemm", (3, 10), 40),
    ],
)
def test_the_other_entries_are_operators_within_the_network(name, type_, volumes, weights):
    row = read(ONCE_FOR_ALL, name)

    layer = row.sketch.layer
    assert layer is not None
    assert (layer.type, (layer.input_volume, layer.output_volume), layer.weight_elements) == (type_, volumes, weights)
    assert row.execution.scope is Scope.IN_NETWORK
    assert row.provenance.job == name


def test_logits_behind_an_image_are_pooling_and_classifier_and_no_one_layer():
    cells = read(PROXYLESS, "Logits-input:7x7x3-output:10").cells()

    assert (cells["type"], cells["layer_key"], cells["in_channels"], cells["height"]) == ("Logits", None, 3, 7)
    assert (cells["input_volume"], cells["output_volume"], cells["weight_elements"]) == (147, 10, 40)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("expanded_conv-input:8x8x4-output:8x8x4-kernel:3-se:0", "InvertedResidual"),
        ("expanded_conv-input:8x8x4-output:8x8x4-expand:4-kernel:3-stride:1-idskip:7-se:0-hs:0", "InvertedResidual"),
        ("Conv-input:9x9x3-output:7x7x4", "Conv"),
        ("AvgPool2D-input:7x7x3-output:2x2x3", "AvgPool2D"),
        ("Conv_1-input:7x7x0-output:7x7x4", "Conv_1"),
        ("Conv-input:99999999x9x3", "Conv"),
        ("Conv_1-input:7x7x3-input:7x7x4-output:7x7x4", "Conv_1"),
    ],
)
def test_a_name_that_cannot_be_mapped_is_a_row_with_what_is_known(name: str, type_: str):
    row = read(ONCE_FOR_ALL, name)

    assert (row.type, row.sketch.layer, row.measurement.execution_time_ms) == (type_, None, 2.0)


def test_one_damaged_block_does_not_make_it_the_other_table():
    good = BLOCK.format(expand=12) + "-se:0-hs:0"
    text = f"{good}:\n{FIGURES}{BLOCK.format(expand=12)}-so:0-hs:0:\n{FIGURES}"

    published = ONCE_FOR_ALL.read(text.encode(), "table", PHONES)

    assert [row.sketch.layer is None for row in published.rows] == [False, True]


def test_neither_runtime_nor_threads_are_claimed():
    published = ONCE_FOR_ALL.read(f"Conv_1-input:7x7x3-output:7x7x4:\n{FIGURES}".encode(), "224", PHONES)
    (row,) = published.rows

    assert (row.execution.provider, row.provenance.runtime_version, row.cells()["threads"]) == (
        "unstated-cpu",
        None,
        None,
    )
    assert row.context == Context(cores=8, memory_gb=8.0, clock_freq_ghz=2.8)
    assert row.provenance.campaign == "ofa-lut-224"
    assert any("does not say which cores" in note for note in published.notes)


@pytest.mark.parametrize(
    ("table", "text", "complaint"),
    [
        (ONCE_FOR_ALL, BLOCK.format(expand=3) + f":\n{FIGURES}", "are those of proxyless-lut"),
        (PROXYLESS, BLOCK.format(expand=12) + f"-se:0-hs:0:\n{FIGURES}", "are those of ofa-lut"),
        (ONCE_FOR_ALL, "", "The file is empty"),
        (ONCE_FOR_ALL, "model,a\n1,2\n", "Another table"),
        (PROXYLESS, "key:\n  mean: 1\n", "Another table"),
    ],
)
def test_the_other_table_is_refused_because_it_would_be_misread(table, text: str, complaint: str):
    with pytest.raises(PublishedError, match=complaint):
        table.read(text.encode(), "table", PHONES)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ofa-lut", "latency_table@note10/160_lookup_table.yaml"),
        ("ofa-lut", "latency_table@note10/192_lookup_table.yaml"),
        ("ofa-lut", "latency_table@note10/224_lookup_table.yaml"),
        ("proxyless-lut", "mobile_trim.yaml"),
    ],
)
def test_a_published_table_is_read_whole(published, kind: str, name: str):
    path = published(name)
    lines = path.read_text().splitlines()
    means_ms = [float(line.split(": ")[1]) for line in lines if line.strip().startswith("mean: ")]

    imported = import_table(kind, path)

    assert imported.rejects == ()
    assert len(imported.rows) == len(means_ms) == sum(not line.startswith(" ") for line in lines)
    assert [row.measurement.execution_time_ms for row in imported.rows] == means_ms
    counts = [int(line.split(": ")[1]) for line in lines if line.strip().startswith("count: ")]
    assert [row.measurement.samples for row in imported.rows] == counts


def test_the_published_folder_is_its_three_files(published):
    folder = published("latency_table@note10")
    text = "".join(path.read_text() for path in folder.glob("*.yaml"))
    means_ms = [float(value) for value in re.findall(r"mean: ([0-9.e-]+)", text)]

    rows = import_table("ofa-lut", folder).rows

    assert len(rows) == len(means_ms)
    assert math.fsum(row.measurement.execution_time_ms or 0 for row in rows) == pytest.approx(math.fsum(means_ms))
    assert len({(row.provenance.campaign, row.provenance.job) for row in rows}) == len(rows)


def test_the_published_blocks_have_the_width_and_flags_of_their_names(published):
    rows = import_table("ofa-lut", published("latency_table@note10")).rows
    blocks = [row for row in rows if row.execution.scope is Scope.BLOCK]

    assert len(blocks) > 200
    for row in blocks:
        told = {name: int(number) for name, number in re.findall("([a-z]+):([0-9]+)(?![0-9x])", row.provenance.job)}
        layer = row.sketch.layer
        assert layer is not None
        assert layer.in_channels * layer.expansion_ratio == pytest.approx(told["expand"])
        assert (layer.kernel_size, layer.stride, layer.idskip) == (told["kernel"], told["stride"], told["idskip"])
        inside = json.loads(layer.attributes)
        assert ("HardSwish" in inside["activations"], "squeeze" in inside) == (told["hs"], told["se"])


def test_the_published_ratios_are_those_of_their_names(published):
    rows = import_table("proxyless-lut", published("mobile_trim.yaml")).rows

    for row in rows:
        told = re.search("expand:([0-9]+)-kernel:([0-9]+)-stride:([0-9]+)-idskip:([01])", row.provenance.job)
        if told:
            layer = row.sketch.layer
            assert layer is not None
            found = (layer.expansion_ratio, layer.kernel_size, layer.stride, layer.idskip)
            assert found == tuple(int(number) for number in told.groups())
            assert set(json.loads(layer.attributes)) == {"activations"}
