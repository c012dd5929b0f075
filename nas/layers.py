"""A network of a space as layers, exactly as ``parsers.network`` reads them off its exported ONNX graph.

The search prices tens of thousands of networks; exporting each would take seconds, so the layers are written down here
and a test holds the two against each other. A convolution's batch normalisation is folded, ReLU6 and the residual are
fused into it.
"""

from __future__ import annotations

from collections.abc import Sequence

from nas.space import Block, Carried, Choice, Space
from parsers.schema import Layer, Shape


def network_layers(space: Space, architecture: Sequence[Choice]) -> tuple[Layer, ...]:
    """List a network's layers in the order in which they run.

    Raises:
        SpaceError: choices that do not fit together.
    """
    states = space.carried(architecture)
    layers = [*stem_layers(space)]
    for index, choice in enumerate(architecture):
        layers += slot_layers(space, index, states[index], choice)
    return (*layers, *head_layers(space, states[-1]))


def space_layers(space: Space) -> tuple[Layer, ...]:
    """List every layer that a network of the space can hold, each configuration once, in order of appearance."""
    found = {layer.key: layer for layer in stem_layers(space)}
    states = {space.start()}
    for index, slot in enumerate(space.slots):
        following: set[Carried] = set()
        for carried in sorted(states, key=_order):
            for choice in slot.choices:
                state = space.follow(index, carried, choice)
                if state is not None:
                    following.add(state)
                    found |= {layer.key: layer for layer in slot_layers(space, index, carried, choice)}
        states = following
    for carried in sorted(states, key=_order):
        found |= {layer.key: layer for layer in head_layers(space, carried)}
    return tuple(found.values())


def stem_layers(space: Space) -> tuple[Layer, ...]:
    """List the layers in front of the first slot."""
    image = Carried(channels=space.image.channels, height=space.image.height, width=space.image.width)
    return (_convolution(image, space.start(), kernel=3, stride=2, fused=("Relu6",)),)


def slot_layers(space: Space, index: int, carried: Carried, choice: Choice) -> tuple[Layer, ...]:
    """List the layers of one slot; none where it is dropped.

    Raises:
        ValueError: a choice that does not fit behind ``carried``.
    """
    following = space.follow(index, carried, choice)
    if following is None:
        raise ValueError(f"slot {index} cannot hold {choice} behind {carried}")
    return () if choice is None else _block(carried, following, choice, space.slots[index].stride)


def head_layers(space: Space, carried: Carried) -> tuple[Layer, ...]:
    """List the layers behind the last slot."""
    features = Carried(channels=space.head_channels, height=carried.height, width=carried.width)
    pooled = Carried(channels=space.head_channels, height=1, width=1)
    flat: Shape = (1, space.head_channels)
    scores: Shape = (1, space.classes)
    return (
        _convolution(carried, features, kernel=1, stride=1, fused=("Relu6",)),
        Layer(
            type="GlobalAveragePool",
            in_channels=features.channels,
            channels=features.channels,
            height=features.height,
            width=features.width,
            input_volume=_volume(features),
            output_volume=_volume(pooled),
            input_shapes=(_shape(features),),
            output_shape=_shape(pooled),
        ),
        Layer(
            type="Reshape",
            in_channels=features.channels,
            channels=features.channels,
            input_volume=_volume(pooled),
            output_volume=_volume(pooled),
            input_shapes=(_shape(pooled),),
            output_shape=flat,
        ),
        Layer(
            type="Gemm",
            in_channels=features.channels,
            channels=space.classes,
            input_volume=features.channels,
            output_volume=space.classes,
            weight_elements=(features.channels + 1) * space.classes,
            input_shapes=(flat,),
            output_shape=scores,
        ),
    )


def _block(carried: Carried, following: Carried, block: Block, stride: int) -> tuple[Layer, ...]:
    """Expand 1×1 (unless the ratio is 1), depthwise k×k, project 1×1 and, where the block does, add its input."""
    middle = carried.channels * block.expansion
    wide = Carried(channels=middle, height=carried.height, width=carried.width)
    reduced = Carried(channels=middle, height=following.height, width=following.width)
    expand = (_convolution(carried, wide, kernel=1, stride=1, fused=("Relu6",)),) if block.expansion > 1 else ()
    depthwise = _convolution(wide, reduced, kernel=block.kernel_size, stride=stride, groups=middle, fused=("Relu6",))
    project = _convolution(
        reduced,
        following,
        kernel=1,
        stride=1,
        fused=("Add",) if block.idskip else (),
        residual=carried if block.idskip else None,
    )
    return (*expand, depthwise, project)


def _convolution(
    source: Carried,
    result: Carried,
    *,
    kernel: int,
    stride: int,
    groups: int = 1,
    fused: tuple[str, ...] = (),
    residual: Carried | None = None,
) -> Layer:
    padding = kernel // 2
    inputs = (source,) if residual is None else (source, residual)
    return Layer(
        type="DepthwiseConv" if groups > 1 else "Conv",
        in_channels=source.channels,
        channels=result.channels,
        height=source.height,
        width=source.width,
        out_height=result.height,
        out_width=result.width,
        kernel_height=kernel,
        kernel_width=kernel,
        stride_height=stride,
        stride_width=stride,
        pad_top=padding,
        pad_bottom=padding,
        pad_left=padding,
        pad_right=padding,
        groups=groups,
        input_volume=sum(_volume(item) for item in inputs),
        output_volume=_volume(result),
        weight_elements=result.channels * (source.channels // groups) * kernel * kernel + result.channels,
        fused_ops=fused,
        input_shapes=tuple(_shape(item) for item in inputs),
        output_shape=_shape(result),
    )


def _shape(carried: Carried) -> Shape:
    return (1, carried.channels, carried.height, carried.width)


def _volume(carried: Carried) -> int:
    return carried.channels * carried.height * carried.width


def _order(carried: Carried) -> tuple[int, int, int, bool]:
    return carried.channels, carried.height, carried.width, carried.ended
