"""Who makes and who reads each tensor of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from parsers.graphs.graph import Graph, Node


@dataclass(slots=True)
class Flow:
    """A graph's tensors, from the nodes that make them to the nodes that read them."""

    graph: Graph
    makers: dict[str, Node] = field(default_factory=dict)
    readers: dict[str, list[Node]] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()
    """Tensors that leave the network."""

    def __post_init__(self) -> None:
        self.leaving = frozenset(self.graph.outputs)
        for node in self.graph.nodes:
            self.makers.update(dict.fromkeys(node.outputs, node))
            for tensor in filter(None, node.inputs):
                self.readers.setdefault(tensor, []).append(node)

    def maker(self, tensor: str, *ops: str) -> Node | None:
        """Give the node that makes a tensor, where it is one of these operators."""
        node = self.makers.get(tensor)
        return node if node is not None and node.op in ops else None

    def only_reader(self, tensor: str) -> Node | None:
        """Give the one node that reads a tensor, where nobody else does and it leaves the network nowhere."""
        readers = self.readers.get(tensor, [])
        return readers[0] if len(readers) == 1 and tensor not in self.leaving else None

    def follower(self, node: Node) -> Node | None:
        """Give the node that may run with one: it alone reads the result, which is neither quantised nor unknown."""
        result = self.graph.tensor(node.outputs[0])
        is_real = result.is_known and not result.precision.startswith(("int", "uint"))
        return self.only_reader(node.outputs[0]) if is_real else None

    def is_read_within(self, tensor: str, nodes: Sequence[Node]) -> bool:
        """Tell whether nobody but these nodes reads a tensor."""
        names = {node.name for node in nodes}
        return tensor not in self.leaving and all(node.name in names for node in self.readers.get(tensor, ()))
