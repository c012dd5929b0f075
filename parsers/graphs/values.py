"""Values out of ONNX protobufs: attributes, small constants and operators' defaults, as plain Python values.

Operators' defaults changed between opsets; attributes are told in the words of one, whatever opset a model has, so that
the same operator is described alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto

ONNX_NAME = "ai.onnx"
"""What ONNX's own domain may be called instead of nothing."""

Attribute = int | float | str | tuple[int | float | str, ...]
"""An attribute's or a small constant's value."""

REFERENCE_OPSET = 17
"""The opset in whose words nodes are described; defaults changed between opsets."""


def graphs_in(attribute: AttributeProto) -> tuple[GraphProto, ...]:
    """Give the graphs that an attribute holds."""
    return (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs)


def walk(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Give nodes and those in their graphs, however deep."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in graphs_in(attribute):
                yield from walk(graph.node)


def on_one_line(text: str) -> str:
    """Give a name as it is, or quoted where it would break a message into lines."""
    return text if text.isprintable() else repr(text)


def names_in(model: onnx.ModelProto) -> Iterator[object]:
    """Give every name that a model uses; text, unless the file is damaged."""
    for opset in model.opset_import:
        yield opset.domain
    for function in model.functions:
        yield from (function.domain, function.name, *function.input, *function.output, *function.attribute)
        yield from (name for opset in function.opset_import for name in (opset.domain,))
        yield from _names_of_nodes(function.node)
    yield from _names_of_graph(model.graph)
    yield from _names_of_nodes(model.graph.node)


def _names_of_graph(graph: GraphProto) -> Iterator[object]:
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)


def _names_of_nodes(nodes: Iterable[NodeProto]) -> Iterator[object]:
    for node in walk(nodes):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            for graph in graphs_in(attribute):
                yield from _names_of_graph(graph)


def unique_node_names(nodes: Iterable[NodeProto]) -> tuple[str, ...]:
    """Name every node: its own name where that is unique, else with its position; ``Conv_3`` where it has none."""
    nodes = tuple(nodes)
    counts = Counter(node.name for node in nodes if node.name)
    taken = {name for name, count in counts.items() if count == 1}
    names: list[str] = []
    for index, node in enumerate(nodes):
        name = node.name
        if counts[name] != 1:
            name = f"{node.name or node.op_type}_{index}"
            while name in taken:
                name += "_"
            taken.add(name)
        names.append(name)
    return tuple(names)


def schema_of(op: str, domain: str, opset: int) -> onnx.defs.OpSchema | None:
    """Give an operator's schema; ``None`` for one that ONNX does not know."""
    return onnx.defs.get_schema(op, opset, domain) if onnx.defs.has(op, opset, domain) else None


def attributes_of(
    proto: NodeProto, schema: onnx.defs.OpSchema | None, reference: onnx.defs.OpSchema | None
) -> dict[str, Attribute]:
    """Give a node's attributes that are not at their defaults; tensors and graphs are left out.

    The defaults are those of the reference, or of the node's own opset for attributes that one does not have.
    """
    written = {item.name: _plain(onnx.helper.get_attribute_value(item)) for item in proto.attribute}
    own = _defaults(schema)
    usual = {**own, **_defaults(reference)}
    effective = {**own, **written}
    return {name: value for name, value in effective.items() if value is not None and value != usual.get(name)}


def _defaults(schema: onnx.defs.OpSchema | None) -> dict[str, Attribute | None]:
    known = schema.attributes.values() if schema else ()
    return {
        item.name: _plain(onnx.helper.get_attribute_value(item.default_value))
        for item in known
        if item.default_value.name
    }


def _plain(value: object) -> Attribute | None:
    """Turn an attribute into plain values; tensors and graphs are nothing that a layer is described by."""
    match value:
        case bool() | int() | str():
            return value
        case float():
            return _short(value)
        case bytes():
            return value.decode(errors="replace")
        case list() if all(isinstance(item, int | float | str | bytes) for item in value):
            items = (_plain(item) for item in value)
            return tuple(item for item in items if item is not None and not isinstance(item, tuple))
        case _:
            return None


def plain_array(array: np.ndarray) -> Attribute:
    """Turn an array into a tuple of its elements, or into the one that it holds."""
    items = tuple(_short(item) if isinstance(item, float) else item for item in array.ravel().tolist())
    return items if array.ndim else items[0]


def _short(value: float) -> float:
    """Write 0.1 as 0.1 though the file holds the float32 nearest to it."""
    with np.errstate(over="ignore"):
        return float(str(np.float32(value)))
