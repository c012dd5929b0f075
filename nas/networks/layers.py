"""A network of a space as layers, exactly as ``parsers.network`` reads them off its exported ONNX graph.

The search prices tens of thousands of networks; exporting each would take seconds, so an operation is written down as a
layer here, and a test holds the two against each other. A convolution's batch normalisation is folded, its activation
and the residual are fused into it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from nas.networks.operations import FeatureMap, Kind, Operation
from nas.space import Carried, Choice, Space
from parsers.schema import Layer, Shape

_POOLS = {Kind.AVERAGE_POOL: "AveragePool", Kind.MAX_POOL: "MaxPool"}
_PLAIN = {
    Kind.GLOBAL_POOL: "GlobalAveragePool",
    Kind.ADD: "Add",
    Kind.CONCATENATE: "Concat",
    Kind.RELU: "Relu",
    Kind.NORMALISATION: "BatchNormalization",
}


def network_layers(space: Space, architecture: Sequence[Choice]) -> tuple[Layer, ...]:
    """List a network's layers in the order in which they run.

    Raises:
        SpaceError: choices that do not fit together.
    """
    return layers_of(space.operations(architecture))


def space_layers(space: Space) -> tuple[Layer, ...]:
    """List every layer that a network of the space can hold, each configuration once, in order of appearance."""
    found = dict.fromkeys(layers_of(space.every_operation()))
    return tuple({layer.key: layer for layer in found}.values())


def stem_layers(space: Space) -> tuple[Layer, ...]:
    """List the layers in front of the first slot."""
    return layers_of(space.stem_operations())


def slot_layers(space: Space, index: int, carried: Carried, choice: Choice) -> tuple[Layer, ...]:
    """List the layers of one slot; none where it is dropped.

    Raises:
        ValueError: a choice that does not fit behind ``carried``.
    """
    return layers_of(space.slot_operations(index, carried, choice))


def head_layers(space: Space, carried: Carried) -> tuple[Layer, ...]:
    """List the layers behind the last slot."""
    return layers_of(space.head_operations(carried))


def layers_of(operations: Iterable[Operation]) -> tuple[Layer, ...]:
    """Write operations as layers; what only has another name afterwards is none."""
    return tuple(layer_of(operation) for operation in operations if operation.runs)


@functools.lru_cache(maxsize=1 << 16)
def layer_of(operation: Operation) -> Layer:
    """Write one operation as a layer."""
    match operation.kind:
        case Kind.CONVOLUTION | Kind.DECONVOLUTION:
            return _convolution(operation)
        case Kind.AVERAGE_POOL | Kind.MAX_POOL:
            return _window(operation, _POOLS[operation.kind])
        case Kind.FLATTEN:
            return _flatten(operation)
        case Kind.NORMALISATION:
            return _normalisation(operation)
        case Kind.DENSE:
            return _dense(operation)
        case _:
            return _plain(operation)


def _convolution(operation: Operation) -> Layer:
    source, result = operation.inputs[0], operation.output
    height, width = operation.kernel
    fused = ("Add",) if operation.adds else ()
    fused = (*fused, operation.activation.value) if operation.activation else fused
    transposed = operation.kind is Kind.DECONVOLUTION
    padded = any(operation.output_padding) if transposed else False
    down, right = operation.output_padding if padded else (0, 0)
    return _window(
        operation,
        "ConvTranspose" if transposed else "DepthwiseConv" if operation.depthwise else "Conv",
        weight_elements=result.channels * (source.channels // operation.groups) * height * width + result.channels,
        fused=fused,
        attributes=f'{{"output_padding":[{down},{right}]}}' if padded else "{}",
    )


def _window(
    operation: Operation,
    name: str,
    *,
    weight_elements: int = 0,
    fused: tuple[str, ...] = (),
    attributes: str = "{}",
) -> Layer:
    source, result = operation.inputs[0], operation.output
    return Layer(
        type=name,
        in_channels=source.channels,
        channels=result.channels,
        height=source.height,
        width=source.width,
        out_height=result.height,
        out_width=result.width,
        kernel_height=operation.kernel[0],
        kernel_width=operation.kernel[1],
        stride_height=operation.stride,
        stride_width=operation.stride,
        pad_top=operation.padding[0],
        pad_bottom=operation.padding[0],
        pad_left=operation.padding[1],
        pad_right=operation.padding[1],
        groups=operation.groups,
        input_volume=sum(item.volume for item in operation.inputs),
        output_volume=result.volume,
        weight_elements=weight_elements,
        fused_ops=fused,
        input_shapes=tuple(map(_shape, operation.inputs)),
        output_shape=_shape(result),
        attributes=attributes,
    )


def _normalisation(operation: Operation) -> Layer:
    """Scale, shift, mean and variance of every channel."""
    fused = (operation.activation.value,) if operation.activation else ()
    layer = _plain(operation)
    return replace(layer, weight_elements=4 * operation.output.channels, fused_ops=fused)


def _flatten(operation: Operation) -> Layer:
    source, result = operation.inputs[0], operation.output
    return Layer(
        type="Reshape",
        in_channels=source.channels,
        channels=result.channels,
        input_volume=source.volume,
        output_volume=result.volume,
        input_shapes=(_shape(source),),
        output_shape=(1, result.channels),
    )


def _dense(operation: Operation) -> Layer:
    source, result = operation.inputs[0], operation.output
    return Layer(
        type="Gemm",
        in_channels=source.channels,
        channels=result.channels,
        input_volume=source.channels,
        output_volume=result.channels,
        weight_elements=(source.channels + 1) * result.channels,
        input_shapes=((1, source.channels),),
        output_shape=(1, result.channels),
    )


def _plain(operation: Operation) -> Layer:
    source, result = operation.inputs[0], operation.output
    return Layer(
        type=_PLAIN[operation.kind],
        in_channels=source.channels,
        channels=result.channels,
        height=source.height,
        width=source.width,
        out_height=result.height,
        out_width=result.width,
        input_volume=sum(item.volume for item in operation.inputs),
        output_volume=result.volume,
        input_shapes=tuple(map(_shape, operation.inputs)),
        output_shape=_shape(result),
        attributes='{"axis":1}' if operation.kind is Kind.CONCATENATE else "{}",
    )


def _shape(features: FeatureMap) -> Shape:
    return (1, features.channels, features.height, features.width)
