"""Operators that are standard ones in another dress: for the shapes of what they make, and for what they compute.

ONNX infers nothing for operators that are not its own. Those of ONNX Runtime that its quantiser writes (domain
``com.microsoft``; onnxruntime/core/graph/contrib_ops/quantization_defs.cc, ONNX Runtime 1.25) are standard ones with scales
and zero points between the operands, and so are ONNX's own quantised ones: their results have the shapes of those, and they
are the same layers, of another precision. An operator that nobody knows is set apart, so that the rest of its network can
be checked and inferred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import onnx
from onnx import NodeProto, TensorProto

from parsers.graphs.values import graphs_in

UNKNOWN_DOMAIN = "autocomet.unknown"
"""Where operators are put that ONNX's own domain does not have."""

MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A standard operator, and which inputs of the other are its operands."""

    op: str
    operands: tuple[int, ...]
    """Positions among the other's inputs, a bias included."""
    repeats_every: int | None = None
    """Where there are any number of operands: how many positions lie between them."""
    zero_point: int | None = None
    """Position of the result's zero point where it may be absent, and the result a floating-point one."""

    def operand_positions(self, inputs: Sequence[str]) -> tuple[int, ...]:
        """Give the positions of the operands that a node really has."""
        if self.repeats_every:
            return tuple(range(self.operands[0], len(inputs), self.repeats_every))
        return tuple(position for position in self.operands if position < len(inputs))


TWINS: Mapping[tuple[str, str], Twin] = MappingProxyType(
    {
        ("", "QLinearConv"): Twin(op="Conv", operands=(0, 3, 8)),
        ("", "QLinearMatMul"): Twin(op="MatMul", operands=(0, 3)),
        ("", "ConvInteger"): Twin(op="Conv", operands=(0, 1)),
        ("", "MatMulInteger"): Twin(op="MatMul", operands=(0, 1)),
        (MICROSOFT, "QLinearAdd"): Twin(op="Add", operands=(0, 3)),
        (MICROSOFT, "QLinearMul"): Twin(op="Mul", operands=(0, 3)),
        (MICROSOFT, "QLinearWhere"): Twin(op="Where", operands=(0, 1, 4)),
        (MICROSOFT, "QLinearConcat"): Twin(op="Concat", operands=(2,), repeats_every=3),
        (MICROSOFT, "QLinearAveragePool"): Twin(op="AveragePool", operands=(0,)),
        (MICROSOFT, "QLinearGlobalAveragePool"): Twin(op="GlobalAveragePool", operands=(0,)),
        (MICROSOFT, "QLinearLeakyRelu"): Twin(op="LeakyRelu", operands=(0,)),
        (MICROSOFT, "QLinearSigmoid"): Twin(op="Sigmoid", operands=(0,)),
        (MICROSOFT, "QLinearSoftmax"): Twin(op="Softmax", operands=(0,)),
        (MICROSOFT, "QGemm"): Twin(op="Gemm", operands=(0, 3, 6), zero_point=8),
        (MICROSOFT, "QuantizeLinear"): Twin(op="QuantizeLinear", operands=(0, 1, 2)),
        (MICROSOFT, "DequantizeLinear"): Twin(op="DequantizeLinear", operands=(0, 1, 2)),
    }
)
"""By domain and operator."""

_OF_THE_FIRST_INPUTS_SHAPE = frozenset({"Gelu", "FastGelu", "QuickGelu", "BiasGelu", "SkipLayerNormalization"})
"""Operators of ONNX Runtime whose results (the first; the fourth is a sum of inputs) have the first input's shape."""


def twin_of(node: NodeProto) -> Twin | None:
    """Give the standard operator that a node is; ``None`` where it is its own, or reads its channels last."""
    if any(attribute.name == "channels_last" and attribute.i for attribute in node.attribute):
        return None
    return TWINS.get((node.domain, node.op_type))


def stand_ins(node: NodeProto, opset: int) -> Iterator[NodeProto]:
    """Give nodes from which ONNX infers the shapes of what a node makes: itself where ONNX knows it."""
    twin = twin_of(node)
    if node.domain == MICROSOFT and twin is not None and len(node.output) == 1:
        yield from _twin_nodes(node, twin, opset)
    elif node.domain == MICROSOFT and node.op_type in _OF_THE_FIRST_INPUTS_SHAPE and node.input:
        for output in (node.output[index] for index in (0, 3) if index < len(node.output)):
            if output:
                yield onnx.helper.make_node("Identity", [node.input[0]], [output])
    else:
        yield _set_apart(node, opset)


def _twin_nodes(node: NodeProto, twin: Twin, opset: int) -> Iterator[NodeProto]:
    operands = [node.input[position] for position in twin.operand_positions(node.input)]
    schema = onnx.defs.get_schema(twin.op, opset) if onnx.defs.has(twin.op, opset) else None
    is_float = twin.zero_point is not None and not "".join(node.input[twin.zero_point : twin.zero_point + 1])
    made = f"{node.output[0]}/quantised" if is_float else node.output[0]
    stand_in = onnx.helper.make_node(twin.op, operands, [made], name=node.name)
    known = schema.attributes if schema else {}
    stand_in.attribute.extend(attribute for attribute in node.attribute if attribute.name in known)
    yield stand_in
    if is_float:
        yield onnx.helper.make_node("Cast", [made], [node.output[0]], to=TensorProto.FLOAT)


def _set_apart(node: NodeProto, opset: int) -> NodeProto:
    """Put a node, or nodes in its graphs, that ONNX's domain does not have into a domain of their own."""
    is_unknown = not node.domain and not _has(node.op_type, opset)
    if not is_unknown and not any(graphs_in(attribute) for attribute in node.attribute):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.domain = UNKNOWN_DOMAIN if is_unknown else node.domain
    for attribute in copy.attribute:
        for graph in graphs_in(attribute):
            inner = [_set_apart(item, opset) for item in graph.node]
            del graph.node[:]
            graph.node.extend(inner)
    return copy


def is_known(node: NodeProto, opset: int) -> bool:
    """Tell whether ONNX has a node's operator."""
    return not node.domain and _has(node.op_type, opset)


def _has(op: str, opset: int) -> bool:
    return onnx.defs.has(op, opset) and not onnx.defs.get_schema(op, opset).deprecated
