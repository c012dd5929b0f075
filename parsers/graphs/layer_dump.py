"""An ONNX file as a dump: one record per layer, the network's totals as notes.

The format is that of onnx.proto (github.com/onnx/onnx, IR version 14): a protobuf message whose first field is the version
of the format. Weights in files of their own are not needed, and not looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.graphs.files import model_of
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
    """One layer of a network, with what it costs on paper."""

    name: str
    type: str
    fused_ops: tuple[str, ...]
    precision: str
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    kernel_size: int | None
    stride: int | None
    padding: int | None
    groups: int
    macs: int
    flops: int
    weight_elements: int
    input_volume: int
    output_volume: int
    attributes: str
    """JSON; what decides how the layer runs and no other field says."""
    layer_key: str
    """By which tables know the layer's configuration."""


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
    return Dump(records=tuple(map(_record, network.layers)), notes=_notes(network))


def _record(item: NetworkLayer) -> LayerRecord:
    layer = item.layer
    return LayerRecord(
        name=item.name,
        type=layer.type,
        fused_ops=layer.fused_ops,
        precision=layer.precision,
        input_shapes=layer.input_shapes,
        output_shape=layer.output_shape,
        kernel_size=layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        groups=layer.groups,
        macs=macs(layer),
        flops=flops(layer),
        weight_elements=layer.weight_elements,
        input_volume=layer.input_volume,
        output_volume=layer.output_volume,
        attributes=layer.attributes,
        layer_key=layer.key,
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
