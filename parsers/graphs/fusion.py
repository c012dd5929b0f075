"""Which nodes run as one: convolutions with what is folded into their weights and done in their registers.

Before a network runs, a runtime folds batch normalisation and per-channel factors into a convolution's weights, and lets
the convolution add a residual and apply an activation while it writes its result. What ONNX Runtime fuses is fused here
(its conv-BN, conv-mul, conv-add and conv-add-activation fusions, those of its NCHWc layout, and Gemm-activation), by the
same conditions: a result is fused into the operator that made it only where nobody else reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from parsers.graphs.flow import Flow
from parsers.graphs.graph import Graph, Node
from parsers.graphs.values import Attribute
from parsers.operators import ADDITIONS

FUSED_ACTIVATIONS = frozenset(
    {"Relu", "Relu6", "Clip", "LeakyRelu", "Elu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh"}
)


class Role(Enum):
    """What a node does in its group."""

    HEAD = auto()
    FOLDED = auto()
    """Gone at run time: part of the head's weights."""
    FUSED = auto()
    """Done by the head, or right behind it."""
    QUANTISED = auto()
    """Gone at run time: the head works on whole numbers, and what turned them into others and back is not needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Nodes that run as one layer, in order; one of them is its head."""

    nodes: tuple[Node, ...]
    roles: tuple[Role, ...]

    @property
    def head(self) -> Node:
        """The node that gives the layer its type."""
        return self._with(Role.HEAD)[0]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Activations that the nodes read, in order, but for those that they make themselves."""
        made = {tensor for node in self.nodes for tensor in node.outputs}
        return tuple(tensor for node in self.nodes for tensor in node.activations if tensor not in made)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What leaves the layer: what the last node makes, or those that quantise each of its results."""
        head = self.roles.index(Role.HEAD)
        pairs = zip(self.nodes[head:], self.roles[head:], strict=True)
        quantising = [node for node, role in pairs if role is Role.QUANTISED]
        return tuple(tensor for node in quantising or self.nodes[-1:] for tensor in node.outputs if tensor)

    @property
    def folded(self) -> tuple[Node, ...]:
        """Nodes that became part of the head's weights."""
        return self._with(Role.FOLDED)

    @property
    def fused(self) -> tuple[Node, ...]:
        """Nodes that run with the head."""
        return self._with(Role.FUSED)

    def _with(self, wanted: Role) -> tuple[Node, ...]:
        return tuple(node for node, role in zip(self.nodes, self.roles, strict=True) if role is wanted)


def group_nodes(graph: Graph) -> tuple[Group, ...]:
    """Partition a graph's nodes into groups, in an order in which they can run."""
    flow = Flow(graph)
    position = {node.name: index for index, node in enumerate(graph.nodes)}
    taken: set[str] = set()
    groups: list[Group] = []
    for node in graph.nodes:
        if node.name not in taken:
            group = _grow(node, flow)
            taken.update(member.name for member in group.nodes)
            groups.append(group)
    return tuple(sorted(groups, key=lambda group: position[group.nodes[-1].name]))


def operator_name(node: Node) -> str:
    """Name what a node computes: ``Relu6`` and ``Relu`` are what a Clip is with their bounds."""
    if node.op != "Clip":
        return node.op
    match clip_bounds(node):
        case (0, 6):
            return "Relu6"
        case (0, None):
            return "Relu"
        case _:
            return "Clip"


def clip_bounds(node: Node) -> tuple[float | None, float | None]:
    """Give the bounds of a Clip; ``None`` where it has none, or where they are only known at run time."""
    written = node.written
    return _number(written.get("min")), _number(written.get("max"))


def _grow(head: Node, flow: Flow) -> Group:
    match head.op:
        case "Conv" | "ConvTranspose":
            return _grow_convolution(head, flow)
        case "BatchNormalization":
            return _grow_normalisation(head, flow)
        case "Gemm" | "MatMul":
            return _grow_dense(head, flow)
        case _:
            return Group(nodes=(head,), roles=(Role.HEAD,))


def _grow_convolution(head: Node, flow: Flow) -> Group:
    """Take folded scales first, then at most one residual (not behind a transposed one), then at most one activation."""
    nodes, roles = [head], [Role.HEAD]
    has_residual = False
    while (reader := flow.follower(nodes[-1])) is not None:
        tail = nodes[-1].outputs[0]
        if not has_residual and _is_scale(reader, flow):
            roles.append(Role.FOLDED)
        elif not has_residual and _residual_owner(reader, flow) == tail:
            roles.append(Role.FUSED)
            has_residual = True
        elif _is_activation(reader):
            nodes.append(reader)
            roles.append(Role.FUSED)
            break
        else:
            break
        nodes.append(reader)
    return Group(nodes=tuple(nodes), roles=tuple(roles))


def _grow_normalisation(head: Node, flow: Flow) -> Group:
    """Take the factors, offsets and activation that follow: runtimes make one pass of them, or a chain of their own."""
    nodes = [head]
    while (reader := flow.follower(nodes[-1])) is not None:
        if reader.op == "BatchNormalization" or not _is_scale(reader, flow):
            if _is_activation(reader):
                nodes.append(reader)
            break
        nodes.append(reader)
    return Group(nodes=tuple(nodes), roles=(Role.HEAD, *[Role.FUSED] * (len(nodes) - 1)))


def _grow_dense(head: Node, flow: Flow) -> Group:
    """Take a MatMul's bias, which makes it a Gemm, and the activation."""
    nodes, roles = [head], [Role.HEAD]
    reader = flow.follower(head)
    if head.op == "MatMul":
        if reader is None or not _is_bias(reader, head, flow):
            return Group(nodes=(head,), roles=(Role.HEAD,))
        nodes.append(reader)
        roles.append(Role.FOLDED)
        reader = flow.follower(reader)
    if reader is not None and _is_activation(reader):
        nodes.append(reader)
        roles.append(Role.FUSED)
    return Group(nodes=tuple(nodes), roles=tuple(roles))


def _is_scale(node: Node, flow: Flow) -> bool:
    """Tell whether a node is a per-channel factor or offset of one activation, which weights can absorb."""
    if node.op == "BatchNormalization":
        return len(node.activations) == 1 and len([name for name in node.outputs if name]) == 1
    if node.op not in {"Mul", "Add"} or len(node.activations) != 1 or len(node.weights) != 1:
        return False
    result = flow.graph.tensor(node.outputs[0]).shape
    shape = flow.graph.tensor(next(iter(node.weights.values()))).shape
    if flow.graph.tensor(node.activations[0]).shape != result or len(result) < 3 or len(shape) > len(result):
        return False
    aligned = (1,) * (len(result) - len(shape)) + shape
    return all(side == 1 for axis, side in enumerate(aligned) if axis != 1) and aligned[1] in {1, result[1]}


def _is_bias(node: Node, product: Node, flow: Flow) -> bool:
    """Tell whether an Add is the bias of a matrix product with constant weights."""
    if node.op != "Add" or len(node.activations) != 1 or len(node.weights) != 1 or 1 not in product.weights:
        return False
    result = flow.graph.tensor(product.outputs[0]).shape
    operand = flow.graph.tensor(next(iter(node.weights.values()))).shape
    return len(result) == 2 and operand in {(result[1],), (1, result[1])}


def _residual_owner(node: Node, flow: Flow) -> str | None:
    """Give the input of an addition that the convolution behind it can add to: the first that qualifies."""
    operands = node.activations
    if node.op not in ADDITIONS or len(node.inputs) != 2 or len(operands) != 2:
        return None
    tensors = [flow.graph.tensor(tensor) for tensor in operands]
    if tensors[0].shape != tensors[1].shape or not all(tensor.is_known for tensor in tensors):
        return None
    return next((tensor for tensor in operands if _is_convolved(tensor, flow)), None)


def _is_convolved(tensor: str, flow: Flow) -> bool:
    """Tell whether a tensor is a convolution's result, but for scales, that nobody else reads."""
    maker = flow.makers.get(tensor)
    if maker is None or flow.follower(maker) is None:
        return False
    if maker.op == "Conv":
        return True
    return _is_scale(maker, flow) and _is_convolved(maker.activations[0], flow)


def _is_activation(node: Node) -> bool:
    return operator_name(node) in FUSED_ACTIVATIONS and len(node.activations) == 1


def _number(value: Attribute | None) -> float | None:
    return float(value) if isinstance(value, int | float) else None
