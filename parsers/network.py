"""PARSENETWORK (Algorithm 1, lines 9 and 23): an ONNX graph as layers with the paper's architecture attributes."""

from __future__ import annotations

from dataclasses import dataclass

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
