"""What is certain of the tensors of a node in ONNX Runtime's profile, and how the node's operator is spelled.

Shapes are told as the kernel got them, kernels and strides are not. Channels, height and width are taken from the shapes of
operators whose layout ONNX defines, on the CPU in float32, where ONNX Runtime keeps it. Weights, and with them a convolution's
kernel and groups, are believed where their size is that of the node's parameters.
"""

from __future__ import annotations

import math
from types import MappingProxyType

from parsers.operators import CONV, DEPTHWISE_CONV, GROUPED_CONV
from parsers.ort_profile import NodeTime
from parsers.placement import provider_name
from parsers.profiles.operator_time import LayerShape
from parsers.schema import Shape

_CONVOLUTIONS = frozenset({"Conv", "FusedConv"})
_NCHW = _CONVOLUTIONS | {
    "AveragePool", "BatchNormalization", "ConvTranspose", "GlobalAveragePool", "GlobalMaxPool", "LRN", "MaxPool",
}  # fmt: skip
_DENSE = frozenset({"FusedGemm", "FusedMatMul", "Gemm", "MatMul"})
_SPELLED = MappingProxyType({"FusedConv": CONV, "FusedGemm": "Gemm", "FusedMatMul": "MatMul"})
_ELEMENTS = MappingProxyType(
    {
        "float": ("float32", 4),
        "double": ("float64", 8),
        "float16": ("float16", 2),
        "bfloat16": ("bfloat16", 2),
        "int8": ("int8", 1),
        "uint8": ("uint8", 1),
        "int16": ("int16", 2),
        "int32": ("int32", 4),
        "int64": ("int64", 8),
        "bool": ("bool", 1),
    }
)
"""Element types as ONNX Runtime says them: as the table does, and their bytes."""


def shape_of(node: NodeTime) -> LayerShape | None:
    """Say what is certain of a node's tensors; ``None`` where the profile tells no shapes."""
    if not node.input_shapes or not node.output_shapes:
        return None
    precision, size = _ELEMENTS.get(node.element_type, (None, None))
    is_plain = provider_name(node.provider) == "cpu" and precision == "float32"
    weights = _weights(node, size) if size is not None and is_plain and node.op in _CONVOLUTIONS else None
    return LayerShape(
        input_shapes=_activations(node, size),
        output_shapes=node.output_shapes,
        is_image=is_plain and node.op in _NCHW,
        is_dense=is_plain and node.op in _DENSE,
        kernel=(weights[2], weights[3]) if weights else None,
        groups=_groups(node.input_shapes[0], weights) if weights else None,
        weight_elements=node.parameter_bytes // size if size and node.parameter_bytes and weights else None,
        precision=precision,
    )


def _activations(node: NodeTime, size: int | None) -> tuple[Shape, ...]:
    """Tell the inputs that are no weights by their bytes: all of them, or the first; none where that is not so."""
    if size is None or node.activation_bytes is None:
        return ()
    for shapes in (node.input_shapes[:1], node.input_shapes):
        if sum(math.prod(shape) for shape in shapes) * size == node.activation_bytes:
            return shapes
    return ()


def _weights(node: NodeTime, size: int) -> Shape | None:
    """Find a convolution's weights: the second input, where it and the bias make up the parameters."""
    if len(node.input_shapes) < 2 or len(node.input_shapes[1]) != 4 or len(node.input_shapes[0]) != 4:
        return None
    weights = node.input_shapes[1]
    biases = (0, weights[0])
    return weights if any((math.prod(weights) + bias) * size == node.parameter_bytes for bias in biases) else None


def _groups(source: Shape, weights: Shape) -> int | None:
    """Divide the input's channels by those of one filter."""
    if not weights[1] or source[1] % weights[1]:
        return None
    return source[1] // weights[1]


def layer_type(node: NodeTime, shape: LayerShape | None) -> str:
    """Spell a node's operator as the table does; a convolution without its weights stays a Conv, its groups unknown."""
    groups = shape.groups if shape is not None else None
    if node.op in _CONVOLUTIONS and groups is not None and groups > 1:
        return DEPTHWISE_CONV if groups == node.input_shapes[0][1] else GROUPED_CONV
    return _SPELLED.get(node.op, node.op)
