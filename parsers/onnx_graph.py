"""An ONNX graph reduced to what runs: shapes known, constants folded, nodes without work gone.

A runtime computes once, while loading, whatever depends on initialisers and shapes alone, and drops ``Identity`` and
``Dropout``; here the former become constants and the latter aliases. Weights' values are never looked at, only their
shapes; values of small parameters (the bounds of a Clip, the axes of a Squeeze) are kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types
from onnx import AttributeProto, NodeProto, TensorProto, ValueInfoProto

from parsers.errors import NetworkError
from parsers.onnx_values import Attribute, attributes_of, constant_value, plain_array, schema_of
from parsers.schema import Shape

_SMALL = 64
"""Constants of up to so many elements keep their values."""

_PARAMETRIC = frozenset({"Clip", "Pad", "Resize", "Upsample"})
"""Operators whose constant inputs are settings even where they are floating-point numbers."""

_ALIASES = frozenset({"Identity", "Dropout"})
_SHAPE_ONLY = frozenset({"Constant", "Shape", "Size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator that runs."""

    name: str
    """Unique within the graph."""
    op: str
    inputs: tuple[str, ...]
    """Tensor names; an optional input that is absent is empty."""
    outputs: tuple[str, ...]
    activations: tuple[str, ...]
    """The inputs that are known only while the network runs, in order."""
    attributes: Mapping[str, Attribute]
    """Those that differ from the defaults of :data:`~parsers.onnx_values.REFERENCE_OPSET`, whatever the model's own opset."""
    settings: Mapping[str, Attribute]
    """Constant inputs that are settings, by their formal name (``axes``, ``max``), where their values are known."""
    weights: Mapping[int, str]
    """Constant inputs that are weights, by position."""


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

    def tensor(self, name: str) -> Tensor:
        """Give a tensor's shape and precision.

        Raises:
            NetworkError: the shape is not known before the network runs.
        """
        if name in self.tensors:
            return self.tensors[name]
        maker = next((node for node in self.nodes if name in node.outputs), None)
        made_by = f" (made by {maker.op} {maker.name!r})" if maker else ""
        message = f"{self.name}: the shape of tensor {name!r}{made_by} is not known before the network runs."
        raise NetworkError(f"{message} Only networks of fixed shapes can be read.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor's shape and element type."""

    shape: Shape
    precision: str

    @property
    def volume(self) -> int:
        """Elements."""
        return math.prod(self.shape)


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, external weights included.

    Raises:
        NetworkError: no such file, or no ONNX.
    """
    try:
        return onnx.load(path)
    except OSError as exc:
        raise NetworkError(f"Cannot read the network {path}: {exc.strerror or exc}.") from exc
    except (DecodeError, onnx.checker.ValidationError) as exc:
        raise NetworkError(f"{path} is no ONNX file ({_first_line(exc)}). Export the network as ONNX.") from exc


def read_graph(model: onnx.ModelProto, *, name: str) -> Graph:
    """Reduce a model to what runs.

    Raises:
        NetworkError: dynamic input shapes, no operators, or a graph that ONNX's own checker refuses.
    """
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    skeleton = _skeleton(model)
    if not skeleton.graph.node:
        raise NetworkError(f"{name} has no operators: it is an empty model, or no ONNX file.")
    _refuse_dynamic_inputs(model.graph, name)
    try:
        onnx.checker.check_model(skeleton)
        inferred = onnx.shape_inference.infer_shapes(skeleton, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as exc:
        raise NetworkError(f"{name} is no valid ONNX network: {_first_line(exc)}.") from exc
    return _reduce(inferred, model, name)


def unique_node_names(nodes: Iterable[NodeProto]) -> tuple[str, ...]:
    """Name every node: its own name where that is unique, else with its position; ``Conv_3`` where it has none."""
    nodes = tuple(nodes)
    counts = Counter(node.name for node in nodes if node.name)
    taken = {name for name, count in counts.items() if count == 1}
    names: list[str] = []
    for index, node in enumerate(nodes):
        name = node.name
        if counts[name] != 1:
            name = f"{node.name or node.op_type}_{index}"
            while name in taken:
                name += "_"
            taken.add(name)
        names.append(name)
    return tuple(names)


def _first_line(exc: Exception) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(exc).__name__


def _skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model with its large weights turned into inputs, so that no step below carries them along."""
    source = model.graph
    small: list[TensorProto] = []
    large: list[TensorProto] = []
    for tensor in source.initializer:
        (small if math.prod(tensor.dims) <= _SMALL else large).append(tensor)
    large += [sparse.values for sparse in source.sparse_initializer]
    given = {value.name for value in source.input}
    inputs = list(source.input) + [
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in large
        if tensor.name not in given
    ]
    graph = onnx.helper.make_graph(source.node, source.name or "graph", inputs, source.output, small)
    graph.value_info.extend(source.value_info)
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _weight_names(graph: onnx.GraphProto) -> frozenset[str]:
    sparse = (tensor.values.name for tensor in graph.sparse_initializer)
    return frozenset({tensor.name for tensor in graph.initializer} | set(sparse))


def _refuse_dynamic_inputs(graph: onnx.GraphProto, name: str) -> None:
    weights = _weight_names(graph)
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name in weights or all(dim.dim_value > 0 for dim in dims):
            continue
        shape = "x".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)
        fix = f"--input_name {value.name} --input_shape 1,3,224,224"
        if parameter := next((dim.dim_param for dim in dims if dim.dim_param), ""):
            fix = f"--dim_param {parameter} --dim_value 1"
        message = f"{name}: input {value.name!r} has the dynamic shape {shape}. Fix it first, for example with"
        raise NetworkError(f"{message} `python -m onnxruntime.tools.make_dynamic_shape_fixed {fix} IN.onnx OUT.onnx`.")


def _reduce(inferred: onnx.ModelProto, model: onnx.ModelProto, name: str) -> Graph:
    graph = inferred.graph
    opsets = {opset.domain: opset.version for opset in inferred.opset_import}
    weights = _weight_names(model.graph)
    constants = set(weights)
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = dict(_tensor(value) for value in (*graph.input, *graph.value_info, *graph.output) if _is_known(value))
    tensors |= {key: Tensor(shape=value.shape, precision=value.dtype.name) for key, value in values.items()}
    alias_of: dict[str, str] = {}
    nodes: list[Node] = []
    for proto, node_name in zip(graph.node, unique_node_names(graph.node), strict=True):
        inputs = tuple(alias_of.get(tensor, tensor) for tensor in proto.input)
        if _is_constant(proto, inputs, constants):
            constants.update(proto.output)
            values.update(constant_value(proto))
        elif proto.op_type in _ALIASES:
            alias_of[proto.output[0]] = inputs[0]
        else:
            known = {tensor: tensors[tensor] for tensor in inputs if tensor in constants and tensor in tensors}
            nodes.append(_node(proto, node_name, inputs, known, values, opsets.get(proto.domain, 1)))
    if not nodes:
        raise NetworkError(f"{name} has no operators that depend on its inputs: there is nothing to run.")
    return Graph(
        name=name,
        nodes=tuple(nodes),
        inputs=tuple(value.name for value in model.graph.input if value.name not in weights),
        outputs=tuple(alias_of.get(value.name, value.name) for value in graph.output),
        tensors=tensors,
        aliases=_inverted(alias_of),
    )


def _inverted(alias_of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    aliases: dict[str, tuple[str, ...]] = {}
    for alias, tensor in alias_of.items():
        aliases[tensor] = (*aliases.get(tensor, ()), alias)
    return aliases


def _is_constant(proto: NodeProto, inputs: tuple[str, ...], constants: set[str]) -> bool:
    if proto.op_type in _SHAPE_ONLY:
        return True
    given = [tensor for tensor in inputs if tensor]
    captures = any(attribute.type in {AttributeProto.GRAPH, AttributeProto.GRAPHS} for attribute in proto.attribute)
    return bool(given) and not captures and all(tensor in constants for tensor in given)


def _node(
    proto: NodeProto,
    name: str,
    inputs: tuple[str, ...],
    constants: Mapping[str, Tensor],
    values: Mapping[str, np.ndarray],
    opset: int,
) -> Node:
    schema = schema_of(proto, opset)
    settings: dict[str, Attribute] = {}
    weights: dict[int, str] = {}
    for index, tensor in enumerate(inputs):
        if tensor in constants and not _is_setting(proto.op_type, constants[tensor]):
            weights[index] = tensor
        elif tensor in values and values[tensor].size <= _SMALL and schema and index < len(schema.inputs):
            settings[schema.inputs[index].name] = plain_array(values[tensor])
    return Node(
        name=name,
        op=proto.op_type,
        inputs=inputs,
        outputs=tuple(proto.output),
        activations=tuple(tensor for tensor in inputs if tensor and tensor not in constants),
        attributes=attributes_of(proto, schema),
        settings=settings,
        weights=weights,
    )


def _is_setting(op: str, constant: Tensor) -> bool:
    return op in _PARAMETRIC or constant.precision in {"int32", "int64", "bool", "object"}


def _is_known(value: ValueInfoProto) -> bool:
    tensor = value.type.tensor_type
    return tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _tensor(value: ValueInfoProto) -> tuple[str, Tensor]:
    tensor = value.type.tensor_type
    shape = tuple(dim.dim_value for dim in tensor.shape.dim)
    return value.name, Tensor(shape=shape, precision=onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name)
