"""The benchmark's table of TensorFlow Lite's operators on GPUs (``tflite_cnn_ops_gpu.csv``, TFLite 2.10, µs).

Sizes are those of TFLite's own graph: what a network pads by an operator of its own comes in padded, so a convolution's
padding follows from its sizes, SAME or VALID; a mean is over height and width where it leaves a number per channel.
``Kernel`` of a concatenation is its number of inputs, ``Filter`` of a depthwise convolution how many results a channel has.

A kernel's name ends in its place in the network and tells what the GPU delegate fused behind it:
``convolution_2d_16_linked_:_add_17_linked_:_relu_18``. An addition is a skip, except right behind a multiplication: those two
are a normalisation by constants. The factor of a multiplication is a constant, too (normalisations and hard sigmoids are
what has them here). ``relu`` is any rectifier, bounded or not. A Winograd kernel does not tell what follows it, and
``depthwise_conv_plus_1x1_conv`` tells what follows the second of two lines that both carry its whole time; the other devices
of the line tell it. Where they disagree, or there is none, what is fused is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from parsers.dump import Buffer
from parsers.operators import GROUPED_CONV
from parsers.profiles.types import TFLITE
from parsers.published.features import Features
from parsers.published.operator_table import Framework, read_operator_table
from parsers.published.phones import Phone
from parsers.published.rows import Published, Table
from parsers.published.settings import TFLITE as RUNTIME
from parsers.published.sketch import (
    Fused,
    Image,
    Sketch,
    concatenation,
    convolution,
    dense,
    global_pooling,
    image_cells,
    pooling,
    same_padding,
)
from parsers.schema import Layer

_LINK = "_linked_:_"
_SHARED = "depthwise_conv_plus_1x1_conv"
_SILENT = ("winograd", _SHARED)
"""Kernels whose names do not tell what is fused behind the line's own operator."""

_TYPES: Mapping[str, str] = MappingProxyType({**TFLITE, "CONV_2D_GROUP": GROUPED_CONV})

_FUSED_NAMES = {
    "add": "Add",
    "mul": "Mul",
    "minimum": "Min",
    "maximum": "Max",
    "relu": "Relu",
    "hard_swish": "HardSwish",
    "sigmoid": "Sigmoid",
}


def describe(operation: str, features: Features, kernels: Sequence[str]) -> Sketch:
    """Describe an operation of TFLite's graph from its sizes and the names of its kernels on all devices."""
    layer = _layer(operation, features)
    if layer is None:
        return _part(operation, features).followed_by(fused_behind(kernels))
    return Sketch.whole(layer).followed_by(fused_behind(kernels))


def kernel_name(kernel: str) -> str:
    """Name a kernel without what is fused behind it and without its place in the network."""
    return _without_place(kernel.partition(_LINK)[0])


def fused_behind(kernels: Sequence[str]) -> Fused | None:
    """Tell from a line's kernels what is fused behind its operator; ``None`` where they do not, or disagree."""
    telling = {
        tuple(_without_place(part) for part in kernel.split(_LINK)[1:])
        for kernel in kernels
        if kernel and not any(word in kernel for word in _SILENT)
    }
    if len(telling) != 1:
        return None
    (words,) = telling
    before = ("", *words)
    skips = sum(word == "add" and previous != "mul" for previous, word in zip(before, words, strict=False))
    return Fused(ops=tuple(_FUSED_NAMES.get(word, word) for word in words), skips=skips)


def _without_place(name: str) -> str:
    words = name.split("_")
    while len(words) > 1 and words[-1].isascii() and words[-1].isdigit():
        words.pop()
    return "_".join(words)


def _layer(operation: str, features: Features) -> Layer | None:
    """Describe an operation where every size that it needs is told."""
    match operation:
        case "CONV_2D" | "CONV_2D_GROUP" | "DEPTHWISE_CONV_2D":
            return _convolution(operation, features)
        case "MAX_POOL_2D" | "AVERAGE_POOL_2D":
            return _pooling(operation, features)
        case "CONCATENATION":
            return _concatenation(features)
        case "MEAN":
            source = _image(features, "Input_shape", features.channels("Input_channel"))
            is_over_image = source is not None and features.channels("Output_shape") == source.channels
            return global_pooling(source) if source is not None and is_over_image else None
        case "FULLY_CONNECTED":
            inside, outside = features.channels("Input_channel"), features.channels("Filter")
            return dense(inside, outside) if inside and outside else None
    return None


def _convolution(operation: str, features: Features) -> Layer | None:
    source = _image(features, "Input_shape", features.channels("Input_channel"))
    filters, kernel, stride = features.channels("Filter"), features.window("Kernel"), features.window("Stride")
    if source is None or not (filters and kernel and stride):
        return None
    groups = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": source.channels}.get(operation, features.channels("Group"))
    channels = filters * source.channels if operation == "DEPTHWISE_CONV_2D" else filters
    result = _image(features, "Output_shape", channels)
    if result is None or not groups or source.channels % groups or channels % groups:
        return None
    pads = same_padding(source.height, result.height, kernel=kernel, stride=stride)
    return convolution(source, result, kernel=kernel, stride=stride, groups=groups, pads=pads)


def _pooling(operation: str, features: Features) -> Layer | None:
    channels = features.channels("Input_channel")
    source, result = (_image(features, name, channels) for name in ("Input_shape", "Output_shape"))
    kernel, stride = features.window("Kernel"), features.window("Stride")
    if source is None or result is None or not (kernel and stride):
        return None
    pads = same_padding(source.height, result.height, kernel=kernel, stride=stride)
    return pooling(_TYPES[operation], source, result, kernel=kernel, stride=stride, pads=pads)


def _concatenation(features: Features) -> Layer | None:
    source = _image(features, "Input_shape", features.channels("Input_channel"))
    result = _image(features, "Output_shape", features.channels("Filter"))
    inputs = features.window("Kernel")
    if source is None or result is None or not inputs or inputs < 2:
        return None
    if source.height != result.height or source.channels >= result.channels:
        return None
    return concatenation(source, result, inputs=inputs)


def _part(operation: str, features: Features) -> Sketch:
    source = _image(features, "Input_shape", features.channels("Input_channel"))
    return Sketch.part(_TYPES.get(operation, operation), image_cells(source=source))


def _image(features: Features, side_name: str, channels: int | None) -> Image | None:
    side = features.side(side_name)
    return Image(channels=channels, height=side, width=side) if side and channels else None


FRAMEWORK = Framework(
    name="tflite-gpu-ops",
    runtime=RUNTIME,
    operations=frozenset(_TYPES),
    describe=describe,
    kernel=kernel_name,
)


def _read(data: Buffer, stem: str, phones: Mapping[str, Phone]) -> Published:
    published = read_operator_table(data, stem, phones, FRAMEWORK)
    shared = sum(_SHARED in (row.execution.provider_used or "") for row in published.rows)
    if not shared:
        return published
    note = f"{shared} rows are of {_SHARED}, which runs two operators at once: the lines of both have its time."
    return replace(published, notes=(*published.notes, note))


TABLE = Table(
    name=FRAMEWORK.name,
    meaning="tflite_cnn_ops_gpu.csv of qed-usc/mobile-ml-benchmark: TFLite's operators on phones' GPUs",
    read=_read,
)
