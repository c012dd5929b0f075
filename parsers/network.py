"""PARSENETWORK (Algorithm 1, lines 9 and 23): an ONNX graph as layers with the paper's architecture attributes.

What a runtime fuses is one layer, whatever does not run at all (constants, shapes, ``Identity``, ``Dropout``) is none,
and an operator nobody here has heard of is a layer with its type and volumes. Shapes come from ONNX's own inference and
from what the file tells; a network whose inputs are not fixed is refused, with what to do about it. Inside, a shape that
nobody knows before the network runs leaves its layers with what is known of them, and is told (``Network.unknown``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from parsers.errors import NetworkError
from parsers.graphs.blocks import group_blocks
from parsers.graphs.describe import Description, describe
from parsers.graphs.files import load_structure
from parsers.graphs.fusion import Group, group_nodes
from parsers.graphs.graph import Graph, read_graph
from parsers.graphs.liveness import peak_live_elements
from parsers.graphs.patterns import fold_patterns
from parsers.graphs.quantised import fold_quantisation
from parsers.graphs.spelling import spell
from parsers.graphs.values import on_one_line
from parsers.network_layer import NetworkLayer
from parsers.roofline import flops, macs


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as its layers, in the order in which they run."""

    name: str
    layers: tuple[NetworkLayer, ...]
    peak_live_elements: int
    """Activation elements alive at once, at most, when the layers run in this order (``parsers.graphs.liveness``)."""
    unknown: tuple[str, ...] = ()
    """Tensors between the layers whose shape is not known before the network runs; they count as nothing."""

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


def read_network(path: Path, *, blocks: bool = False) -> Network:
    """Read an ONNX file as layers; the network's name is the file's. Raises as :func:`parse_network`."""
    return parse_network(load_structure(path), name=path.stem, blocks=blocks)


def parse_network(model: onnx.ModelProto, *, name: str, blocks: bool = False) -> Network:
    """Read an ONNX model as layers.

    Args:
        model: of any opset; the values of its weights are not looked at.
        name: what to call it, in the result and in error messages.
        blocks: whether inverted residuals are one layer each (``parsers.graphs.blocks``).

    Raises:
        NetworkError: no ONNX, dynamic input shapes, a graph that contradicts itself, or no operators; one line that says
            what to do.
    """
    graph = fold_patterns(spell(read_graph(model, name=name)))
    groups = fold_quantisation(group_nodes(graph), graph)
    layers = tuple(_network_layer(group, describe(group, graph), graph) for group in groups)
    peak = peak_live_elements(layers, graph)
    tensors = dict.fromkeys(tensor for item in layers for tensor in (*item.inputs, *item.outputs))
    unknown = tuple(tensor for tensor in tensors if not graph.tensor(tensor).is_known)
    if blocks:
        layers = group_blocks(layers, leaving=frozenset(graph.outputs))
    return Network(name=name, layers=layers, peak_live_elements=peak, unknown=unknown)


def require_shapes(network: Network) -> Network:
    """Give the network back if the shapes of all its tensors are known: what is priced or measured must be whole.

    Raises:
        NetworkError: a shape that is not known before the network runs.
    """
    if not network.unknown:
        return network
    tensor = network.unknown[0]
    made_by = next(
        (f"made by {on_one_line(item.layer.type)} {item.name!r}" for item in network.layers if tensor in item.outputs),
        "an input",
    )
    message = f"{network.name}: the shape of tensor {tensor!r} ({made_by}) is not known before the network runs."
    raise NetworkError(
        f"{message} Only networks of fixed shapes can be priced; if it is one, add it to the file's value_info."
    )


def _network_layer(group: Group, description: Description, graph: Graph) -> NetworkLayer:
    made = [tensor for node in group.nodes for tensor in (*node.parts_outputs, *node.outputs) if tensor]
    return NetworkLayer(
        name=group.head.name,
        layer=description.layer,
        nodes=tuple(name for node in group.nodes for name in (*node.parts, node.name)),
        tensors=tuple(name for tensor in made for name in (tensor, *graph.aliases.get(tensor, ()))),
        inputs=description.inputs,
        outputs=description.outputs,
    )
