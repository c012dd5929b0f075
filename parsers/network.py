"""PARSENETWORK (Algorithm 1, lines 9 and 23): an ONNX graph as layers with the paper's architecture attributes.

What a runtime fuses is one layer, whatever does not run at all (constants, shapes, ``Identity``, ``Dropout``) is none,
and an operator nobody here has heard of is a layer with its type and volumes. Shapes come from ONNX's own inference;
a network whose shapes are not fixed is refused, with what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from parsers.describe import Description, describe
from parsers.fusion import Group, group_nodes
from parsers.onnx_graph import Graph, load_model, read_graph
from parsers.roofline import flops, macs
from parsers.schema import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLayer:
    """One layer and the graph nodes that it stands for."""

    name: str
    """Unique within the network: the name of its first node."""
    layer: Layer
    nodes: tuple[str, ...]
    """All graph nodes it covers, in order; a runtime's profile names some of them."""
    tensors: tuple[str, ...]
    """All tensors that those nodes produce."""
    inputs: tuple[str, ...]
    """Activation tensors read, in the order of ``layer.input_shapes``."""
    outputs: tuple[str, ...]
    """Activation tensors that leave the layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as its layers, in the order in which they run."""

    name: str
    layers: tuple[NetworkLayer, ...]
    peak_live_elements: int
    """Activation elements alive at once, at most, when the layers run in this order."""

    @property
    def flops(self) -> int:
        """Floating-point operations of one run."""
        return sum(flops(item.layer) for item in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return sum(macs(item.layer) for item in self.layers)

    @property
    def weight_elements(self) -> int:
        """Weights and biases; what two layers share counts in both."""
        return sum(item.layer.weight_elements for item in self.layers)

    @property
    def between_elements(self) -> int:
        """Activation elements that the layers read and write, all together."""
        return sum(item.layer.input_volume + item.layer.output_volume for item in self.layers)


def read_network(path: Path) -> Network:
    """Read an ONNX file as layers; the network's name is the file's.

    Raises:
        NetworkError: no such file, no ONNX, dynamic shapes, or no operators; one line that says what to do.
    """
    return parse_network(load_model(path), name=path.stem)


def parse_network(model: onnx.ModelProto, *, name: str) -> Network:
    """Read an ONNX model as layers.

    Args:
        model: of any opset; the values of its weights are not looked at.
        name: what to call it, in the result and in error messages.

    Raises:
        NetworkError: see :func:`read_network`.
    """
    graph = read_graph(model, name=name)
    layers = tuple(_network_layer(group, describe(group, graph), graph) for group in group_nodes(graph))
    return Network(name=name, layers=layers, peak_live_elements=_peak_live_elements(layers, graph))


def _network_layer(group: Group, description: Description, graph: Graph) -> NetworkLayer:
    made = [tensor for node in group.nodes for tensor in node.outputs if tensor]
    return NetworkLayer(
        name=group.head.name,
        layer=description.layer,
        nodes=tuple(node.name for node in group.nodes),
        tensors=tuple(name for tensor in made for name in (tensor, *graph.aliases.get(tensor, ()))),
        inputs=description.inputs,
        outputs=description.outputs,
    )


def _peak_live_elements(layers: tuple[NetworkLayer, ...], graph: Graph) -> int:
    """Run the layers in order and watch: a tensor lives from the layer that makes it to the last one that reads it."""
    last_read = {tensor: step for step, item in enumerate(layers) for tensor in item.inputs}
    last_read |= dict.fromkeys(graph.outputs, len(layers))
    alive = {tensor for tensor in graph.inputs if tensor in last_read}
    peak = 0
    for step, item in enumerate(layers):
        alive.update(item.outputs)
        peak = max(peak, sum(graph.tensor(tensor).volume for tensor in alive))
        alive = {tensor for tensor in alive if last_read.get(tensor, step) > step}
    return peak
