"""Weights for networks that are known by their shapes only.

A *light* model holds each weight as a ConstantOfShape node: a few bytes for a network of any size. That is how ``onnx``
bundles real networks, and how the builders here write theirs. To be measured, it needs weights as ordinary initialisers:
fed as inputs they would not be prepacked, computed by a node they would be folded, and constant or denormal values take
other paths through the arithmetic than trained ones do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from parsers.schema import Shape

OPSET = 17
IR_VERSION = 8
"""Every ONNX Runtime from 1.17 on loads these."""

_MOST_DRAWN = 2**20

_PASSES_ON = frozenset({"Unsqueeze", "Reshape", "Squeeze"})
"""Operators between a weight and the one that uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """The operator that a weight ends up in, and as which input."""

    op: str
    index: int


def weight_placeholder(name: str, shape: Shape) -> tuple[NodeProto, TensorProto]:
    """Declare a weight in a light model: the ConstantOfShape node, and the initialiser with its shape."""
    shape_name = f"{name}__shape"
    node = onnx.helper.make_node("ConstantOfShape", [shape_name], [name], name=f"{name}__placeholder")
    return node, onnx.numpy_helper.from_array(np.asarray(shape, dtype=np.int64), shape_name)


def fill_weights(light: onnx.ModelProto, *, seed: int) -> onnx.ModelProto:
    """Replace every placeholder by seeded weights of ordinary size.

    Convolutions and matrix products get He's normal distribution (variance 2 / fan-in), scales and variances are uniform
    in 0.8–1.2, everything else is normal with deviation 0.1; so activations neither vanish nor explode. Only inputs that
    are no weights remain inputs. The same model and seed give the same bytes.
    """
    graph = light.graph
    uses = _uses(graph.node)
    generator = np.random.default_rng(seed)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    weights: dict[str, Shape] = {}
    kept: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            weights[node.output[0]] = tuple(onnx.numpy_helper.to_array(constants[node.input[0]]).tolist())
        else:
            kept.append(node)
    read = {tensor for node in kept for tensor in node.input}
    constant = {name: tensor for name, tensor in constants.items() if name in read}
    inputs = [value for value in graph.input if value.name in read - weights.keys() - constant.keys()]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(kept, graph.name, inputs, graph.output),
        opset_imports=light.opset_import,
        ir_version=IR_VERSION,
        producer_name="autocomet",
    )
    for name, shape in weights.items():  # in place: making a graph copies all that it is given, hundreds of megabytes
        use = uses.get(name, _Use(op="", index=0))
        tensor = model.graph.initializer.add(name=name, dims=shape, data_type=TensorProto.FLOAT)
        tensor.raw_data = _values(shape, use, generator).tobytes()
    model.graph.initializer.extend(constant.values())
    return model


def _uses(nodes: Iterable[NodeProto]) -> Mapping[str, _Use]:
    """Find the first user of every tensor, looking through operators that only pass a weight on."""
    uses: dict[str, _Use] = {}
    for node in reversed(tuple(nodes)):
        for index, tensor in enumerate(node.input):
            through = uses.get(node.output[0]) if node.op_type in _PASSES_ON else None
            uses[tensor] = through or _Use(op=node.op_type, index=index)
    return uses


def _values(shape: Shape, use: _Use, generator: np.random.Generator) -> NDArray[np.float32]:
    match (use.op, use.index):
        case ("Conv" | "Gemm", 1):
            return _he_normal(shape, math.prod(shape[1:]), generator)
        case ("ConvTranspose", 1):
            return _he_normal(shape, shape[0] * math.prod(shape[2:]), generator)
        case ("MatMul", _):
            return _he_normal(shape, shape[0], generator)
        case ("BatchNormalization", 1 | 4) | ("Mul" | "Div", _):
            return generator.uniform(0.8, 1.2, shape).astype(np.float32)
        case _:
            return _normal(shape, 0.1, generator)


def _he_normal(shape: Shape, fan_in: int, generator: np.random.Generator) -> NDArray[np.float32]:
    return _normal(shape, math.sqrt(2 / fan_in), generator)


def _normal(shape: Shape, deviation: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw normal values; beyond :data:`_MOST_DRAWN` they repeat, which no kernel notices and a campaign's start does."""
    drawn = generator.standard_normal(min(math.prod(shape), _MOST_DRAWN), dtype=np.float32)
    return np.resize(np.float32(deviation) * drawn, shape)
