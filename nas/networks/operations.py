"""What a network computes, as a list of operations: the one source of its torch module, its layers, its ONNX file.

An operation reads named tensors and writes one; running a list from top to bottom is running the network. Names are used
again, as registers are: what a block writes under ``x1`` replaces what the block before it wrote there. An operation
that has weights names them, and in a weight-sharing network all paths that use one name use the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

IMAGE = "image"
"""The name under which a network finds its input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMap:
    """The shape of one image's activations."""

    channels: int
    height: int
    width: int

    @property
    def volume(self) -> int:
        """How many elements there are."""
        return self.channels * self.height * self.width


class Kind(StrEnum):
    """What an operation does."""

    CONVOLUTION = "convolution"
    DECONVOLUTION = "deconvolution"
    """A transposed convolution."""
    AVERAGE_POOL = "average-pool"
    """Padding counts for nothing."""
    MAX_POOL = "max-pool"
    GLOBAL_POOL = "global-pool"
    """The mean over height and width."""
    FLATTEN = "flatten"
    DENSE = "dense"
    ADD = "add"
    CONCATENATE = "concatenate"
    """Along the channels."""
    RELU = "relu"
    NORMALISATION = "normalisation"
    """Batch normalisation that is no convolution's."""
    ALIAS = "alias"
    """A second name for a tensor: nothing runs."""


class Activation(StrEnum):
    """What is applied to a convolution's result."""

    RELU = "Relu"
    RELU6 = "Relu6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation with the shapes of one image."""

    kind: Kind
    reads: tuple[str, ...]
    writes: str
    inputs: tuple[FeatureMap, ...]
    """Of what is read."""
    output: FeatureMap
    weights: str = ""
    """Name of its weights; empty where it has none."""
    kernel: tuple[int, int] = (1, 1)
    """Height and width."""
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    """Above and below, left and right."""
    groups: int = 1
    normalised: bool = True
    """Whether a convolution's result is batch-normalised; one that is not has a bias."""
    adds: bool = False
    """Whether a convolution adds the last tensor it reads to its result, before the activation."""
    activation: Activation | None = None
    order: int = 0
    """Operations run by rising order, and as they are listed within one; 0 where the list is in order anyway."""

    @property
    def runs(self) -> bool:
        """Whether anything is computed: not where a tensor only gets another name."""
        return self.kind is not Kind.ALIAS and (self.kind is not Kind.CONCATENATE or len(self.reads) > 1)

    @property
    def depthwise(self) -> bool:
        """Whether every channel has a filter of its own."""
        return self.groups > 1 and self.groups == self.inputs[0].channels

    @property
    def output_padding(self) -> tuple[int, int]:
        """Rows and columns that a transposed convolution adds below and to the right to reach its output's size."""
        sides = zip(
            (self.inputs[0].height, self.inputs[0].width),
            (self.output.height, self.output.width),
            self.kernel,
            self.padding,
            strict=True,
        )
        down, right = (made - ((read - 1) * self.stride - 2 * pad + kernel) for read, made, kernel, pad in sides)
        return down, right


def convolution(
    name: str,
    source: FeatureMap,
    *,
    channels: int,
    weights: str,
    writes: str,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    depthwise: bool = False,
    activation: Activation | None = None,
    residual: tuple[str, FeatureMap] | None = None,
    normalised: bool = True,
    padded: bool = True,
) -> Operation:
    """Convolve the tensor called ``name``; at stride 1 the image keeps its size, at stride s each side is ⌈side/s⌉.

    Not padded, the kernel stays inside the image, which loses its border.

    Args:
        name: what is read.
        source: its shape.
        channels: of the result.
        weights: their name.
        writes: name of the result.
        kernel: side, or height and width; odd.
        stride: in both directions.
        depthwise: whether every channel has a filter of its own.
        activation: applied last.
        residual: name and shape of what is added before the activation.
        normalised: whether batch normalisation follows the convolution, instead of a bias.
        padded: whether the kernel may stand over the border.
    """
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return Operation(
        kind=Kind.CONVOLUTION,
        reads=(name,) if residual is None else (name, residual[0]),
        writes=writes,
        inputs=(source,) if residual is None else (source, residual[1]),
        output=strided(source, stride, channels) if padded else _inside(source, (height, width), stride, channels),
        weights=weights,
        kernel=(height, width),
        stride=stride,
        padding=(height // 2, width // 2) if padded else (0, 0),
        groups=source.channels if depthwise else 1,
        normalised=normalised,
        adds=residual is not None,
        activation=activation,
    )


def strided(source: FeatureMap, stride: int, channels: int) -> FeatureMap:
    """Give the shape behind a stride, sides rounded up, with so many channels."""
    return FeatureMap(channels=channels, height=-(-source.height // stride), width=-(-source.width // stride))


def separable_convolution(
    name: str,
    source: FeatureMap,
    *,
    channels: int,
    weights: str,
    writes: str,
    kernel: int,
    activation: Activation,
    stride: int = 1,
    residual: tuple[str, FeatureMap] | None = None,
) -> tuple[Operation, Operation]:
    """Convolve every channel by itself, then across them (Howard et al., 2017), each with its normalisation and activation.

    Arguments are those of :func:`convolution`; ``weights`` begins the names of both.
    """
    depthwise = convolution(
        name,
        source,
        channels=source.channels,
        weights=f"{weights}_depthwise",
        writes=f"{writes}_middle",
        kernel=kernel,
        stride=stride,
        depthwise=True,
        activation=activation,
    )
    pointwise = convolution(
        depthwise.writes,
        depthwise.output,
        channels=channels,
        weights=f"{weights}_pointwise",
        writes=writes,
        activation=activation,
        residual=residual,
    )
    return depthwise, pointwise


def deconvolution(
    name: str,
    source: FeatureMap,
    *,
    channels: int,
    size: FeatureMap,
    weights: str,
    writes: str,
    kernel: int = 3,
    activation: Activation | None = None,
) -> Operation:
    """Double the sides by a transposed convolution; ``size`` says which of the two doubles it is, odd or even."""
    return Operation(
        kind=Kind.DECONVOLUTION,
        reads=(name,),
        writes=writes,
        inputs=(source,),
        output=replace(size, channels=channels),
        weights=weights,
        kernel=(kernel, kernel),
        stride=2,
        padding=(kernel // 2, kernel // 2),
        activation=activation,
    )


def pooling(
    kind: Kind,
    name: str,
    source: FeatureMap,
    *,
    writes: str,
    kernel: int = 3,
    stride: int = 1,
    padded: bool = True,
) -> Operation:
    """Take the mean or the largest of every window; sides are those of :func:`convolution`."""
    window, channels = (kernel, kernel), source.channels
    return Operation(
        kind=kind,
        reads=(name,),
        writes=writes,
        inputs=(source,),
        output=strided(source, stride, channels) if padded else _inside(source, window, stride, channels),
        kernel=window,
        stride=stride,
        padding=(kernel // 2, kernel // 2) if padded else (0, 0),
    )


def concatenation(parts: Sequence[tuple[str, FeatureMap]], *, writes: str) -> Operation:
    """Put tensors of one size together, by name and shape, channel after channel; one alone only gets a name."""
    shapes = tuple(shape for _, shape in parts)
    return Operation(
        kind=Kind.CONCATENATE,
        reads=tuple(name for name, _ in parts),
        writes=writes,
        inputs=shapes,
        output=replace(shapes[0], channels=sum(shape.channels for shape in shapes)),
    )


def _inside(source: FeatureMap, kernel: tuple[int, int], stride: int, channels: int) -> FeatureMap:
    """Give the shape behind a window that stays inside the image."""
    height, width = (
        (side - size) // stride + 1 for side, size in zip((source.height, source.width), kernel, strict=True)
    )
    return FeatureMap(channels=channels, height=height, width=width)


def classifier(name: str, source: FeatureMap, classes: int) -> tuple[Operation, ...]:
    """Average over the image and score every class."""
    pooled = FeatureMap(channels=source.channels, height=1, width=1)
    scores = FeatureMap(channels=classes, height=1, width=1)
    return (
        Operation(kind=Kind.GLOBAL_POOL, reads=(name,), writes="pooled", inputs=(source,), output=pooled),
        Operation(kind=Kind.FLATTEN, reads=("pooled",), writes="features", inputs=(pooled,), output=pooled),
        Operation(
            kind=Kind.DENSE,
            reads=("features",),
            writes="scores",
            inputs=(pooled,),
            output=scores,
            weights="classifier",
            normalised=False,
        ),
    )


def in_order(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Sort operations into the order in which they run."""
    return tuple(sorted(operations, key=lambda operation: operation.order))
