"""A layer as a one-layer ONNX model: what the runner measures. Pure; the same layer and seed give the same bytes.

Weights are seeded initialisers, activations are inputs, and what is fused behind the layer follows it as nodes of its
own, for the runtime to fuse as it would in the network. Reading the model back with ``parsers.network`` gives the same
layer.

Some layers run differently behind a convolution than behind a model's input: ONNX Runtime adds a residual inside a
convolution only if the residual is in its blocked layout already, and normalises in that layout only what comes in it. For
those a small *edge*, a 1×1 convolution from one channel, hands the activation over as a network would. Its nodes and
tensors begin with :data:`~parsers.operators.EDGE_PREFIX`, so that its time is told from the layer's.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import NodeProto, TensorProto

from parsers.operators import ADDITIONS, CONV, CONVOLUTIONS, EDGE_PREFIX
from parsers.schema import Layer, Shape
from profiler.layer_recipes import (
    ONNX_DOMAIN,
    Described,
    Recipe,
    Setting,
    described_attributes,
    operator_recipe,
    recipe_of,
    unbuildable,
)
from profiler.weights import IR_VERSION, OPSET, fill_weights, weight_placeholder


def layer_model(layer: Layer, *, seed: int = 0) -> onnx.ModelProto:
    """Build the one-layer model of a layer.

    Raises:
        SuiteError: the layer's type, precision or attributes do not tell how to build it.
    """
    return fill_weights(light_layer_model(layer), seed=seed)


def light_layer_model(layer: Layer) -> onnx.ModelProto:
    """Build the one-layer model with placeholders for weights (see ``profiler.weights``); raises the same."""
    if layer.precision != "float32":
        raise unbuildable(layer, f"precision {layer.precision} is not supported; only float32 is")
    graph = _LayerGraph(layer)
    described = described_attributes(layer)
    reads_one = layer.type in CONVOLUTIONS or layer.type in {"ConvTranspose", "Gemm", "BatchNormalization"}
    read = [graph.activation(edge=layer.type == "BatchNormalization")] if reads_one else graph.remaining_activations()
    outputs = graph.emit(recipe_of(layer, described), read)
    for op in layer.fused_ops:
        follower = operator_recipe(layer, op, described.fused.get(op, Described()))
        is_residual = op in ADDITIONS and not follower.weights
        residual = [graph.activation(edge=layer.type == CONV)] if is_residual else []
        outputs = graph.emit(follower, [outputs[0], *residual])
    return graph.finish(outputs)


class _LayerGraph:
    """Collects the nodes of one layer."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._unread = list(layer.input_shapes)
        self._weight_elements = 0

    def activation(self, *, edge: bool = False) -> str:
        """Give the next activation input, behind an edge where one is wanted and the input is an image."""
        if not self._unread:
            raise unbuildable(self._layer, "it reads more inputs than it has")
        shape = self._unread.pop(0)
        name = f"input_{len(self._inputs)}"
        if edge and len(shape) == 4:
            self._inputs.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, (shape[0], 1, *shape[2:])))
            return self._edge(name, shape[1])
        self._inputs.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def remaining_activations(self) -> list[str]:
        """Give all activation inputs that are left."""
        return [self.activation() for _ in range(len(self._unread))]

    def emit(self, recipe: Recipe, read: list[str]) -> list[str]:
        """Add one node that reads activations, in order; give its output tensors."""
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
        model = self._model([onnx.helper.make_empty_tensor_value_info(name) for name in outputs])
        try:
            inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as exc:
            raise unbuildable(layer, "its attributes contradict each other") from exc
        dims = inferred.graph.output[0].type.tensor_type.shape.dim
        if self._unread or self._weight_elements != layer.weight_elements:
            raise unbuildable(layer, "its inputs or weights do not follow from its attributes")
        if tuple(dim.dim_value for dim in dims) != layer.output_shape:
            raise unbuildable(layer, "its output shape does not follow from its attributes")
        return self._model(list(inferred.graph.output))

    def _model(self, outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        graph = onnx.helper.make_graph(self._nodes, f"layer_{self._layer.key}", self._inputs, outputs, self._constants)
        opset = onnx.helper.make_opsetid(ONNX_DOMAIN, OPSET)
        return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)

    def _operands(self, recipe: Recipe, read: list[str]) -> list[str]:
        """Put weights and settings at their positions, and what is read into the free ones, in order."""
        schema = onnx.defs.get_schema(recipe.op, OPSET, ONNX_DOMAIN)
        formal = [item.name for item in schema.inputs]
        placed = {index: self._weight(shape) for index, shape in recipe.weights.items()}
        self._weight_elements += sum(math.prod(shape) for shape in recipe.weights.values())
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
        return name

    def _edge(self, source: str, channels: int) -> str:
        """Spread one channel over many; the activation keeps it from being folded into what follows."""
        spread, result = f"{EDGE_PREFIX}{source}_spread", f"{EDGE_PREFIX}{source}"
        weight = self._weight((channels, 1, 1, 1))
        self._nodes.append(onnx.helper.make_node("Conv", [source, weight], [spread], name=spread, kernel_shape=[1, 1]))
        self._nodes.append(onnx.helper.make_node("Relu", [spread], [result], name=result))
        return result

    def _setting(self, name: str, value: Setting) -> str:
        array = np.asarray(value)
        kind = np.float32 if array.dtype.kind == "f" else np.int64
        self._constants.append(onnx.numpy_helper.from_array(array.astype(kind), f"{name}_{len(self._constants)}"))
        return self._constants[-1].name
