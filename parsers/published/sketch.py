"""What a published table tells of a layer: enough to build it, or a part.

A layer that is told completely has the form that :mod:`parsers.network` gives the same layer of an ONNX graph: what is
fused behind a convolution belongs to it, what is added is one more input. A layer that is told in part has the cells
that are certain, and no ``layer_key``.

Tables of operators have square images only, of one image per run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from parsers.operators import CONV, DEPTHWISE_CONV, GROUPED_CONV
from parsers.schema import Layer, Shape, Value, layer_to_json, shape_text

_FUSED = frozenset({"fused_ops", "idskip", "input_volume", "input_shapes"})
"""Columns that what is fused decides."""

Pads = tuple[int, int] | None
"""Rows of padding above and below, equal to the columns on the left and right; ``None`` where not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image's sides."""

    channels: int
    height: int
    width: int

    @property
    def shape(self) -> Shape:
        """As NCHW."""
        return (1, self.channels, self.height, self.width)

    @property
    def volume(self) -> int:
        """Elements."""
        return self.channels * self.height * self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """What a runtime fused behind an operator, in order."""

    ops: tuple[str, ...] = ()
    skips: int = 0
    """How many of its additions add another activation; the others add constants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A layer, or what is known of one."""

    layer: Layer | None
    known: Mapping[str, Value]
    """Cells of ``stats.parquet``, ``type`` among them; empty where the layer is known."""

    @classmethod
    def whole(cls, layer: Layer) -> Sketch:
        """Tell a layer completely."""
        return cls(layer=layer, known={})

    @classmethod
    def part(cls, type_: str, known: Mapping[str, Value]) -> Sketch:
        """Tell a layer's type and the cells that are certain."""
        return cls(layer=None, known={"type": type_, **known})

    @property
    def type(self) -> str:
        """The layer's type."""
        return self.layer.type if self.layer else str(self.known["type"])

    def of_precision(self, precision: str) -> Sketch:
        """Give the same with activations of another element type."""
        if self.layer is None:
            return replace(self, known={**self.known, "precision": precision})
        return replace(self, layer=replace(self.layer, precision=precision))

    def followed_by(self, fused: Fused | None) -> Sketch:
        """Give the same with what is fused behind it; ``None`` where that is not known."""
        if self.layer is None:
            return self if fused is None else replace(self, known={**self.known, "fused_ops": "+".join(fused.ops)})
        if fused is None:
            return Sketch.part(self.type, _cells_but(self.layer, _FUSED))
        operands = (self.layer.output_shape,) * fused.skips
        return replace(
            self,
            layer=replace(
                self.layer,
                fused_ops=fused.ops,
                idskip=int(fused.skips > 0),
                input_volume=self.layer.input_volume + fused.skips * self.layer.output_volume,
                input_shapes=self.layer.input_shapes and (*self.layer.input_shapes, *operands),
            ),
        )


def convolution(source: Image, result: Image, *, kernel: int, stride: int, groups: int, pads: Pads) -> Layer:
    """Describe a convolution with a bias: dense, depthwise or grouped by its groups."""
    grouped = DEPTHWISE_CONV if groups == source.channels else GROUPED_CONV
    before, after = pads or (None, None)
    return Layer(
        type=CONV if groups == 1 else grouped,
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
        pad_top=before,
        pad_bottom=after,
        pad_left=before,
        pad_right=after,
        groups=groups,
        input_volume=source.volume,
        output_volume=result.volume,
        weight_elements=result.channels * (source.channels // groups) * kernel * kernel + result.channels,
        input_shapes=(source.shape,),
        output_shape=result.shape,
    )


def pooling(
    type_: str, source: Image, result: Image, *, kernel: int, stride: int, pads: Pads, ceil_mode: bool = False
) -> Layer:
    """Describe a pooling over a window."""
    before, after = pads or (None, None)
    return replace(
        same_size(type_, (source,)),
        channels=result.channels,
        out_height=result.height,
        out_width=result.width,
        kernel_height=kernel,
        kernel_width=kernel,
        stride_height=stride,
        stride_width=stride,
        pad_top=before,
        pad_bottom=after,
        pad_left=before,
        pad_right=after,
        output_volume=result.volume,
        output_shape=result.shape,
        attributes='{"ceil_mode":1}' if ceil_mode else "{}",
    )


def global_pooling(source: Image) -> Layer:
    """Describe the mean over an image's height and width."""
    result = Image(channels=source.channels, height=1, width=1)
    return replace(
        same_size("GlobalAveragePool", (source,)),
        out_height=1,
        out_width=1,
        output_volume=result.volume,
        output_shape=result.shape,
    )


def same_size(type_: str, sources: tuple[Image, ...], *, weight_elements: int = 0) -> Layer:
    """Describe an operator whose result has the size of its inputs, all equal."""
    source = sources[0]
    return Layer(
        type=type_,
        in_channels=source.channels,
        channels=source.channels,
        height=source.height,
        width=source.width,
        out_height=source.height,
        out_width=source.width,
        input_volume=sum(one.volume for one in sources),
        output_volume=source.volume,
        weight_elements=weight_elements,
        input_shapes=tuple(one.shape for one in sources),
        output_shape=source.shape,
    )


def concatenation(first: Image, result: Image, *, inputs: int) -> Layer:
    """Describe a concatenation of channels; with more than two inputs, the others' shapes are not known one by one."""
    rest = replace(first, channels=result.channels - first.channels)
    known = inputs == 2
    return replace(
        same_size("Concat", (first,)),
        channels=result.channels,
        input_volume=result.volume,
        output_volume=result.volume,
        input_shapes=(first.shape, rest.shape) if known else (),
        output_shape=result.shape,
        attributes='{"axis":1}' if known else f'{{"axis":1,"inputs":{inputs}}}',
    )


def dense(features: int, results: int) -> Layer:
    """Describe a matrix product with a bias."""
    return Layer(
        type="Gemm",
        in_channels=features,
        channels=results,
        input_volume=features,
        output_volume=results,
        weight_elements=(features + 1) * results,
        input_shapes=((1, features),),
        output_shape=(1, results),
    )


def image_cells(*, source: Image | None = None, result: Image | None = None) -> dict[str, Value]:
    """Give the cells that follow from an input image, an output image, or both."""
    cells: dict[str, Value] = {}
    if source is not None:
        cells |= {"batch": 1, "in_channels": source.channels, "height": source.height, "width": source.width}
        cells |= {"input_volume": source.volume, "input_shapes": shape_text(source.shape)}
    if result is not None:
        cells |= {"batch": 1, "channels": result.channels, "out_height": result.height, "out_width": result.width}
        cells |= {"output_volume": result.volume, "output_shape": shape_text(result.shape)}
    return cells


def same_padding(source: int, result: int, *, kernel: int, stride: int) -> Pads:
    """Resolve TensorFlow's padding from the sides before and after.

    SAME gives ⌈i/s⌉ with (o − 1)·s + k − i in all, the odd one behind; VALID gives ⌈(i − k + 1)/s⌉ with none. Where both
    give the same size, SAME pads nothing either.

    Returns:
        ``None`` where neither gives ``result``.
    """
    if result == math.ceil((source - kernel + 1) / stride):
        return 0, 0
    if result != math.ceil(source / stride):
        return None
    total = max(0, (result - 1) * stride + kernel - source)
    return total // 2, total - total // 2


def _cells_but(layer: Layer, left_out: frozenset[str]) -> dict[str, Value]:
    """Give a layer's cells without some columns."""
    told = layer_to_json(layer)
    defaults = {item.name: item.default for item in fields(Layer) if isinstance(item.default, int | float | str)}
    cells: dict[str, Value] = {
        **defaults,
        **told,
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
    }
    return {name: value for name, value in cells.items() if name not in left_out}
