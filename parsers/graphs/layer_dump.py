"""An ONNX file as a dump: one record per layer, the network's totals as notes.

The format is that of onnx.proto (github.com/onnx/onnx, IR version 14): a protobuf message whose first field is the version
of the format. Weights in files of their own are not needed, and not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.graphs.files import model_of
from parsers.graphs.flat import UNKNOWN
from parsers.network import Network, parse_network
from parsers.network_layer import NetworkLayer
from parsers.roofline import flops, macs
from parsers.schema import Shape

_IR_VERSION = b"\x08"
"""Tag of ModelProto.ir_version, a varint."""

_NEWEST_IR = 0x7F
_LENGTH_DELIMITED = 2
_TEXTS = frozenset({2, 3, 4, 6})
"""Fields of ModelProto in front of the graph that hold text: producer and its version, domain, doc_string."""

_MODEL_VERSION, _GRAPH, _OPSETS = 5, 7, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """One layer of a network, with what it costs on paper.

    What depends on a shape that is not known before the network runs is ``None``, never what a part of it comes to.
    """

    name: str
    type: str
    fused_ops: tuple[str, ...]
    precision: str | None
    input_shapes: tuple[Shape | None, ...]
    output_shape: Shape | None
    kernel_size: int | None
    stride: int | None
    padding: int | None
    groups: int
    macs: int | None
    """Multiply-accumulates of one run."""
    flops: int | None
    """Floating-point operations of one run."""
    weight_elements: int
    input_volume: int | None
    """Elements of all activation inputs, batch included."""
    output_volume: int | None
    attributes: str
    """JSON; what decides how the layer runs and no other field says."""
    layer_key: str | None
    """By which tables know the layer's configuration; they hold no layer of unknown shapes."""


def looks_like(head: bytes, name: str) -> bool:
    """Tell an ONNX file by its first field, and by its name or by the fields that follow."""
    is_versioned = head[:1] == _IR_VERSION and 0 < int.from_bytes(head[1:2]) <= _NEWEST_IR
    return is_versioned and (name.endswith(".onnx") or _leads_to_a_graph(head[2:]))


def _leads_to_a_graph(head: bytes) -> bool:
    """Walk over the texts in front of the graph or of the operator sets."""
    for field, content in _fields(head):
        if field in {_GRAPH, _OPSETS}:
            return True
        if not content.isascii() or any(byte < 9 for byte in content):
            return False
    return False


def _fields(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the number and the text of each field, up to the first that is none of those in front of a graph."""
    position = 0
    while position + 1 < len(head):
        field, wire_type = head[position] >> 3, head[position] & 7
        size = head[position + 1]
        if field == _MODEL_VERSION and wire_type == 0 and size < 0x80:
            position += 2
            continue
        if wire_type != _LENGTH_DELIMITED or field not in _TEXTS | {_GRAPH, _OPSETS}:
            return
        yield field, head[position + 2 : position + 2 + size]
        if size >= 0x80:
            return
        position += 2 + size


def _read(data: Buffer, settings: DumpSettings) -> Dump:
    """Read a network as layers.

    Raises:
        NetworkError: no ONNX, or a network that cannot be read.
    """
    name = settings.name or "network"
    network = parse_network(model_of(data, name=name), name=name)
    unknown = frozenset(network.unknown)
    return Dump(records=tuple(_record(item, unknown) for item in network.layers), notes=_notes(network))


def _record(item: NetworkLayer, unknown: frozenset[str]) -> LayerRecord:
    """Describe a layer, given the tensors whose shape is not known."""
    layer = item.layer
    reads_known, makes_known = unknown.isdisjoint(item.inputs), unknown.isdisjoint(item.outputs)
    is_known = reads_known and makes_known
    return LayerRecord(
        name=item.name,
        type=layer.type,
        fused_ops=layer.fused_ops,
        precision=None if layer.precision == UNKNOWN.precision else layer.precision,
        input_shapes=tuple(
            None if tensor in unknown else shape for tensor, shape in zip(item.inputs, layer.input_shapes, strict=True)
        ),
        output_shape=None if unknown.intersection(item.outputs[:1]) else layer.output_shape,
        kernel_size=layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        groups=layer.groups,
        macs=macs(layer) if is_known else None,
        flops=flops(layer) if is_known else None,
        weight_elements=layer.weight_elements,
        input_volume=layer.input_volume if reads_known else None,
        output_volume=layer.output_volume if makes_known else None,
        attributes=layer.attributes,
        layer_key=layer.key if is_known else None,
    )


def _notes(network: Network) -> tuple[str, ...]:
    totals = (
        f"{len(network.layers)} layers: {network.macs} multiply-accumulates, {network.flops} floating-point operations, "
        f"{network.weight_elements} weights; at most {network.peak_live_elements} activation elements alive at once."
    )
    if not network.unknown:
        return (totals,)
    named = ", ".join(map(repr, network.unknown[:3])) + (", …" if len(network.unknown) > 3 else "")
    unknown = (
        f"The shapes of {len(network.unknown)} tensors ({named}) are not known before the network runs: they count as"
    )
    return totals, f"{unknown} nothing, so the totals are too small."


KIND = Kind(name="onnx", meaning="a network as ONNX: its layers", looks_like=looks_like, read=_read)
