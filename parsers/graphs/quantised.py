"""Quantised networks: which layers work on whole numbers.

A quantiser writes a quantised convolution as an ordinary one between nodes that turn its inputs into real numbers
(``DequantizeLinear``) and its result back (``QuantizeLinear``). A runtime runs the three as one; so does this, for the
operators that ONNX Runtime's CPU provider has on whole numbers and by its conditions (qdq_selector_action_transformer.cc,
ONNX Runtime 1.25). Nodes that are left over are layers of their own, because they run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parsers.graphs.flow import Flow
from parsers.graphs.fusion import Group, Role
from parsers.graphs.graph import Graph

_WEIGHTED = frozenset({"Conv", "MatMul", "Gemm"})
"""Run on whole numbers only if their weights are quantised too."""

_COMPUTES = frozenset(
    {"Add", "Mul", "AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax", "Concat", "Where"}
)
_MOVES = frozenset(
    {
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Gather",
        "GatherElements",
        "Slice",
        "Split",
        "Expand",
        "Tile",
        "Resize",
    }
)
_SELECTS = frozenset({"MaxPool", "ReduceMax", "ReduceMin"})
_ON_WHOLE_NUMBERS = _WEIGHTED | _COMPUTES | _MOVES | _SELECTS

_REAL_RESULT = frozenset({"MatMul", "Gemm", "ArgMax"})
"""Those whose result may stay a real number."""

_QUANTISE, _DEQUANTISE = "QuantizeLinear", "DequantizeLinear"


def fold_quantisation(groups: Sequence[Group], graph: Graph) -> tuple[Group, ...]:
    """Take the nodes that quantise and dequantise into the layers that work on whole numbers between them."""
    flow = Flow(graph)
    if not any(node.op in {_QUANTISE, _DEQUANTISE} for node in graph.nodes):
        return tuple(groups)
    wrapped = {group.head.name: taken for group in groups if (taken := _wrapped(group, flow)) is not None}
    members = {node.name: node for group in wrapped.values() for node in group.nodes}
    gone = {node.name for node in members.values() if node.op == _QUANTISE}
    gone |= {
        node.name
        for node in members.values()
        if node.op == _DEQUANTISE and flow.is_read_within(node.outputs[0], tuple(members.values()))
    }
    kept = (wrapped.get(group.head.name, group) for group in groups if group.head.name not in gone)
    return _in_order(kept, graph)


def _wrapped(group: Group, flow: Flow) -> Group | None:
    """Give the group with the nodes around it that it does without; ``None`` where it works on real numbers."""
    if group.head.op not in _ON_WHOLE_NUMBERS | _REAL_RESULT or not _are_weights_quantised(group, flow.graph):
        return None
    sources = [flow.maker(tensor, _DEQUANTISE) for tensor in group.inputs if _is_real(tensor, flow.graph)]
    before = list({node.name: node for node in sources if node is not None}.values())
    behind = [flow.only_reader(tensor) for tensor in group.outputs]
    quantising = [node for node in behind if node is not None and node.op == _QUANTISE]
    if None in sources or not (before or group.head.weights):
        return None
    if len(quantising) < len(behind) and (quantising or group.head.op not in _REAL_RESULT or not before):
        return None
    return Group(
        nodes=(*before, *group.nodes, *quantising),
        roles=(*[Role.QUANTISED] * len(before), *group.roles, *[Role.QUANTISED] * len(quantising)),
    )


def _are_weights_quantised(group: Group, graph: Graph) -> bool:
    """Tell whether the operands that are constant are kept as whole numbers; a bias needs not be."""
    last = 1 if group.head.op in _WEIGHTED else len(group.head.inputs)
    return all(tensor in graph.dequantised for index, tensor in group.head.weights.items() if index <= last)


def _is_real(tensor: str, graph: Graph) -> bool:
    return graph.tensor(tensor).precision.startswith(("float", "bfloat", "unknown"))


def _in_order(groups: Iterable[Group], graph: Graph) -> tuple[Group, ...]:
    position = {node.name: index for index, node in enumerate(graph.nodes)}
    return tuple(sorted(groups, key=lambda group: position[group.nodes[-1].name]))
