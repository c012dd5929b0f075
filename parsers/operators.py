"""Operator types and the families that behave alike.

ONNX has one ``Conv``; phones run three very different kernels for it, so the types here tell them apart. A family is
what the roofline counts by and what a modelled tier has one efficiency for. Unknown operators are a family too: they are
kept and counted, never refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

CONV = "Conv"
DEPTHWISE_CONV = "DepthwiseConv"
GROUPED_CONV = "GroupedConv"
INVERTED_RESIDUAL = "InvertedResidual"
NETWORK = "Network"
"""A whole network, of which no layer is known."""

EDGE_PREFIX = "edge_"
"""Begins the names of nodes and tensors that only hand an activation to a one-layer model's layer."""

CONVOLUTIONS = frozenset({CONV, DEPTHWISE_CONV, GROUPED_CONV})
"""What ONNX spells ``Conv``."""


class Family(StrEnum):
    """Operators that move and compute in the same way."""

    CONVOLUTION = "convolution"
    DEPTHWISE = "depthwise"
    GROUPED = "grouped"
    TRANSPOSED = "transposed"
    DENSE = "dense"
    POOLING = "pooling"
    ELEMENTWISE = "elementwise"
    NORMALISATION = "normalisation"
    MOVEMENT = "movement"
    BLOCK = "block"
    OTHER = "other"


_MEMBERS: Mapping[Family, str] = {
    Family.CONVOLUTION: "Conv",
    Family.DEPTHWISE: "DepthwiseConv",
    Family.GROUPED: "GroupedConv",
    Family.TRANSPOSED: "ConvTranspose",
    Family.DENSE: "Gemm MatMul",
    Family.POOLING: "MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool ReduceMean ReduceMax ReduceSum",
    Family.ELEMENTWISE: (
        "Add Sub Mul Div Sum Mean Max Min Pow Relu Clip Relu6 LeakyRelu PRelu Elu Selu Sigmoid HardSigmoid HardSwish "
        "Swish Tanh Softplus Softsign Erf Gelu Mish Exp Log Sqrt Abs Neg Floor Ceil ThresholdedRelu Celu "
        "QuantizeLinear DequantizeLinear"
    ),
    Family.NORMALISATION: (
        "BatchNormalization InstanceNormalization LayerNormalization GroupNormalization LRN LpNormalization Softmax "
        "LogSoftmax"
    ),
    Family.MOVEMENT: (
        "Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Gather Pad Expand Tile DepthToSpace "
        "SpaceToDepth Resize Upsample Cast GatherElements GatherND ScatterElements ScatterND"
    ),
    Family.BLOCK: INVERTED_RESIDUAL,
}

_FAMILY_OF: Mapping[str, Family] = MappingProxyType(
    {type_: family for family, types in _MEMBERS.items() for type_ in types.split()}
)

ACTIVATIONS = frozenset(
    {"Relu", "Relu6", "Clip", "LeakyRelu", "PRelu", "Elu", "Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Tanh"}
)
"""What a runtime applies while a convolution's result is still in registers."""

ADDITIONS = frozenset({"Add", "Sum"})
"""What adds a residual."""


KEEPS_SHAPE = frozenset(
    {
        *("Relu", "Clip", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish"),
        *("Tanh", "Softplus", "Softsign", "Erf", "Gelu", "Mish", "Exp", "Log", "Sqrt", "Abs", "Neg", "Floor", "Ceil"),
        *("Softmax", "LogSoftmax", "LRN", "BatchNormalization", "InstanceNormalization", "LayerNormalization"),
        *("GroupNormalization", "LpNormalization", "Identity", "Dropout"),
    }
)
"""Operators whose result (the first) has the shape and the element type of their first input."""


def family_of(layer_type: str) -> Family:
    """Name the family of a layer type; an unknown type belongs to :attr:`Family.OTHER`."""
    return _FAMILY_OF.get(layer_type, Family.OTHER)
