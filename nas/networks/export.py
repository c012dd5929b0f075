"""From torch to ONNX: the file that goes onto the phone, checked against the network that it came from.

Batch normalisation is folded into the convolutions first, so that the file holds what a runtime would run. Operator set
17, IR version 8 and static shapes load in every ONNX Runtime from 1.17 on.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from safetensors.torch import save
from torch import nn

from nas.errors import ExportError
from nas.networks.network import Convolution, Network, Normalisation
from nas.networks.operations import IMAGE, Activation, Kind, Operation
from nas.space import Image

OPSET = 17
IR_VERSION = 8
SCORES = "scores"
TOLERANCE = 1e-4
"""Scores may differ by so much, relative to the largest score: both sides round to 24 bits in another order."""

Attributes = dict[str, int | float | list[int]]

_WEIGHTLESS = {
    Kind.AVERAGE_POOL: "AveragePool",
    Kind.MAX_POOL: "MaxPool",
    Kind.GLOBAL_POOL: "GlobalAveragePool",
    Kind.ADD: "Add",
    Kind.CONCATENATE: "Concat",
    Kind.RELU: "Relu",
}


def export_onnx(network: Network, image: Image, path: Path) -> None:
    """Write a trained network as ONNX (input ``image``, output ``scores``, batch 1) and check it.

    Raises:
        ExportError: ONNX Runtime's scores differ from torch's.
    """
    model = to_onnx(network, image)
    onnx.save(model, path)
    check_against_torch(model, network, image)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors, under the names of its torch module."""
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}))


def to_onnx(network: Network, image: Image) -> onnx.ModelProto:
    """Write a network in evaluation mode as an ONNX model, for one image at a time."""
    graph = _Graph()
    for operation in network.operations:
        graph.add(operation, network.layers[operation.weights] if operation.weights else None)
    last = network.operations[-1].output
    scores = [1, last.channels] if network.operations[-1].kind is Kind.DENSE else [1, *_sides(last)]
    graph.nodes[-1].output[0] = SCORES
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            [helper.make_tensor_value_info(IMAGE, onnx.TensorProto.FLOAT, [1, *_sides(image)])],
            [helper.make_tensor_value_info(SCORES, onnx.TensorProto.FLOAT, scores)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="autocomet",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def check_against_torch(model: onnx.ModelProto, network: nn.Module, image: Image) -> None:
    """Compare ONNX Runtime with torch on eight random images.

    Raises:
        ExportError: the scores differ by more than :data:`TOLERANCE`.
    """
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = torch.randn(8, 1, *_sides(image), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = np.stack([network(item).numpy() for item in images])
    actual = np.stack([session.run([SCORES], {IMAGE: item.numpy()})[0] for item in images])
    worst = float(np.max(np.abs(actual - expected)) / max(1.0, float(np.max(np.abs(expected)))))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"The exported network's scores differ from torch's by {worst:.2g} of the largest (allowed: {TOLERANCE:g})."
        )


class _Graph:
    """A graph that grows operation by operation; every tensor has a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._now = {IMAGE: IMAGE}

    def add(self, operation: Operation, layer: nn.Module | None) -> None:
        read = [self._now[name] for name in operation.reads]
        match operation.kind:
            case Kind.CONVOLUTION | Kind.DECONVOLUTION:
                made = self._convolve(operation, cast("Convolution", layer), read)
            case Kind.DENSE:
                dense = cast("nn.Linear", layer)
                operands = self._weights(operation.weights, dense.weight, dense.bias)
                made = self._node("Gemm", [*read, *operands], operation.weights, {"transB": 1})
            case Kind.NORMALISATION:
                made = self._normalise(operation, cast("Normalisation", layer), read)
            case Kind.FLATTEN:
                shape = self._constant(f"shape_{len(self.nodes)}", np.array([1, operation.output.volume], np.int64))
                made = self._node("Reshape", [*read, shape])
            case Kind.AVERAGE_POOL | Kind.MAX_POOL:
                made = self._node(_WEIGHTLESS[operation.kind], read, attributes=_window(operation))
            case _ if not operation.runs:
                made = read[0]
            case Kind.CONCATENATE:
                made = self._node("Concat", read, attributes={"axis": 1})
            case _:
                made = self._node(_WEIGHTLESS[operation.kind], read)
        self._now[operation.writes] = made

    def _convolve(self, operation: Operation, layer: Convolution, read: list[str]) -> str:
        folded = layer.folded()
        operands = [read[0], *self._weights(operation.weights, folded.weight, cast("nn.Parameter", folded.bias))]
        if operation.kind is Kind.DECONVOLUTION:
            extra: Attributes = {"output_padding": [*operation.output_padding]} if any(operation.output_padding) else {}
            made = self._node("ConvTranspose", operands, operation.weights, _window(operation) | extra)
        else:
            made = self._node("Conv", operands, operation.weights, _window(operation) | {"group": operation.groups})
        # Of two convolutions that add up, runtimes and parsers give the addition to the first operand.
        made = self._node("Add", [made, read[1]]) if operation.adds else made
        return self._activate(made, operation.activation)

    def _normalise(self, operation: Operation, layer: Normalisation, read: list[str]) -> str:
        own = layer.normalisation
        parts = {"scale": own.weight, "shift": own.bias, "mean": own.running_mean, "variance": own.running_var}
        operands = [
            self._constant(f"{operation.weights}_{part}", cast("torch.Tensor", value).detach().numpy())
            for part, value in parts.items()
        ]
        made = self._node("BatchNormalization", [*read, *operands], operation.weights, {"epsilon": own.eps})
        return self._activate(made, operation.activation)

    def _activate(self, made: str, activation: Activation | None) -> str:
        match activation:
            case None:
                return made
            case Activation.RELU:
                return self._node("Relu", [made])
            case Activation.RELU6:
                bounds = [
                    self._constant(name, np.array(bound, np.float32)) for name, bound in (("zero", 0), ("six", 6))
                ]
                return self._node("Clip", [made, *bounds])

    def _node(self, kind: str, read: list[str], name: str = "", attributes: Attributes | None = None) -> str:
        label = name or f"{kind.lower()}_{len(self.nodes)}"
        node = helper.make_node(kind, read, [f"{label}_out"], name=label)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in (attributes or {}).items())
        self.nodes.append(node)
        return f"{label}_out"

    def _weights(self, name: str, weight: torch.Tensor, bias: torch.Tensor) -> list[str]:
        parts = (("weight", weight), ("bias", bias))
        return [self._constant(f"{name}_{part}", value.detach().numpy()) for part, value in parts]

    def _constant(self, name: str, value: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> str:
        if all(constant.name != name for constant in self.constants):
            self.constants.append(numpy_helper.from_array(value.copy(), name))
        return name


def _window(operation: Operation) -> Attributes:
    (top, left), stride = operation.padding, operation.stride
    return {"kernel_shape": [*operation.kernel], "strides": [stride, stride], "pads": [top, left, top, left]}


def _sides(shape: Image) -> tuple[int, int, int]:
    return shape.channels, shape.height, shape.width
