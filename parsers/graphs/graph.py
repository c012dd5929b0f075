"""An ONNX graph reduced to what runs: shapes known, constants folded, nodes without work gone.

A runtime computes once, while loading, whatever depends on initialisers and shapes alone, and drops ``Identity`` and
``Dropout``; here the former become constants and the latter aliases. Weights' values are never looked at, only their
shapes; values of small parameters (the bounds of a Clip, the axes of a Squeeze) are kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import GraphProto, NodeProto

from parsers.errors import NetworkError
from parsers.graphs.flat import SMALL, UNKNOWN, FlatModel, Tensor, tensor_of
from parsers.graphs.shapes import read_shapes
from parsers.graphs.twins import twin_of
from parsers.graphs.values import (
    REFERENCE_OPSET,
    Attribute,
    attributes_of,
    graphs_in,
    names_in,
    on_one_line,
    plain_array,
    schema_of,
    walk,
)

_PARAMETRIC = frozenset({"Clip", "Pad", "Resize", "Upsample"})
"""Operators whose constant inputs are settings even where they are floating-point numbers."""

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose constant inputs are weights even where they are whole numbers: the bias of a quantised one."""

_ALIASES = frozenset({"Identity", "Dropout"})
_SHAPE_ONLY = frozenset({"Constant", "Shape", "Size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator that runs."""

    name: str
    """Unique within the graph."""
    op: str
    inputs: tuple[str, ...]
    """Tensor names; an optional input that is absent is empty. What graphs inside it read of the outside comes last."""
    outputs: tuple[str, ...]
    activations: tuple[str, ...]
    """The inputs that are known only while the network runs, in order."""
    attributes: Mapping[str, Attribute]
    """Those that differ from the defaults of :data:`~parsers.graphs.values.REFERENCE_OPSET`, whatever the model's own opset."""
    settings: Mapping[str, Attribute]
    """Constant inputs that are settings, by their formal name (``axes``, ``max``), where their values are known."""
    weights: Mapping[int, str]
    """Constant inputs that are weights, by position."""
    inner_weight_elements: int = 0
    """Weights of the graphs inside it (the branches of an If)."""
    parts: tuple[str, ...] = ()
    """Other nodes of the graph that it stands for."""
    parts_outputs: tuple[str, ...] = ()
    """The tensors that those make, and nobody else sees."""

    @property
    def written(self) -> Mapping[str, Attribute]:
        """Attributes and settings by name: opsets differ in which of the two a thing is, as the axes of a reduction."""
        return {**self.attributes, **self.settings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What runs, in topological order."""

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    """Every tensor whose shape is known, constants included."""
    aliases: Mapping[str, tuple[str, ...]]
    """Other names under which a tensor goes."""
    scalars: Mapping[str, float]
    """Constants of one floating-point element."""
    dequantised: frozenset[str]
    """Constants that are kept as integers, and dequantised while loading."""

    def tensor(self, name: str) -> Tensor:
        """Give a tensor's shape and precision; :data:`~parsers.graphs.flat.UNKNOWN` where the network must run first."""
        return self.tensors.get(name, UNKNOWN)


def read_graph(model: onnx.ModelProto, *, name: str) -> Graph:
    """Reduce a model to what runs.

    Raises:
        NetworkError: dynamic input shapes, no operators, or a graph that ONNX's own checker refuses.
    """
    if not model.graph.node:
        raise NetworkError(f"{name} has no operators: it is an empty model, or no ONNX file.")
    not_text = f"{name} is no valid ONNX network: it holds a name that is not UTF-8."
    if not all(isinstance(text, str) for text in names_in(model)):  # protobuf gives such names as bytes
        raise NetworkError(not_text)
    _refuse_dynamic_inputs(model.graph, name)
    try:
        return _reduce(read_shapes(model, name=name))
    except UnicodeDecodeError as exc:  # onnx quotes other text in its messages
        raise NetworkError(not_text) from exc


def _refuse_dynamic_inputs(graph: GraphProto, name: str) -> None:
    weights = {tensor.name for tensor in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        is_fixed = all(dim.dim_value > 0 for dim in dims) and value.type.tensor_type.HasField("shape")
        if value.name in weights or is_fixed or not value.type.HasField("tensor_type"):
            continue
        shape = "x".join(str(dim.dim_value or on_one_line(dim.dim_param) or "?") for dim in dims) or "?"
        fix = f"--input_name {on_one_line(value.name)} --input_shape 1,3,224,224"
        if parameter := next((dim.dim_param for dim in dims if dim.dim_param), ""):
            fix = f"--dim_param {on_one_line(parameter)} --dim_value 1"
        message = f"{name}: input {value.name!r} has the dynamic shape {shape}. Fix it first, for example with"
        command = f"python -m onnxruntime.tools.make_dynamic_shape_fixed {fix} IN.onnx OUT.onnx"
        raise NetworkError(f"{message} `{command}`.")


@dataclass(slots=True)
class _Reduction:
    """A graph on its way to what runs."""

    constants: set[str]
    tensors: dict[str, Tensor]
    alias_of: dict[str, str]
    dequantised: set[str]
    nodes: list[Node]


def _reduce(flat: FlatModel) -> Graph:
    tensors = {name: tensor_of(value) for name, value in (flat.known | flat.weights).items()}
    tensors |= {key: Tensor(shape=value.shape, precision=value.dtype.name) for key, value in flat.values.items()}
    constants = flat.weights.keys() | flat.values.keys()
    reduction = _Reduction(constants=constants, tensors=tensors, alias_of={}, dequantised=set(), nodes=[])
    for proto in flat.nodes:
        _take(proto, reduction, flat)
    if not reduction.nodes:
        raise NetworkError(f"{flat.name} has no operators that depend on its inputs: there is nothing to run.")
    alias_of = reduction.alias_of
    return Graph(
        name=flat.name,
        nodes=tuple(reduction.nodes),
        inputs=tuple(value.name for value in flat.inputs),
        outputs=tuple(alias_of.get(value.name, value.name) for value in flat.outputs),
        tensors=tensors,
        aliases=_inverted(alias_of),
        scalars={
            name: float(value.ravel()[0])
            for name, value in flat.values.items()
            if value.size == 1 and value.dtype.kind == "f"
        },
        dequantised=frozenset(reduction.dequantised),
    )


def _take(proto: NodeProto, reduction: _Reduction, flat: FlatModel) -> None:
    """Take a node as a constant, as another name, or as one that runs."""
    constants, alias_of = reduction.constants, reduction.alias_of
    inputs = tuple(alias_of.get(tensor, tensor) for tensor in (*proto.input, *_captured(proto)))
    outputs = tuple(proto.output)
    is_standard = not proto.domain
    if _is_constant(proto, inputs, constants):
        constants.update(tensor for tensor in outputs if tensor)
        if proto.op_type == "DequantizeLinear":
            reduction.dequantised.update(outputs)
    elif is_standard and proto.op_type in _ALIASES and inputs and inputs[0] and outputs and outputs[0]:
        alias_of[outputs[0]] = inputs[0]
    else:
        reduction.nodes.append(_node(proto, inputs, reduction, flat))


def _inverted(alias_of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    aliases: dict[str, tuple[str, ...]] = {}
    for alias, tensor in alias_of.items():
        aliases[tensor] = (*aliases.get(tensor, ()), alias)
    return aliases


def _captured(proto: NodeProto) -> tuple[str, ...]:
    """Name what the graphs inside a node read of the outside, each once."""
    graphs = _graphs_inside(proto)
    made = {value.name for graph in graphs for value in (*graph.input, *graph.initializer)}
    made |= {name for graph in graphs for node in graph.node for name in node.output}
    read = dict.fromkeys(name for graph in graphs for node in graph.node for name in node.input)
    read |= dict.fromkeys(value.name for graph in graphs for value in graph.output)
    return tuple(name for name in read if name and name not in made and name not in proto.input)


def _graphs_inside(proto: NodeProto) -> tuple[GraphProto, ...]:
    return tuple(graph for node in walk([proto]) for attribute in node.attribute for graph in graphs_in(attribute))


def _is_constant(proto: NodeProto, inputs: tuple[str, ...], constants: set[str]) -> bool:
    if not proto.domain and proto.op_type in _SHAPE_ONLY:
        return True
    given = [tensor for tensor in inputs if tensor]
    captures = any(graphs_in(attribute) for attribute in proto.attribute)
    return bool(given) and not captures and all(tensor in constants for tensor in given)


def _node(proto: NodeProto, inputs: tuple[str, ...], reduction: _Reduction, flat: FlatModel) -> Node:
    """Describe a node that runs, as the standard operator that it is."""
    op, domain = proto.op_type, proto.domain
    if (twin := twin_of(proto)) is not None:
        op, domain = twin.op, ""
        inputs = tuple(inputs[position] for position in twin.operand_positions(inputs))
    schema = schema_of(op, domain, flat.opsets.get(domain, 1))
    settings: dict[str, Attribute] = {}
    weights: dict[int, str] = {}
    for index, tensor in enumerate(inputs):
        if tensor not in reduction.constants or tensor not in reduction.tensors:
            continue
        if not _is_setting(op, reduction.tensors[tensor]):
            weights[index] = tensor
        elif tensor in flat.values and flat.values[tensor].size <= SMALL and schema and index < len(schema.inputs):
            settings[schema.inputs[index].name] = plain_array(flat.values[tensor])
    return Node(
        name=proto.name,
        op=op,
        inputs=inputs,
        outputs=tuple(proto.output),
        activations=tuple(tensor for tensor in inputs if tensor and tensor not in reduction.constants),
        attributes=_attributes(proto, schema, op, domain),
        settings=settings,
        weights=weights,
        inner_weight_elements=sum(
            math.prod(tensor.dims) for graph in _graphs_inside(proto) for tensor in graph.initializer
        ),
    )


def _attributes(proto: NodeProto, schema: onnx.defs.OpSchema | None, op: str, domain: str) -> dict[str, Attribute]:
    """Give the attributes that the operator has; those of a twin that only its other dress has say how to run it."""
    attributes = attributes_of(proto, schema, schema_of(op, domain, REFERENCE_OPSET))
    if schema is None or op == proto.op_type:
        return attributes
    return {key: value for key, value in attributes.items() if key in schema.attributes}


def _is_setting(op: str, constant: Tensor) -> bool:
    return op not in _WEIGHTED and (op in _PARAMETRIC or constant.precision in {"int32", "int64", "bool", "object"})
