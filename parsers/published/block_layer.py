"""An inverted residual from its sizes, in the form in which one is read off a graph.

Its parts are laid out as a network's layers and told as a block by :mod:`parsers.graphs.blocks`, so that a published block and a
searched one are the same layer.
"""

from __future__ import annotations

from dataclasses import replace

from parsers.graphs.blocks import group_blocks
from parsers.network_layer import NetworkLayer
from parsers.published.sketch import Fused, Image, Pads, Sketch, convolution, global_pooling, same_size
from parsers.schema import Layer

_SOURCE = "source"
"""What a block reads."""


def squeeze_channels(middle: int) -> int:
    """Give the width of a squeeze: a quarter of the middle, rounded to a multiple of 8, not by more than a tenth down."""
    quarter = middle // 4
    rounded = max(8, (quarter + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * quarter else rounded


def inverted_residual(
    source: Image, result: Image, *, middle: int, kernel: int, stride: int, adds: bool, activation: str, squeezes: bool
) -> Layer | None:
    """Describe a block as one layer, in the form of ``parsers.graphs.blocks``: as if its graph had been read.

    Returns:
        ``None`` where no graph of these sizes would be told as a block.
    """
    wide = replace(source, channels=middle)
    narrow = replace(result, channels=middle)
    active = Fused(ops=(activation,))
    pads = _pads(source, result, kernel, stride)
    parts = [
        _part("depthwise", convolution(wide, narrow, kernel=kernel, stride=stride, groups=middle, pads=pads), active)
    ]
    if middle != source.channels:
        expansion = _pointwise("expansion", source, wide, active)
        parts = [expansion, replace(parts[0], inputs=expansion.outputs)]
    if squeezes:
        parts += _squeeze_and_excitation(narrow, parts[-1].outputs)
    skip = Fused(ops=("Add",), skips=1) if adds else Fused()
    projection = _pointwise("projection", narrow, result, skip)
    parts.append(replace(projection, inputs=(*parts[-1].outputs, *([_SOURCE] if adds else []))))
    merged = group_blocks(parts, leaving=frozenset(projection.outputs))
    return merged[0].layer if len(merged) == 1 else None


def _squeeze_and_excitation(image: Image, inputs: tuple[str, ...]) -> list[NetworkLayer]:
    """List pooling, the two convolutions and the product with what was pooled."""
    pixel = replace(image, height=1, width=1)
    squeezed = replace(pixel, channels=squeeze_channels(image.channels))
    pooling = replace(_part("pooling", global_pooling(image), Fused()), inputs=inputs)
    squeeze = replace(_pointwise("squeeze", pixel, squeezed, Fused(ops=("Relu",))), inputs=pooling.outputs)
    excite = replace(_pointwise("excitation", squeezed, pixel, Fused(ops=("HardSigmoid",))), inputs=squeeze.outputs)
    shapes = (image.shape, pixel.shape)
    product = replace(same_size("Mul", (image,)), input_volume=image.volume + pixel.volume, input_shapes=shapes)
    return [pooling, squeeze, excite, replace(_part("product", product, Fused()), inputs=(*inputs, *excite.outputs))]


def _pointwise(name: str, source: Image, result: Image, fused: Fused) -> NetworkLayer:
    return _part(name, convolution(source, result, kernel=1, stride=1, groups=1, pads=(0, 0)), fused)


def _part(name: str, layer: Layer, fused: Fused) -> NetworkLayer:
    """Name a part of a block and what it makes; it reads the block's input until told otherwise."""
    described = Sketch.whole(layer).followed_by(fused).layer or layer
    return NetworkLayer(name=name, layer=described, nodes=(name,), tensors=(name,), inputs=(_SOURCE,), outputs=(name,))


def _pads(source: Image, result: Image, kernel: int, stride: int) -> Pads:
    same_sides = (source.height, source.width) == (result.height, result.width)
    return (kernel // 2, kernel // 2) if stride == 1 and kernel % 2 and same_sides else None
