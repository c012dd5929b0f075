"""One layer of a network, and what it stands for in the graph."""

from __future__ import annotations

from dataclasses import dataclass

from parsers.schema import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLayer:
    """One layer and the graph nodes that it stands for."""

    name: str
    """Unique within the network: the name of one of its nodes, mostly of that which gives it its type."""
    layer: Layer
    nodes: tuple[str, ...]
    """All graph nodes it covers, in order; a runtime's profile names some of them."""
    tensors: tuple[str, ...]
    """All tensors that those nodes produce."""
    inputs: tuple[str, ...]
    """Activation tensors read, in the order of ``layer.input_shapes``."""
    outputs: tuple[str, ...]
    """Activation tensors that leave the layer."""
