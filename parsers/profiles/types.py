"""Operators as other runtimes spell them, and as ONNX does.

Only where they certainly mean the same. ncnn's ``ConvolutionDepthWise`` may be grouped, ``Pooling`` and ``BinaryOp`` do not
say which, and a ``ReLU`` with a slope is a LeakyRelu: what is not here keeps the profile's word.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from parsers.operators import CONV, DEPTHWISE_CONV

TFLITE: Mapping[str, str] = MappingProxyType(
    {
        "ABS": "Abs",
        "ADD": "Add",
        "AVERAGE_POOL_2D": "AveragePool",
        "BATCH_MATMUL": "MatMul",
        "CAST": "Cast",
        "CEIL": "Ceil",
        "CONCATENATION": "Concat",
        "CONV_2D": CONV,
        "DEPTH_TO_SPACE": "DepthToSpace",
        "DEPTHWISE_CONV_2D": DEPTHWISE_CONV,
        "DEQUANTIZE": "DequantizeLinear",
        "DIV": "Div",
        "ELU": "Elu",
        "EXP": "Exp",
        "EXPAND_DIMS": "Unsqueeze",
        "FLOOR": "Floor",
        "FULLY_CONNECTED": "Gemm",
        "GATHER": "Gather",
        "GELU": "Gelu",
        "HARD_SWISH": "HardSwish",
        "LEAKY_RELU": "LeakyRelu",
        "LOCAL_RESPONSE_NORMALIZATION": "LRN",
        "LOG": "Log",
        "LOG_SOFTMAX": "LogSoftmax",
        "LOGISTIC": "Sigmoid",
        "MAX_POOL_2D": "MaxPool",
        "MAXIMUM": "Max",
        "MEAN": "ReduceMean",
        "MINIMUM": "Min",
        "MUL": "Mul",
        "NEG": "Neg",
        "PAD": "Pad",
        "PADV2": "Pad",
        "POW": "Pow",
        "PRELU": "PRelu",
        "QUANTIZE": "QuantizeLinear",
        "REDUCE_MAX": "ReduceMax",
        "RELU": "Relu",
        "RELU6": "Relu6",
        "RESHAPE": "Reshape",
        "RESIZE_BILINEAR": "Resize",
        "RESIZE_NEAREST_NEIGHBOR": "Resize",
        "SLICE": "Slice",
        "SOFTMAX": "Softmax",
        "SPACE_TO_DEPTH": "SpaceToDepth",
        "SPLIT": "Split",
        "SPLIT_V": "Split",
        "SQRT": "Sqrt",
        "SQUEEZE": "Squeeze",
        "STRIDED_SLICE": "Slice",
        "SUB": "Sub",
        "SUM": "ReduceSum",
        "TANH": "Tanh",
        "TILE": "Tile",
        "TRANSPOSE": "Transpose",
        "TRANSPOSE_CONV": "ConvTranspose",
    }
)

NCNN: Mapping[str, str] = MappingProxyType(
    {
        "BatchNorm": "BatchNormalization",
        "Concat": "Concat",
        "Convolution": CONV,
        "Crop": "Slice",
        "Deconvolution": "ConvTranspose",
        "ELU": "Elu",
        "Flatten": "Flatten",
        "GELU": "Gelu",
        "Gemm": "Gemm",
        "HardSigmoid": "HardSigmoid",
        "HardSwish": "HardSwish",
        "InnerProduct": "Gemm",
        "Interp": "Resize",
        "LayerNorm": "LayerNormalization",
        "MatMul": "MatMul",
        "Mish": "Mish",
        "PReLU": "PRelu",
        "Padding": "Pad",
        "Permute": "Transpose",
        "Reshape": "Reshape",
        "Sigmoid": "Sigmoid",
        "Slice": "Split",
        "Softmax": "Softmax",
        "Split": "Identity",  # hands one blob to several readers
        "Swish": "Swish",
        "TanH": "Tanh",
    }
)

MNN: Mapping[str, str] = MappingProxyType(
    {
        "BatchMatMul": "MatMul",
        "BatchNorm": "BatchNormalization",
        "Cast": "Cast",
        "Concat": "Concat",
        "Convolution": CONV,
        "ConvolutionDepthwise": DEPTHWISE_CONV,
        "Deconvolution": "ConvTranspose",
        "ELU": "Elu",
        "InnerProduct": "Gemm",
        "Interp": "Resize",
        "LayerNorm": "LayerNormalization",
        "MatMul": "MatMul",
        "PReLU": "PRelu",
        "Padding": "Pad",
        "Permute": "Transpose",
        "Reshape": "Reshape",
        "Sigmoid": "Sigmoid",
        "Slice": "Split",
        "SliceTf": "Slice",
        "Softmax": "Softmax",
        "StridedSlice": "Slice",
        "TanH": "Tanh",
        "Transpose": "Transpose",
    }
)
