"""How much of a network's activations is alive at once, when its layers run in order.

A tensor lives from the layer that makes it to the last one that reads it. Where a layer only looks at each element once, it
writes its result over an input that nobody needs after it, as ONNX Runtime's planner lets it do: elementwise operators, a
convolution that adds a residual, and changes of shape, which move nothing. The network's own inputs are the caller's: they
count, and are not written over. ``benchmarks/bench_live_activations.py`` holds the figure against ONNX Runtime's arena.
"""

from __future__ import annotations

from collections.abc import Sequence

from parsers.graphs.graph import Graph
from parsers.network_layer import NetworkLayer
from parsers.operators import ADDITIONS, CONVOLUTIONS, Family, family_of


def peak_live_elements(layers: Sequence[NetworkLayer], graph: Graph) -> int:
    """Count the activation elements that are alive at once, at most; what lies within a layer is not counted."""
    last_read = {tensor: step for step, item in enumerate(layers) for tensor in item.inputs}
    last_read |= dict.fromkeys(graph.outputs, len(layers))
    given = frozenset(graph.inputs)
    alive = {tensor for tensor in given if tensor in last_read}
    elements = peak = sum(graph.tensor(tensor).volume for tensor in alive)
    for step, item in enumerate(layers):
        spare = (tensor for tensor in _may_be_overwritten(item) if last_read[tensor] == step and tensor not in given)
        gone = {next((tensor for tensor in spare if _fits(graph, tensor, item.outputs[0])), "")} & alive
        made = set(item.outputs) - alive
        alive -= gone
        alive |= made
        elements += sum(graph.tensor(tensor).volume for tensor in made)
        elements -= sum(graph.tensor(tensor).volume for tensor in gone)
        peak = max(peak, elements)
        dead = {tensor for tensor in (*item.inputs, *item.outputs) if last_read.get(tensor, step) <= step} & alive
        elements -= sum(graph.tensor(tensor).volume for tensor in dead)
        alive -= dead
    return peak


def _fits(graph: Graph, tensor: str, result: str) -> bool:
    """Tell whether a result takes exactly the room of a tensor."""
    read, made = graph.tensor(tensor), graph.tensor(result)
    return (read.volume, read.precision) == (made.volume, made.precision)


def _may_be_overwritten(item: NetworkLayer) -> tuple[str, ...]:
    """Give the inputs over which a layer may write its result."""
    layer = item.layer
    if not item.outputs:
        return ()
    if family_of(layer.type) is Family.ELEMENTWISE:
        return item.inputs
    if layer.type == "Reshape":
        return item.inputs[:1]
    if layer.type in CONVOLUTIONS and ADDITIONS & set(layer.fused_ops):
        return item.inputs[1:]
    return ()
