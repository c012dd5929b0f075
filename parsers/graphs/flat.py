"""A model laid flat: every node with a name of its own, functions written out, constants set aside.

Weights are not carried along: of a constant of more than a few elements only the shape is kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto

from parsers.errors import NetworkError
from parsers.graphs.files import first_line
from parsers.graphs.folding import Constants
from parsers.graphs.functions import written_out
from parsers.graphs.values import ONNX_NAME, unique_node_names, walk
from parsers.schema import Shape

SMALL = 64
"""Constants of up to so many elements keep their values."""

_OLDEST_IR = 4
"""Since this version of the format a constant needs not be an input too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor's shape and element type."""

    shape: Shape
    precision: str
    is_known: bool = True
    """False where the shape is not known before the network runs; the shape is empty then, and stands for nothing."""

    @property
    def volume(self) -> int:
        """Elements; 0 where the shape is not known."""
        return math.prod(self.shape) if self.is_known else 0


UNKNOWN = Tensor(shape=(), precision="unknown", is_known=False)


@dataclass(slots=True)
class FlatModel:
    """A model laid flat, and what is known of its tensors."""

    name: str
    ir_version: int
    outputs: Sequence[ValueInfoProto]
    opsets: dict[str, int] = field(default_factory=dict)
    inputs: list[ValueInfoProto] = field(default_factory=list)
    nodes: list[NodeProto] = field(default_factory=list)
    weights: dict[str, ValueInfoProto] = field(default_factory=dict)
    """Constants whose values are not looked at."""
    values: Constants = field(default_factory=dict)
    """Constants of few elements."""
    known: dict[str, ValueInfoProto] = field(default_factory=dict)
    """Every tensor whose shape is known, but for small constants."""

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return self.opsets.get("", 1)

    def skeleton(self, nodes: Sequence[NodeProto], told: Mapping[str, ValueInfoProto]) -> onnx.ModelProto:
        """Write a model of these nodes with the weights as inputs, and shapes that are told of tensors between them."""
        graph = onnx.helper.make_graph(
            nodes,
            "skeleton",
            [*self.inputs, *self.weights.values()],
            [value for value in self.outputs if _may_be_output(value)],
            [onnx.numpy_helper.from_array(value, name) for name, value in self.values.items()],
            value_info=list(told.values()),
        )
        opsets = {node.domain: 1 for node in walk(nodes) if _domain(node.domain)} | self.opsets
        imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        return onnx.helper.make_model(graph, opset_imports=imports, ir_version=self.ir_version)

    def shape(self, name: str) -> Shape | None:
        """Give the shape of a tensor, where it is known."""
        if name in self.values:
            return tuple(self.values[name].shape)
        return tensor_of(self.known[name]).shape if name in self.known else None

    def type_of(self, name: str) -> onnx.TypeProto | None:
        """Give the type of a tensor, where its shape is known."""
        if name not in self.values:
            return self.known[name].type if name in self.known else None
        value = self.values[name]
        return onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _may_be_output(value: ValueInfoProto) -> bool:
    """Tell whether ONNX's checker takes a value for an output: runtimes also take a tensor of which no shape is told."""
    if value.type.WhichOneof("value") != "tensor_type":
        return value.type.WhichOneof("value") is not None
    tensor = value.type.tensor_type
    return bool(tensor.HasField("elem_type") and tensor.HasField("shape"))


def tensor_of(value: ValueInfoProto) -> Tensor:
    """Give what a value's type tells of it; :data:`UNKNOWN` where that is not a whole shape and an element type."""
    tensor = value.type.tensor_type
    sides, precision = tensor.shape.dim, precision_of(tensor.elem_type)
    is_known = tensor.HasField("shape") and all(side.HasField("dim_value") and side.dim_value >= 0 for side in sides)
    if not is_known or precision is None:
        return UNKNOWN
    return Tensor(shape=tuple(side.dim_value for side in sides), precision=precision)


@cache
def precision_of(element: int) -> str | None:
    """Name an ONNX element type as numpy does; ``None`` for one that is undefined or newer than the installed onnx."""
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(element).name)
    except KeyError:
        return None


def lay_flat(model: onnx.ModelProto, *, name: str) -> FlatModel:
    """Name all nodes, set constants aside and write functions out.

    Raises:
        NetworkError: constants, functions or operator sets that cannot be.
    """
    graph = model.graph
    _refuse_made_twice(graph, name)
    flat = FlatModel(
        name=name, ir_version=min(max(model.ir_version, _OLDEST_IR), onnx.IR_VERSION), outputs=graph.output
    )
    for tensor in graph.initializer:
        _keep(flat, tensor.name, tensor)
    for sparse in graph.sparse_initializer:
        _keep_weight(flat, sparse.values.name, sparse.values.data_type, sparse.dims)
    flat.inputs = [value for value in graph.input if value.name not in flat.weights.keys() | flat.values.keys()]
    flat.opsets = _opsets(model, name)
    _keep_nodes(flat, graph.node)
    if model.functions:
        written = written_out(flat.skeleton(flat.nodes, {}), model, name=name)
        flat.opsets = _opsets(written, name)
        _keep_nodes(flat, written.graph.node)
    return flat


def _refuse_made_twice(graph: onnx.GraphProto, name: str) -> None:
    made = Counter(tensor for node in graph.node for tensor in node.output if tensor)
    for tensor, count in made.items():
        if count > 1:
            raise NetworkError(f"{name} is no valid ONNX network: {count} nodes make the tensor {tensor!r}.")


def _opsets(model: onnx.ModelProto, name: str) -> dict[str, int]:
    opsets = {_domain(opset.domain): opset.version for opset in model.opset_import}
    if not all(0 < version < 2**31 for version in opsets.values()):
        raise NetworkError(f"{name} is no valid ONNX network: its operator sets have versions that cannot be.")
    return opsets


def _domain(domain: str) -> str:
    return "" if domain == ONNX_NAME else domain


def _keep_nodes(flat: FlatModel, nodes: Iterable[NodeProto]) -> None:
    """Keep copies of nodes with a name each, but for what Constant nodes hold."""
    nodes = tuple(nodes)
    flat.nodes = []
    for node, name in zip(nodes, unique_node_names(nodes), strict=True):
        if keep_constant(flat, node):
            continue
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name, copy.domain = name, _domain(node.domain)
        flat.nodes.append(copy)


def _keep(flat: FlatModel, name: str, tensor: TensorProto) -> None:
    """Keep a constant: its value where it is small, else its shape alone."""
    if any(side < 0 for side in tensor.dims):
        raise NetworkError(f"{flat.name} is no valid ONNX network: the constant {name!r} has a negative dimension.")
    if math.prod(tensor.dims) > SMALL or tensor.external_data:
        _keep_weight(flat, name, tensor.data_type, tensor.dims)
        return
    try:
        flat.values[name] = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as exc:
        message = f"{flat.name} is no valid ONNX network: the constant {name!r} cannot be read"
        raise NetworkError(f"{message} ({first_line(exc)}).") from exc


def _keep_weight(flat: FlatModel, name: str, element: int, dims: Iterable[int]) -> None:
    flat.weights[name] = onnx.helper.make_tensor_value_info(name, element, tuple(dims))


def keep_constant(flat: FlatModel, node: NodeProto) -> bool:
    """Keep what a Constant holds; false for other nodes, and for constants that are neither dense nor numbers."""
    if node.op_type != "Constant" or _domain(node.domain) or len(node.output) != 1:
        return False
    for attribute in node.attribute:
        match attribute.name:
            case "value":
                _keep(flat, node.output[0], attribute.t)
                return True
            case "value_float" | "value_floats":
                numbers = attribute.floats if attribute.name.endswith("s") else attribute.f
                flat.values[node.output[0]] = np.asarray(numbers, dtype=np.float32)
                return True
            case "value_int" | "value_ints":
                numbers = attribute.ints if attribute.name.endswith("s") else attribute.i
                flat.values[node.output[0]] = np.asarray(numbers, dtype=np.int64)
                return True
    return False
