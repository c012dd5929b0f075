"""A layer as a one-layer ONNX model: what the runner measures. Pure; the same layer and seed give the same bytes.

Weights are seeded initialisers, activations are inputs, a fused residual is a second input, and what is fused behind the
layer follows it as nodes of its own, for the runtime to fuse as it would in the network. Reading the model back with
``parsers.network`` gives the same layer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto

from parsers.operators import CONVOLUTIONS
from parsers.schema import Layer, Shape
from profiler.errors import SuiteError
from profiler.weights import IR_VERSION, OPSET, fill_weights, weight_placeholder

Setting = int | float | str | Sequence[int] | Sequence[float]

_DOMAIN = ""


def layer_model(layer: Layer, *, seed: int = 0) -> onnx.ModelProto:
    """Build the one-layer model of a layer.

    Raises:
        SuiteError: the layer's type, precision or attributes do not tell how to build it.
    """
    return fill_weights(light_layer_model(layer), seed=seed)


def light_layer_model(layer: Layer) -> onnx.ModelProto:
    """Build the one-layer model with placeholders for weights (see ``profiler.weights``); raises the same."""
    if layer.precision != "float32":
        raise _unbuildable(layer, f"precision {layer.precision} is not supported; only float32 is")
    graph = _LayerGraph(layer)
    described = _described(layer)
    reads_one = layer.type in CONVOLUTIONS or layer.type in {"ConvTranspose", "Gemm", "BatchNormalization"}
    outputs = graph.emit(_recipe(layer, described), activations=1 if reads_one else len(layer.input_shapes))
    for op in layer.fused_ops:
        follower = _operator(layer, op, described.fused.get(op, _Described()))
        is_residual = op in {"Add", "Sum"} and not follower.weights
        outputs = graph.emit(follower, activations=int(is_residual), behind=outputs[0])
    return graph.finish(outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """A layer's ``attributes``, read."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Attributes, and constant inputs by formal name."""
    operands: Mapping[int, Shape] = field(default_factory=dict)
    """Weights that no column implies, by input position."""
    outputs: int = 1
    fused: Mapping[str, _Described] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """One node to be: its operator, attributes, and the constants at its inputs."""

    op: str
    attributes: Mapping[str, Setting] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Constant inputs by formal name."""
    weights: Mapping[int, Shape] = field(default_factory=dict)
    """Weights by input position."""
    outputs: int = 1


def _described(layer: Layer) -> _Described:
    try:
        raw = json.loads(layer.attributes)
        fused = {op: _read(raw.pop(op)) for op in layer.fused_ops if op in raw}
        return replace(_read(raw), fused=fused)
    except (ValueError, TypeError, AttributeError) as exc:
        raise _unbuildable(layer, f"its attributes are no JSON that can be read ({layer.attributes!r})") from exc


def _read(raw: dict[str, Any]) -> _Described:
    operands = {int(index): tuple(shape) for index, shape in raw.pop("constant_operands", {}).items()}
    outputs = int(raw.pop("outputs", 1))
    return _Described(
        settings={key: raw[key] for key in raw if raw[key] is not None}, operands=operands, outputs=outputs
    )


def _recipe(layer: Layer, described: _Described) -> _Recipe:
    if layer.type in CONVOLUTIONS or layer.type == "ConvTranspose":
        return _convolution(layer, described)
    if layer.type == "Gemm":
        product = layer.channels * layer.in_channels
        bias = {2: (layer.channels,)} if layer.weight_elements > product else {}
        weights = {1: (layer.channels, layer.in_channels), **bias}
        return _Recipe(op="Gemm", attributes={**described.settings, "transB": 1}, weights=weights)
    if layer.type == "BatchNormalization":
        return _Recipe(op=layer.type, weights=dict.fromkeys(range(1, 5), (layer.in_channels,)))
    if layer.type in {"Reshape", "Expand"}:
        return _Recipe(op=layer.type, settings={"shape": layer.output_shape})
    if layer.kernel_height is None:
        return _operator(layer, layer.type, described)
    settings = {**described.settings, **_window(layer, described), "kernel_shape": _kernel(layer)}
    return _operator(layer, layer.type, replace(described, settings=settings))


def _convolution(layer: Layer, described: _Described) -> _Recipe:
    kernel = _kernel(layer)
    weight = (layer.channels, layer.in_channels // layer.groups, *kernel)
    if layer.type == "ConvTranspose":
        weight = (layer.in_channels, layer.channels // layer.groups, *kernel)
    attributes = {**described.settings, **_window(layer, described), "kernel_shape": kernel, "group": layer.groups}
    bias = {2: (layer.channels,)} if layer.weight_elements > math.prod(weight) else {}
    op = layer.type if layer.type == "ConvTranspose" else "Conv"
    return _Recipe(op=op, attributes=attributes, weights={1: weight, **bias})


def _kernel(layer: Layer) -> list[int]:
    return _sides(layer, layer.kernel_height, layer.kernel_width)


def _window(layer: Layer, described: _Described) -> dict[str, Setting]:
    """Give strides, padding and dilations."""
    near = _sides(layer, layer.pad_top, layer.pad_left)
    far = _sides(layer, layer.pad_bottom, layer.pad_right)
    dilations = described.settings.get("dilations", _sides(layer, layer.dilation, layer.dilation))
    strides = _sides(layer, layer.stride_height, layer.stride_width)
    return {"strides": strides, "pads": near + far} | ({"dilations": dilations} if layer.dilation > 1 else {})


def _sides(layer: Layer, vertical: int | None, horizontal: int | None) -> list[int]:
    """Give one number per image axis: both, or the horizontal one where the input has but one axis."""
    if vertical is None or horizontal is None:
        raise _unbuildable(layer, "its kernel, stride or padding is not known")
    return [vertical, horizontal] if layer.input_shapes and len(layer.input_shapes[0]) > 3 else [horizontal]


def _operator(layer: Layer, op: str, described: _Described) -> _Recipe:
    """Sort what describes an operator into attributes, constant inputs and weights, as its schema has them."""
    if op == "Relu6":
        return _Recipe(op="Clip", settings={"min": 0.0, "max": 6.0})
    if not onnx.defs.has(op, OPSET, _DOMAIN):
        raise _unbuildable(layer, f"{op} is no operator of ONNX opset {OPSET}")
    schema = onnx.defs.get_schema(op, OPSET, _DOMAIN)
    formal = {item.name for item in schema.inputs}
    return _Recipe(
        op=op,
        attributes={key: value for key, value in described.settings.items() if key in schema.attributes},
        settings={key: value for key, value in described.settings.items() if key in formal},
        weights=described.operands,
        outputs=described.outputs,
    )


def _unbuildable(layer: Layer, reason: str) -> SuiteError:
    return SuiteError(f"Cannot build layer {layer.key} ({layer.type}) as a model: {reason}. Leave it out of the suite.")


class _LayerGraph:
    """Collects the nodes of one layer."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._inputs = [f"input_{index}" for index in range(len(layer.input_shapes))]
        self._unused = list(reversed(self._inputs))
        self._weight_elements = 0

    def emit(self, recipe: _Recipe, *, activations: int, behind: str | None = None) -> list[str]:
        """Add one node that reads ``behind`` and the next inputs; give its output tensors."""
        if activations > len(self._unused):
            raise _unbuildable(self._layer, f"its {recipe.op} reads more inputs than the layer has")
        read = [behind] if behind else []
        read += [self._unused.pop() for _ in range(activations)]
        operands = self._operands(recipe, read)
        position = len(self._nodes)
        outputs = [f"{recipe.op}_{position}_{index}" for index in range(recipe.outputs)]
        node = onnx.helper.make_node(recipe.op, operands, outputs, name=f"{recipe.op}_{position}")
        attributes = sorted(recipe.attributes.items())
        node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in attributes)
        self._nodes.append(node)
        return outputs

    def finish(self, outputs: list[str]) -> onnx.ModelProto:
        """Make the model, and make sure that it is the layer: same weights, inputs and output shape."""
        layer = self._layer
        shapes = zip(self._inputs, layer.input_shapes, strict=True)
        inputs = [onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
        results = [onnx.helper.make_empty_tensor_value_info(name) for name in outputs]
        model = self._model(inputs, results)
        try:
            inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as exc:
            raise _unbuildable(layer, "its attributes contradict each other") from exc
        dims = inferred.graph.output[0].type.tensor_type.shape.dim
        if self._unused or self._weight_elements != layer.weight_elements:
            raise _unbuildable(layer, "its inputs or weights do not follow from its attributes")
        if tuple(dim.dim_value for dim in dims) != layer.output_shape:
            raise _unbuildable(layer, "its output shape does not follow from its attributes")
        return self._model(inputs, list(inferred.graph.output))

    def _model(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        graph = onnx.helper.make_graph(self._nodes, f"layer_{self._layer.key}", inputs, outputs, self._constants)
        opset = onnx.helper.make_opsetid(_DOMAIN, OPSET)
        return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)

    def _operands(self, recipe: _Recipe, read: list[str]) -> list[str]:
        """Put weights and settings at their positions, and what is read into the free ones, in order."""
        schema = onnx.defs.get_schema(recipe.op, OPSET, _DOMAIN)
        formal = [item.name for item in schema.inputs]
        placed = {index: self._weight(shape) for index, shape in recipe.weights.items()}
        placed |= {formal.index(name): self._setting(name, value) for name, value in recipe.settings.items()}
        waiting = list(reversed(read))
        operands: list[str] = []
        while waiting or len(operands) <= max(placed, default=-1):
            if (index := len(operands)) in placed:
                operands.append(placed[index])
            else:
                operands.append(waiting.pop() if waiting else "")
        return operands

    def _weight(self, shape: Shape) -> str:
        name = f"weight_{len(self._constants)}"
        node, constant = weight_placeholder(name, shape)
        self._nodes.append(node)
        self._constants.append(constant)
        self._weight_elements += math.prod(shape)
        return name

    def _setting(self, name: str, value: Setting) -> str:
        array = np.asarray(value)
        kind = np.float32 if array.dtype.kind == "f" else np.int64
        self._constants.append(onnx.numpy_helper.from_array(array.astype(kind), f"{name}_{len(self._constants)}"))
        return self._constants[-1].name
