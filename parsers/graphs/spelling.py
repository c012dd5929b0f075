"""One operator, one name: where exporters write the same thing in different words.

Torch's two exporters, and the opsets, differ in how they write a global pooling or a change of shape. Two layers that
compute the same are equal here, so that a measurement of one stands for the other:

- a ``Flatten`` is a ``Reshape``;
- a ``ReduceMean`` or ``ReduceMax`` over all of an image's axes, which it keeps, is a ``GlobalAveragePool`` or ``GlobalMaxPool``;
- a constant operand of an operator whose operands may change places comes last.
"""

from __future__ import annotations

from dataclasses import replace

from parsers.graphs.graph import Graph, Node

_GLOBAL = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}
_COMMUTATIVE = frozenset({"Add", "Mul", "Max", "Min", "Sum", "Mean"})


def spell(graph: Graph) -> Graph:
    """Write every node of a graph in the same words."""
    return replace(graph, nodes=tuple(_spelled(node, graph) for node in graph.nodes))


def _spelled(node: Node, graph: Graph) -> Node:
    if node.op == "Flatten" and node.activations == node.inputs[:1]:
        return replace(node, op="Reshape", inputs=node.activations, attributes={}, settings={}, weights={})
    if node.op in _GLOBAL and _is_over_the_image(node, graph):
        return replace(node, op=_GLOBAL[node.op], inputs=node.activations, attributes={}, settings={}, weights={})
    if node.op in _COMMUTATIVE and len(node.inputs) == 2 and set(node.weights) == {0} and len(node.activations) == 1:
        return replace(node, inputs=node.inputs[::-1], weights={1: node.weights[0]})
    return node


def _is_over_the_image(node: Node, graph: Graph) -> bool:
    rank = len(graph.tensor(node.inputs[0]).shape)
    axes = node.written.get("axes")
    if rank < 4 or not isinstance(axes, tuple) or node.activations != node.inputs[:1] or len(node.outputs) != 1:
        return False
    over = {axis % rank for axis in axes if isinstance(axis, int)}
    return over == set(range(2, rank)) and node.attributes.get("keepdims", 1) == 1
