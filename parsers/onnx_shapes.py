"""Shapes of a model's tensors, by ONNX's own inference and a little more.

What ONNX alone leaves open is closed here where it follows: shapes that a network computes from its own shapes
(``parsers.onnx_folding``), branches that a constant chooses, operators of ONNX Runtime's own that are standard ones in
another dress (``parsers.onnx_twins``), and the input of an operator that keeps its shape. Nothing is assumed: a shape that
does not follow stays unknown.

No weights are carried along: those of more than a few elements become inputs of a skeleton, which is what is inferred.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto

from parsers.errors import NetworkError
from parsers.onnx_files import first_line
from parsers.onnx_folding import Constants, constant_of, inlined_branch
from parsers.onnx_functions import written_out
from parsers.onnx_twins import stand_ins
from parsers.onnx_values import ONNX_NAME, graphs_in, schema_of, unique_node_names, walk
from parsers.operators import KEEPS_SHAPE
from parsers.schema import Shape

SMALL = 64
"""Constants of up to so many elements keep their values."""

_OLDEST_IR = 4
"""Since this version of the format a constant needs not be an input too."""

_ROUNDS = 16
"""So often shapes and values may wait for each other; a branch in a branch takes one more."""


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
class Shapes:
    """A model laid flat, with all that is known of its tensors."""

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


def read_shapes(model: onnx.ModelProto, *, name: str) -> Shapes:
    """Lay a model flat and find the shape of every tensor, as far as it follows.

    Raises:
        NetworkError: a graph that ONNX's own checker refuses, or that contradicts itself.
    """
    shapes = _flat(model, name)
    told = {value.name: value for value in model.graph.value_info}
    _infer(shapes, told, is_first=True)
    for _ in range(_ROUNDS):
        found = propagate(shapes)
        if all(name in shapes.known for node in shapes.nodes for name in node.output if name):
            break
        if not (_look_backwards(shapes) or found):
            break
        told |= {name: value for name, value in shapes.known.items() if name not in shapes.weights}
        _infer(shapes, told)
    return shapes


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


def _flat(model: onnx.ModelProto, name: str) -> Shapes:
    """Name all nodes, set constants aside and write functions out."""
    graph = model.graph
    _refuse_made_twice(graph, name)
    shapes = Shapes(name=name, ir_version=min(max(model.ir_version, _OLDEST_IR), onnx.IR_VERSION), outputs=graph.output)
    for tensor in graph.initializer:
        _keep(shapes, tensor.name, tensor)
    for sparse in graph.sparse_initializer:
        _keep_weight(shapes, sparse.values.name, sparse.values.data_type, sparse.dims)
    shapes.inputs = [value for value in graph.input if value.name not in shapes.weights.keys() | shapes.values.keys()]
    shapes.opsets = _opsets(model, name)
    _keep_nodes(shapes, graph.node)
    if model.functions:
        flat = written_out(_skeleton(shapes, {}, shapes.nodes), model, name=name)
        shapes.opsets = _opsets(flat, name)
        _keep_nodes(shapes, flat.graph.node)
    return shapes


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


def _keep_nodes(shapes: Shapes, nodes: Iterable[NodeProto]) -> None:
    """Keep copies of nodes with a name each, but for what Constant nodes hold."""
    nodes = tuple(nodes)
    shapes.nodes = []
    for node, name in zip(nodes, unique_node_names(nodes), strict=True):
        if _keep_constant(shapes, node):
            continue
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name, copy.domain = name, _domain(node.domain)
        shapes.nodes.append(copy)


def _keep(shapes: Shapes, name: str, tensor: TensorProto) -> None:
    """Keep a constant: its value where it is small, else its shape alone."""
    if any(side < 0 for side in tensor.dims):
        raise NetworkError(f"{shapes.name} is no valid ONNX network: the constant {name!r} has a negative dimension.")
    if math.prod(tensor.dims) > SMALL or tensor.external_data:
        _keep_weight(shapes, name, tensor.data_type, tensor.dims)
        return
    try:
        shapes.values[name] = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as exc:
        message = f"{shapes.name} is no valid ONNX network: the constant {name!r} cannot be read"
        raise NetworkError(f"{message} ({first_line(exc)}).") from exc


def _keep_weight(shapes: Shapes, name: str, element: int, dims: Iterable[int]) -> None:
    shapes.weights[name] = onnx.helper.make_tensor_value_info(name, element, tuple(dims))


def _keep_constant(shapes: Shapes, node: NodeProto) -> bool:
    """Keep what a Constant holds; false for other nodes, and for constants that are neither dense nor numbers."""
    if node.op_type != "Constant" or _domain(node.domain) or len(node.output) != 1:
        return False
    for attribute in node.attribute:
        match attribute.name:
            case "value":
                _keep(shapes, node.output[0], attribute.t)
                return True
            case "value_float" | "value_floats":
                numbers = attribute.floats if attribute.name.endswith("s") else attribute.f
                shapes.values[node.output[0]] = np.asarray(numbers, dtype=np.float32)
                return True
            case "value_int" | "value_ints":
                numbers = attribute.ints if attribute.name.endswith("s") else attribute.i
                shapes.values[node.output[0]] = np.asarray(numbers, dtype=np.int64)
                return True
    return False


def _infer(shapes: Shapes, told: dict[str, ValueInfoProto], *, is_first: bool = False) -> None:
    """Infer the shapes of the skeleton; shapes told by the file that contradict the inferred ones are forgotten.

    Not with ONNX's own propagation of values: it takes memory and time for every element of any vector that is added.
    """
    skeleton = _skeleton(shapes, told, [twin for node in shapes.nodes for twin in stand_ins(node, shapes.opset)])
    try:
        if is_first:
            onnx.checker.check_model(skeleton)
        graph = onnx.shape_inference.infer_shapes(skeleton, strict_mode=True).graph
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as exc:
        if not told:
            raise NetworkError(f"{shapes.name} is no valid ONNX network: {first_line(exc)}.") from exc
        told.clear()
        _infer(shapes, told, is_first=is_first)
        return
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes.known |= {value.name: value for value in values if tensor_of(value).is_known}


def _skeleton(shapes: Shapes, told: Mapping[str, ValueInfoProto], nodes: Sequence[NodeProto]) -> onnx.ModelProto:
    """Write a network with its weights as inputs."""
    graph = onnx.helper.make_graph(
        nodes,
        "skeleton",
        [*shapes.inputs, *shapes.weights.values()],
        [
            value for value in shapes.outputs if value.type.WhichOneof("value")
        ],  # one without a type is told of by nobody
        [onnx.numpy_helper.from_array(value, name) for name, value in shapes.values.items()],
        value_info=list(told.values()),
    )
    opsets = {node.domain: 1 for node in walk(nodes) if _domain(node.domain)} | shapes.opsets
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=shapes.ir_version)


def propagate(shapes: Shapes) -> bool:
    """Go through the nodes once: fold constants, lay open the branches that they choose, and infer shapes from both.

    Returns:
        Whether anything was found that was not known before.
    """
    waiting = deque(shapes.nodes)
    shapes.nodes = []
    found = False
    while waiting:
        node = waiting.popleft()
        if (value := constant_of(node, shapes.values, shapes.shape)) is not None:
            shapes.values[node.output[0]] = value
            found = True
        elif (branch := inlined_branch(node, shapes.values)) is not None:
            waiting.extendleft(inner for inner in reversed(branch) if not _keep_constant(shapes, inner))
            found = True
        else:
            shapes.nodes.append(node)
            found |= _infer_node(node, shapes)
    return found


def _infer_node(node: NodeProto, shapes: Shapes) -> bool:
    """Infer what one node makes, with the values of its small constants, where that is not known yet."""
    unknown = [name for name in node.output if name and name not in shapes.known]
    found = False
    for twin in stand_ins(node, shapes.opset) if unknown else ():
        types = {name: kind for name in twin.input if name and (kind := shapes.type_of(name)) is not None}
        schema = schema_of(twin.op_type, twin.domain, shapes.opset)
        has_graphs = any(graphs_in(attribute) for attribute in twin.attribute)
        if twin.domain or schema is None or has_graphs or any(name not in types for name in twin.input if name):
            continue
        data = {
            name: onnx.numpy_helper.from_array(shapes.values[name], name) for name in types if name in shapes.values
        }
        imports = [onnx.helper.make_opsetid("", shapes.opset)]
        try:
            made = onnx.shape_inference.infer_node_outputs(schema, twin, types, data, None, imports, shapes.ir_version)
        except onnx.checker.ValidationError:
            continue  # an element type that the operator does not take; a stand-in's may be one
        except onnx.shape_inference.InferenceError as exc:
            raise NetworkError(f"{shapes.name} is no valid ONNX network: {first_line(exc)}.") from exc
        values = (ValueInfoProto(name=name, type=kind) for name, kind in made.items())
        news = {value.name: value for value in values if value.name not in shapes.known and tensor_of(value).is_known}
        shapes.known |= news
        found |= bool(news)
    return found


def _look_backwards(shapes: Shapes) -> bool:
    """Where an operator keeps its input's shape, what it makes tells what it reads."""
    found = False
    for node in reversed(shapes.nodes):
        made = shapes.known.get(node.output[0]) if node.output else None
        if node.domain or node.op_type not in KEEPS_SHAPE or made is None or not node.input:
            continue
        if (source := node.input[0]) not in shapes.known and source not in shapes.values and source:
            shapes.known[source] = ValueInfoProto(name=source, type=made.type)
            found = True
    return found
