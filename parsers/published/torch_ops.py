"""The benchmark's table of PyTorch Mobile's operators on GPUs (``torch_cnn_ops_gpu.csv``, Vulkan, PyTorch 2.0, µs).

Padding is explicit, and every operator stands alone: nothing is fused. A convolution without ``groups`` is a depthwise one:
its groups are its input channels, and its ``filter_size`` says so. Where a pooling's sizes only come out when they are
rounded up, it is ONNX's ``ceil_mode``. Both operands of an addition have the given size (the networks' sums are of
residuals); what a multiplication multiplies with, an image or one factor per channel, is not told. An adaptive pooling that
ran as ``vulkan.mean`` is the mean over the whole image: PyTorch takes that way for a result of one pixel only. The Vulkan
backend gives every convolution a bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from parsers.dump import Buffer
from parsers.published.features import Features
from parsers.published.operator_table import Framework, read_operator_table
from parsers.published.phones import Phone
from parsers.published.rows import Published, Table
from parsers.published.settings import PYTORCH
from parsers.published.sketch import (
    Image,
    Pads,
    Sketch,
    convolution,
    dense,
    global_pooling,
    image_cells,
    pooling,
    same_size,
)
from parsers.schema import Layer

_CONVOLUTION = "vulkan_prepack::run_conv2d_context"
_DENSE = "vulkan_prepack::run_linear_context"
_NORMALISATION = "vulkan_prepack::run_batchnorm_context"
_ADAPTIVE_POOLING = "aten::adaptive_avg_pool2d"
_ADDITION = "aten::add"
_MULTIPLICATION = "aten::mul"
_WINDOW_POOLINGS = frozenset({"aten::max_pool2d", "aten::avg_pool2d"})
_ACTIVATIONS = frozenset({"aten::relu", "aten::clamp", "aten::sigmoid", "aten::hardswish"})
_MEAN_KERNEL = "vulkan.mean"

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        _CONVOLUTION: "Conv",
        _DENSE: "Gemm",
        _NORMALISATION: "BatchNormalization",
        _ADAPTIVE_POOLING: _ADAPTIVE_POOLING,
        "aten::max_pool2d": "MaxPool",
        "aten::avg_pool2d": "AveragePool",
        _ADDITION: "Add",
        _MULTIPLICATION: "Mul",
        "aten::relu": "Relu",
        "aten::clamp": "Clip",
        "aten::sigmoid": "Sigmoid",
        "aten::hardswish": "HardSwish",
    }
)
_WEIGHTS_PER_CHANNEL = 4
"""Of a batch normalisation: scale, offset, mean, variance."""


def describe(operation: str, features: Features, kernels: Sequence[str]) -> Sketch:
    """Describe an operation of PyTorch's graph from its sizes; its kernels tell a mean from other poolings."""
    layer = _layer(operation, features, kernels)
    return _part(operation, features) if layer is None else Sketch.whole(layer)


def kernel_name(kernel: str) -> str:
    """Name a kernel without the backend's name before it."""
    return kernel.removeprefix("vulkan.")


def _layer(operation: str, features: Features, kernels: Sequence[str]) -> Layer | None:
    """Describe an operation where every size that it needs is told."""
    if operation == _DENSE:
        inside, outside = features.channels("input_shape"), features.channels("output_shape")
        return dense(inside, outside) if inside and outside else None
    source = _source(features)
    return None if source is None else _layer_behind(source, operation, features, kernels)


def _layer_behind(source: Image, operation: str, features: Features, kernels: Sequence[str]) -> Layer | None:
    layer: Layer | None = None
    if operation == _CONVOLUTION:
        layer = _convolution(source, features)
    elif operation in _WINDOW_POOLINGS:
        layer = _pooling(operation, source, features)
    elif operation == _ADAPTIVE_POOLING and set(kernels) == {_MEAN_KERNEL}:
        layer = global_pooling(source)
    elif operation == _NORMALISATION:
        layer = same_size(_TYPES[operation], (source,), weight_elements=_WEIGHTS_PER_CHANNEL * source.channels)
    elif operation == _ADDITION:
        layer = same_size(_TYPES[operation], (source, source))
    elif operation in _ACTIVATIONS:
        layer = same_size(_TYPES[operation], (source,))
    return layer


def _convolution(source: Image, features: Features) -> Layer | None:
    """Describe a convolution; ``None`` where its sizes are not told, or contradict each other."""
    channels, side = features.channels("output_channel"), features.side("output_shape")
    kernel, stride = features.window("kernel_size"), features.window("stride")
    groups = features.channels("groups") if features.says("groups") else source.channels
    if not (channels and side and kernel and stride and groups):
        return None
    weights = channels * (source.channels // groups) * kernel * kernel
    if source.channels % groups or channels % groups or features.values.get("filter_size", weights) != weights:
        return None
    result = Image(channels=channels, height=side, width=side)
    pads, rounds_up = _pads(source, result, features, kernel=kernel, stride=stride)
    pads = None if rounds_up else pads
    return convolution(source, result, kernel=kernel, stride=stride, groups=groups, pads=pads)


def _pooling(operation: str, source: Image, features: Features) -> Layer | None:
    side, kernel, stride = (
        features.side("output_shape"),
        features.window("kernel_size"),
        features.window("stride"),
    )
    if not (side and kernel and stride):
        return None
    result = Image(channels=source.channels, height=side, width=side)
    pads, rounds_up = _pads(source, result, features, kernel=kernel, stride=stride)
    return pooling(_TYPES[operation], source, result, kernel=kernel, stride=stride, pads=pads, ceil_mode=rounds_up)


def _pads(source: Image, result: Image, features: Features, *, kernel: int, stride: int) -> tuple[Pads, bool]:
    """Give the padding, and whether the result's size is rounded up; no padding where it contradicts the sizes."""
    padding = 0 if features.is_zero("padding") else features.window("padding")
    if padding is None:
        return None, False
    room = source.height + 2 * padding - kernel
    if room >= 0 and room // stride + 1 == result.height:
        return (padding, padding), False
    if room >= 0 and -(-room // stride) + 1 == result.height:
        return (padding, padding), True
    return None, False


def _part(operation: str, features: Features) -> Sketch:
    source = _source(features)
    cells = image_cells(source=source)
    if operation == _MULTIPLICATION and source is not None:
        cells = {**image_cells(source=source, result=source), "input_volume": None, "input_shapes": None}
    elif source is not None and operation in {_ADAPTIVE_POOLING, *_WINDOW_POOLINGS}:
        cells["channels"] = source.channels
    return Sketch.part(_TYPES.get(operation, operation), cells)


def _source(features: Features) -> Image | None:
    channels, side = features.channels("input_channel"), features.side("input_shape")
    return Image(channels=channels, height=side, width=side) if channels and side else None


FRAMEWORK = Framework(
    name="torch-gpu-ops",
    runtime=PYTORCH,
    operations=frozenset(_TYPES),
    describe=describe,
    kernel=kernel_name,
)


def _read(data: Buffer, stem: str, phones: Mapping[str, Phone]) -> Published:
    return read_operator_table(data, stem, phones, FRAMEWORK)


TABLE = Table(
    name=FRAMEWORK.name,
    meaning="torch_cnn_ops_gpu.csv of qed-usc/mobile-ml-benchmark: PyTorch Mobile's operators on phones' GPUs (Vulkan)",
    read=_read,
)
