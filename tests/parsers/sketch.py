"""A small writer of ONNX models for tests: nodes as they are added, weights as zeros."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto

from parsers.network import Network, parse_network
from parsers.schema import Layer

OPSET = 17


class Sketch:
    """A network under test: nodes as they are added, weights as zeros, one output."""

    def __init__(self, *shapes: tuple[int | str, ...], opset: int = OPSET) -> None:
        self.opset = opset
        self.inputs = [
            onnx.helper.make_tensor_value_info("xyz"[index], TensorProto.FLOAT, shape)
            for index, shape in enumerate(shapes)
        ]
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op: str, *inputs: str, name: str | None = None, outputs: int = 1, **attributes: object) -> str:
        unique = f"{op}{len(self.nodes)}" if name is None else name
        made = [f"t{len(self.nodes)}" + "b" * index for index in range(outputs)]
        self.nodes.append(onnx.helper.make_node(op, inputs, made, name=unique, **attributes))
        return made[0]

    def weight(self, *shape: int) -> str:
        return self.constant(np.zeros(shape, np.float32))

    def constant(self, value: np.ndarray) -> str:
        self.weights.append(onnx.numpy_helper.from_array(value, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def convolution(self, source: str, *shape: int, bias: bool = False, **attributes: object) -> str:
        weights = [self.weight(*shape), *([self.weight(shape[0])] if bias else [])]
        return self.node("Conv", source, *weights, **attributes)

    def normalisation(self, source: str, channels: int) -> str:
        return self.node("BatchNormalization", source, *(self.weight(channels) for _ in range(4)))

    def model(self, *results: str) -> onnx.ModelProto:
        outputs = [onnx.helper.make_empty_tensor_value_info(result) for result in results]
        graph = onnx.helper.make_graph(self.nodes, "sketch", self.inputs, outputs, self.weights)
        model = onnx.helper.make_model(
            graph,
            opset_imports=[
                onnx.helper.make_opsetid("", self.opset),
                onnx.helper.make_opsetid("mine", 1),
                onnx.helper.make_opsetid("com.microsoft", 1),
            ],
            ir_version=8,
        )
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        model.graph.ClearField("output")
        model.graph.output.extend(inferred.graph.output)
        return model

    def parse(self, *results: str) -> Network:
        return parse_network(self.model(*results), name="sketch")


def kinds(network: Network) -> list[tuple[str, ...]]:
    return [(item.layer.type, *item.layer.fused_ops) for item in network.layers]


def settings(layer: Layer) -> dict[str, object]:
    return json.loads(layer.attributes)
