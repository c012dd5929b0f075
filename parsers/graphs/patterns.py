"""Operators that older opsets write as several: found again, as a runtime does while it loads a network.

ONNX Runtime's fusions of that name, by the same conditions: what lies between is read by nobody else, and constants have the
values that the formula wants.

- ``Gelu``: x/2 · (1 + erf(x/√2)), whichever factor comes first (opset 20 made it one operator);
- ``HardSwish``: x · HardSigmoid(x; 1/6, 1/2) (opset 14);
- ``Swish``: x · Sigmoid(x) (opset 24);
- ``LayerNormalization``: mean, difference, variance, quotient, scale and offset over the last axis (opset 17).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from parsers.graphs.flow import Flow
from parsers.graphs.graph import Graph, Node

_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """Nodes that are one operator, in order; the last makes its result."""

    nodes: tuple[Node, ...]
    op: str
    source: str
    weights: dict[int, str] = field(default_factory=dict)


def fold_patterns(graph: Graph) -> Graph:
    """Put one node in the place of those that are one operator written out."""
    flow = Flow(graph)
    matches: dict[str, _Match] = {}
    taken: set[str] = set()
    for node in reversed(graph.nodes):
        match = next((found for find in _FINDERS if (found := find(node, flow))), None)
        if match is None or taken & {part.name for part in match.nodes} or not _is_closed(match, flow):
            continue
        taken.update(part.name for part in match.nodes)
        matches[match.nodes[-1].name] = match
    nodes = (
        _folded(matches[node.name]) if node.name in matches else node
        for node in graph.nodes
        if node.name in matches or node.name not in taken
    )
    return replace(graph, nodes=tuple(nodes)) if matches else graph


def _is_closed(match: _Match, flow: Flow) -> bool:
    inner = (tensor for node in match.nodes[:-1] for tensor in node.outputs if tensor)
    return len(match.nodes[-1].outputs) == 1 and all(flow.is_read_within(tensor, match.nodes) for tensor in inner)


def _folded(match: _Match) -> Node:
    *before, last = match.nodes
    return replace(
        last,
        op=match.op,
        inputs=(match.source, *match.weights.values()),
        activations=(match.source,),
        attributes={},
        settings={},
        weights=match.weights,
        parts=tuple(node.name for node in before),
        parts_outputs=tuple(tensor for node in before for tensor in node.outputs if tensor),
    )


def _gated(node: Node, flow: Flow) -> _Match | None:
    """Find x · gate(x)."""
    if node.op != "Mul" or len(node.activations) != 2:
        return None
    for source, gated in (node.activations, node.activations[::-1]):
        gate = flow.maker(gated, "Sigmoid", "HardSigmoid")
        if gate is None or gate.activations != (source,):
            continue
        if gate.op == "Sigmoid":
            return _Match(nodes=(gate, node), op="Swish", source=source)
        if _near(gate.attributes.get("alpha"), 1 / 6) and _near(gate.attributes.get("beta", 0.5), 0.5):
            return _Match(nodes=(gate, node), op="HardSwish", source=source)
    return None


def _gelu(node: Node, flow: Flow) -> _Match | None:
    """Find the product of x, 1/2 and 1 + erf(x/√2), in any order of the two multiplications."""
    if node.op != "Mul":
        return None
    factors, products = _factors(node, flow)
    half = [flow.graph.scalars[name] for name in factors if name in flow.graph.scalars]
    rest = [name for name in factors if name not in flow.graph.scalars]
    if len(half) != 1 or not _near(half[0], 0.5) or len(rest) != 2:
        return None
    for source, summed in (rest, rest[::-1]):
        one_more = flow.maker(summed, "Add")
        if one_more is None or not _near(_scalar(flow.graph, one_more, 1), 1.0):
            continue
        erf = flow.maker(one_more.inputs[0], "Erf")
        scaled = flow.maker(erf.inputs[0], "Div", "Mul") if erf else None
        if erf is None or scaled is None or scaled.inputs[0] != source:
            continue
        divisor = _scalar(flow.graph, scaled, 1)
        wanted = math.sqrt(2) if scaled.op == "Div" else 1 / math.sqrt(2)
        if _near(divisor, wanted):
            return _Match(nodes=(scaled, erf, one_more, *products, node), op="Gelu", source=source)
    return None


def _factors(node: Node, flow: Flow) -> tuple[list[str], list[Node]]:
    """Give the factors of a product of up to three, and the product inside."""
    for position, tensor in enumerate(node.inputs):
        inside = flow.maker(tensor, "Mul")
        if inside is not None and len(node.inputs) == 2:
            return [*inside.inputs, node.inputs[1 - position]], [inside]
    return list(node.inputs), []


def _layer_normalisation(node: Node, flow: Flow) -> _Match | None:
    """Find the quotient (x − mean) / √(variance + ε), then its scale and offset."""
    offset, scale = _tail(node, flow)
    quotient = flow.maker(scale.inputs[0], "Div") if scale else None
    if offset is None or scale is None or quotient is None or len(quotient.inputs) != 2:
        return None
    difference = flow.maker(quotient.inputs[0], "Sub")
    root = flow.maker(quotient.inputs[1], "Sqrt")
    summed = flow.maker(root.inputs[0], "Add") if root else None
    variance = flow.maker(summed.inputs[0], "ReduceMean") if summed else None
    square = flow.maker(variance.inputs[0], "Pow", "Mul") if variance else None
    mean = flow.maker(difference.inputs[1], "ReduceMean") if difference else None
    if not (difference and root and summed and variance and square and mean):
        return None
    source = difference.inputs[0]
    is_square = (
        square.activations == (difference.outputs[0],) and _scalar(flow.graph, square, 1) == 2.0
        if square.op == "Pow"
        else square.activations == (difference.outputs[0],) * 2
    )
    rank = len(flow.graph.tensor(source).shape)
    is_last = all(_axes(item) in {(-1,), (rank - 1,)} for item in (mean, variance))
    if not is_square or not is_last or mean.inputs[0] != source or _scalar(flow.graph, summed, 1) is None:
        return None
    parts = (mean, difference, square, variance, summed, root, quotient, scale, offset)
    weights = {1: scale.weights[1], 2: offset.weights[1]}
    return _Match(nodes=parts, op="LayerNormalization", source=source, weights=weights)


def _tail(node: Node, flow: Flow) -> tuple[Node | None, Node | None]:
    """Give an Add of a constant vector, and the Mul by one in front of it."""
    if node.op != "Add" or set(node.weights) != {1}:
        return None, None
    scale = flow.maker(node.inputs[0], "Mul")
    return (node, scale) if scale is not None and set(scale.weights) == {1} else (None, None)


def _axes(node: Node) -> tuple[object, ...]:
    axes = node.written.get("axes")
    return axes if isinstance(axes, tuple) else ()


def _scalar(graph: Graph, node: Node, position: int) -> float | None:
    """Give a constant operand of one element."""
    return graph.scalars.get(node.inputs[position]) if position < len(node.inputs) else None


def _near(value: object, wanted: float) -> bool:
    return isinstance(value, int | float) and abs(value - wanted) < _TOLERANCE


_Finder = Callable[[Node, Flow], "_Match | None"]
_FINDERS: Iterable[_Finder] = (_gated, _gelu, _layer_normalisation)
