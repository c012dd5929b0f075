"""A small writer of ONNX graphs: one method per kind of layer, each gives the name of the tensor it makes.

It writes light models (see ``profiler.weights``), counts names so that they are unique, and keeps the channels of each
tensor so that a layer's weights follow from its input.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto

from parsers.schema import Shape
from profiler.weights import IR_VERSION, OPSET, weight_placeholder

Pair = int | tuple[int, int]


class GraphBuilder:
    """Collects the nodes of one network with one image input."""

    def __init__(self, name: str, input_shape: Shape) -> None:
        self._name = name
        self._input_shape = input_shape
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._channels = {"image": input_shape[1]}
        self.image = "image"

    def convolution(
        self,
        source: str,
        channels: int,
        kernel: Pair,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: Pair | None = None,
        activation: str | None = "Relu",
    ) -> str:
        """Add Conv, BatchNormalization and an activation; padding keeps the size (over the stride) unless given."""
        height, width = _pair(kernel)
        vertical, horizontal = (height // 2, width // 2) if padding is None else _pair(padding)
        weight = self._weight((channels, self._channels[source] // groups, height, width))
        result = self.node(
            "Conv",
            (source, weight),
            channels,
            kernel_shape=[height, width],
            strides=[stride, stride],
            pads=[vertical, horizontal, vertical, horizontal],
            group=groups,
        )
        return self._normalised(result, channels, activation)

    def transposed_convolution(
        self, source: str, channels: int, kernel: int, *, stride: int, activation: str | None = "Relu"
    ) -> str:
        """Add ConvTranspose that multiplies the size by the stride, BatchNormalization and an activation."""
        weight = self._weight((self._channels[source], channels, kernel, kernel))
        result = self.node(
            "ConvTranspose",
            (source, weight),
            channels,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
        )
        return self._normalised(result, channels, activation)

    def pool(self, op: str, source: str, kernel: int, *, stride: int, padding: int = 0, rounds_up: bool = False) -> str:
        """Add MaxPool or AveragePool; its size is rounded down unless told otherwise."""
        window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [padding] * 4}
        rounding = {"ceil_mode": 1} if rounds_up else {}
        return self.node(op, (source,), self._channels[source], **window, **rounding)

    def add(self, first: str, second: str) -> str:
        """Add two tensors."""
        return self.node("Add", (first, second), self._channels[first])

    def concat(self, sources: Sequence[str]) -> str:
        """Put tensors behind each other along the channels."""
        return self.node("Concat", tuple(sources), sum(self._channels[source] for source in sources), axis=1)

    def classifier(self, source: str, classes: int) -> str:
        """Add GlobalAveragePool, Flatten and Gemm."""
        features = self._channels[source]
        pooled = self.node("GlobalAveragePool", (source,), features)
        return self.dense(self.node("Flatten", (pooled,), features), classes)

    def dense(self, source: str, features: int, *, activation: str | None = None) -> str:
        """Add Gemm with a bias, and an activation."""
        weights = (self._weight((features, self._channels[source])), self._weight((features,)))
        result = self.node("Gemm", (source, *weights), features, transB=1)
        return self.node(activation, (result,), features) if activation else result

    def channels(self, tensor: str) -> int:
        """Give a tensor's channels."""
        return self._channels[tensor]

    def node(self, op: str, inputs: tuple[str, ...], channels: int, **attributes: float | str | list[int]) -> str:
        """Add one node; ``attributes`` are ONNX's own, so they go to ONNX as they are."""
        name = f"{op}_{len(self._nodes)}"
        node = onnx.helper.make_node(op, inputs, [name], name=name)
        node.attribute.extend(onnx.helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self._nodes.append(node)
        self._channels[name] = channels
        return name

    def model(self, *results: str) -> onnx.ModelProto:
        """Finish the light model whose outputs are ``results``."""
        image = onnx.helper.make_tensor_value_info(self.image, TensorProto.FLOAT, self._input_shape)
        unknown = [onnx.helper.make_empty_tensor_value_info(result) for result in results]
        inferred = onnx.shape_inference.infer_shapes(self._model(image, unknown), strict_mode=True, data_prop=True)
        return self._model(image, inferred.graph.output)

    def _model(self, image: ValueInfoProto, outputs: Sequence[ValueInfoProto]) -> onnx.ModelProto:
        graph = onnx.helper.make_graph(self._nodes, self._name, [image], outputs, self._constants)
        opset = onnx.helper.make_opsetid("", OPSET)
        return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)

    def _normalised(self, source: str, channels: int, activation: str | None) -> str:
        statistics = tuple(self._weight((channels,)) for _ in range(4))
        result = self.node("BatchNormalization", (source, *statistics), channels)
        if activation is None:
            return result
        if activation == "Relu6":
            return self.node("Clip", (result, self._scalar(0.0), self._scalar(6.0)), channels)
        return self.node(activation, (result,), channels)

    def _weight(self, shape: Shape) -> str:
        name = f"weight_{len(self._nodes)}"
        node, constant = weight_placeholder(name, shape)
        self._nodes.append(node)
        self._constants.append(constant)
        return name

    def _scalar(self, value: float) -> str:
        name = f"scalar_{len(self._constants)}"
        self._constants.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
