"""An ONNX file as a dump."""

from __future__ import annotations

import mmap
from pathlib import Path

import onnx
import onnx.parser
import pytest

from parsers.dump import HEAD_BYTES, DumpSettings, record_to_json
from parsers.errors import NetworkError
from parsers.graphs.layer_dump import KIND
from profiler.networks import NETWORKS, light_network
from tests.parsers.sketch import Sketch

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "onnx" / "small.onnx"

SAMPLE_TEXT = """
    <ir_version: 8, opset_import: ["": 17, "own": 1], producer_name: "autocomet">
    small (float[1,3,8,8] x, bool c) => (float[1,10] y)
    <float[2,3,1,1] w1 = {0.1,0.2,0.3,0.4,0.5,0.6}, float[2] one = {1,1}, float[2] nil = {0,0},
     float scale = {0.5}, uint8 zero = {3}, uint8[2,1,3,3] w2 = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9}> {
        a = Conv (x, w1)
        b = BatchNormalization (a, one, nil, nil, one)
        d = Relu (b)
        e = QuantizeLinear (d, scale, zero)
        f = DequantizeLinear (e, scale, zero)
        v = DequantizeLinear (w2, scale, zero)
        g = Conv <group: int = 2, pads: ints = [1,1,1,1]> (f, v)
        h = QuantizeLinear (g, scale, zero)
        i = DequantizeLinear (h, scale, zero)
        j = If (c) <
            then_branch: graph = yes () => (float[1,2,8,8] p) { p = Tanh (i) },
            else_branch: graph = no () => (float[1,2,8,8] q) { q = own.Fancy (i) }
        >
        k = own.Flat (j)
        shape = Shape <start: int = 0, end: int = 1> (j)
        rest = Constant <value_ints: ints = [10]> ()
        wanted = Concat <axis: int = 0> (shape, rest)
        y = Reshape (k, wanted)
    }
    <domain: "own", opset_import: ["": 17]> Flat (n) => (m) { u = GlobalAveragePool (n) t = Flatten (u)
        m = Concat <axis: int = 1> (t, t, t, t, t) }
    """


def records(data: bytes, name: str = "net") -> list[dict[str, object]]:
    return [record_to_json(record) for record in KIND.read(data, DumpSettings(name=name)).records]


def test_a_layer_is_told_with_what_it_costs():
    sketch = Sketch((1, 3, 8, 8))
    convolved = sketch.convolution("x", 4, 3, 3, 3, strides=[2, 2], pads=[1] * 4, bias=True)

    (record,) = records(sketch.model(sketch.node("LeakyRelu", convolved, alpha=0.1)).SerializeToString())

    key = record.pop("layer_key")
    assert isinstance(key, str)
    assert len(key) == 16
    assert record == {
        "name": "Conv0",
        "type": "Conv",
        "fused_ops": ["LeakyRelu"],
        "precision": "float32",
        "input_shapes": [[1, 3, 8, 8]],
        "output_shape": [1, 4, 4, 4],
        "kernel_size": 3,
        "stride": 2,
        "padding": 2,
        "groups": 1,
        "macs": 4 * 16 * 27,
        "flops": 2 * 4 * 16 * 27,
        "weight_elements": 4 * 27 + 4,
        "input_volume": 192,
        "output_volume": 64,
        "attributes": '{"LeakyRelu":{"alpha":0.1}}',
    }


def test_the_totals_are_notes():
    sketch = Sketch((1, 4))
    model = sketch.model(sketch.node("Gemm", "x", sketch.weight(4, 10), sketch.weight(10)))

    assert KIND.read(model.SerializeToString(), DumpSettings()).notes == (
        (
            "1 layers: 40 multiply-accumulates, 80 floating-point operations, 50 weights; "
            "at most 14 activation elements alive at once."
        ),
    )


def test_totals_that_are_too_small_are_said_to_be():
    sketch = Sketch((1, 4))
    model = sketch.model(sketch.node("NonZero", "x"))

    notes = KIND.read(model.SerializeToString(), DumpSettings()).notes

    assert notes[1:] == (
        (
            "The shapes of 1 tensors ('t0') are not known before the network runs: they count as nothing, so the totals "
            "are too small."
        ),
    )


def test_what_depends_on_a_shape_that_is_not_known_is_null():
    sketch = Sketch((1, 4))
    found = sketch.node("NonZero", sketch.node("Relu", "x"))

    known, cut, behind = records(sketch.model(sketch.node("Cast", found, to=1)).SerializeToString())

    fields = ("input_shapes", "output_shape", "input_volume", "output_volume", "macs", "flops")
    assert [known[name] for name in fields] == [[[1, 4]], [1, 4], 4, 4, 0, 4]
    assert [cut[name] for name in fields] == [[[1, 4]], None, 4, None, None, None]
    assert [behind[name] for name in fields] == [[None], None, None, None, None, None]
    assert (cut["layer_key"], behind["layer_key"], behind["precision"]) == (None, None, None)


def test_the_sample_is_the_network_of_its_text_and_reads_as_its_layers():
    data = SAMPLE.read_bytes()

    assert data == onnx.parser.parse_model(SAMPLE_TEXT).SerializeToString()
    assert [(record["type"], record["precision"]) for record in records(data)] == [
        ("Conv", "float32"),
        ("QuantizeLinear", "float32"),
        ("DepthwiseConv", "uint8"),
        ("DequantizeLinear", "uint8"),
        ("If", "float32"),
        ("GlobalAveragePool", "float32"),
        ("Reshape", "float32"),
        ("Concat", "float32"),
        ("Reshape", "float32"),
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_an_onnx_file_is_told_by_its_name_and_by_how_it_begins(name: str):
    head = light_network(name).SerializeToString()[:HEAD_BYTES]

    assert KIND.looks_like(head, "net.onnx")
    assert KIND.looks_like(head, "net")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x08",
        b"\x08\x07",
        b"#MobileNet as text\n",
        b"\x08\x07just text",
        b"\x08\x00:",
        b"\x08\x07\x12\x04\x00\x01\x02\x03:",
    ],
)
def test_what_only_begins_alike_is_not_told_without_the_name(head: bytes):
    assert not KIND.looks_like(head, "dump")


def test_a_mapped_file_is_read_in_place(tmp_path: Path):
    path = tmp_path / "net.onnx"
    sketch = Sketch((1, 4))
    onnx.save(sketch.model(sketch.node("Relu", "x")), path)

    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        dump = KIND.read(mapped, DumpSettings(name="net"))

    assert [record.type for record in dump.records] == ["Relu"]


@pytest.mark.parametrize("data", [b"", b"\x08", b"text", b"\x08\x07:\xff\xff\xff\xff\x07"])
def test_what_is_no_network_is_refused(data: bytes):
    with pytest.raises(NetworkError, match=r"^net (has no operators|is no ONNX file)"):
        records(data)


def test_a_name_that_is_no_text_is_refused():
    sketch = Sketch((1, 4))
    data = sketch.model(sketch.node("Relu", "x", name="somebody")).SerializeToString()

    with pytest.raises(NetworkError, match="a name that is not UTF-8"):
        records(data.replace(b"somebody", b"some\xff\xfe\xfdy"))
