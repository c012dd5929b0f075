"""The weight-sharing network: every network of a space is a path through one set of weights.

An operation takes the first so many channels and the middle of the largest kernel of the weights that it names (Cai et
al., Once-for-All, ICLR 2020; here without its kernel transforms). Batch normalisation keeps no statistics while training:
they differ from path to path, so they are taken anew for every path that is asked about. Of a concatenation, every part
has its own place among the weights that read it, and takes the first so many channels of that (``nas.networks.parts``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from nas.networks.network import Convolution, Network, Normalisation, Tensor, activate, compute
from nas.networks.operations import Kind, Operation
from nas.networks.parts import Parts, parts_read
from nas.space import Choice, Space


@dataclass(slots=True)
class _Extent:
    """The largest that operations of one name need."""

    kind: Kind
    depthwise: bool
    normalised: bool
    parts: dict[str, int] = field(default_factory=dict)
    """Channels of what is read, by origin."""
    channels: int = 0
    kernel: tuple[int, int] = (0, 0)

    def cover(self, operation: Operation, parts: Parts) -> None:
        for origin, channels in parts:
            self.parts[origin] = max(channels, self.parts.get(origin, 0))
        self.channels = self.in_channels if self.depthwise else max(self.channels, operation.output.channels)
        self.kernel = (max(self.kernel[0], operation.kernel[0]), max(self.kernel[1], operation.kernel[1]))

    @property
    def in_channels(self) -> int:
        return sum(self.parts.values())


class _Places:
    """Where the parts of what is read have their weights."""

    def __init__(self, extent: _Extent) -> None:
        ends = itertools.accumulate(extent.parts.values())
        self.first = {name: end - extent.parts[name] for name, end in zip(extent.parts, ends, strict=True)}

    def pick(self, tensor: Tensor, axis: int, parts: Parts) -> Tensor:
        """Take the first so many of every part along an axis."""
        picked = [tensor.narrow(axis, self.first[origin], channels) for origin, channels in parts]
        return picked[0] if len(picked) == 1 else torch.cat(picked, axis)


class SharedConvolution(nn.Module):
    """A convolution and its normalisation, of which a path uses a slice."""

    def __init__(self, extent: _Extent) -> None:
        super().__init__()
        self.kernel, self.depthwise, self.places = extent.kernel, extent.depthwise, _Places(extent)
        self.transposed = extent.kind is Kind.DECONVOLUTION
        inner = 1 if extent.depthwise else extent.in_channels
        outer = (inner, extent.channels) if self.transposed else (extent.channels, inner)
        self.weight = nn.Parameter(torch.empty(*outer, *extent.kernel))
        self.scale = nn.Parameter(torch.ones(extent.channels)) if extent.normalised else None
        self.shift = nn.Parameter(torch.zeros(extent.channels))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, operation: Operation, read: Sequence[Tensor], parts: Parts) -> Tensor:
        """Convolve (N, C, H, W) to (N, C', H', W'), normalise over the batch, add a residual, activate."""
        weight, scale, shift = self.slice(operation, parts)
        y = _convolve(operation, read[0], weight, shift if scale is None else None)
        if scale is not None:
            y = functional.batch_norm(y, None, None, scale, shift, training=True)
        return activate(read[1] + y if operation.adds else y, operation.activation)

    def slice(self, operation: Operation, parts: Parts) -> tuple[Tensor, Tensor | None, Tensor]:
        """Give a path's part of kernel, scale and shift."""
        rows, columns = (
            slice((whole - part) // 2, (whole - part) // 2 + part)
            for whole, part in zip(self.kernel, operation.kernel, strict=True)
        )
        middle, channels = self.weight[:, :, rows, columns], operation.output.channels
        if self.depthwise:
            scale = None if self.scale is None else self.places.pick(self.scale, 0, parts)
            return self.places.pick(middle, 0, parts), scale, self.places.pick(self.shift, 0, parts)
        inner, outer = (0, 1) if self.transposed else (1, 0)
        weight = self.places.pick(middle, inner, parts).narrow(outer, 0, channels)
        return weight, None if self.scale is None else self.scale[:channels], self.shift[:channels]

    def hand_over(self, operation: Operation, parts: Parts, layer: nn.Module) -> None:
        """Copy a path's part of the weights into a layer of a network of its own."""
        own = cast("Convolution", layer)
        weight, scale, shift = self.slice(operation, parts)
        with torch.no_grad():
            own.convolution.weight.copy_(weight)
            if own.normalisation is not None and scale is not None:
                own.normalisation.weight.copy_(scale)
                own.normalisation.bias.copy_(shift)
            elif own.convolution.bias is not None:
                own.convolution.bias.copy_(shift)


class SharedDense(nn.Module):
    """A dense layer, of which a path uses the columns of what it reads."""

    def __init__(self, extent: _Extent) -> None:
        super().__init__()
        self.places = _Places(extent)
        self.whole = nn.Linear(extent.in_channels, extent.channels)

    def forward(self, _: Operation, read: Sequence[Tensor], parts: Parts) -> Tensor:
        """Map (N, C) to (N, C')."""
        return functional.linear(read[0], self.places.pick(self.whole.weight, 1, parts), self.whole.bias)

    def hand_over(self, _: Operation, parts: Parts, layer: nn.Module) -> None:
        """Copy a path's part of the weights into a layer of a network of its own."""
        own = cast("nn.Linear", layer)
        with torch.no_grad():
            own.weight.copy_(self.places.pick(self.whole.weight, 1, parts))
            own.bias.copy_(self.whole.bias)


class SharedNormalisation(nn.Module):
    """A batch normalisation that is no convolution's, of which a path uses the first so many channels."""

    def __init__(self, extent: _Extent) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(extent.channels))
        self.shift = nn.Parameter(torch.zeros(extent.channels))

    def forward(self, operation: Operation, read: Sequence[Tensor], _: Parts) -> Tensor:
        """Normalise (N, C, H, W) over the batch, activate."""
        channels = operation.output.channels
        y = functional.batch_norm(read[0], None, None, self.scale[:channels], self.shift[:channels], training=True)
        return activate(y, operation.activation)

    def hand_over(self, operation: Operation, _: Parts, layer: nn.Module) -> None:
        """Copy a path's part of the weights into a layer of a network of its own."""
        own, channels = cast("Normalisation", layer).normalisation, operation.output.channels
        with torch.no_grad():
            own.weight.copy_(self.scale[:channels])
            own.bias.copy_(self.shift[:channels])


class SuperNetwork(nn.Module):
    """All networks of a space in one: images (N, C, H, W) and an architecture to scores."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        extents: dict[str, _Extent] = {}
        for operation, parts in parts_read(space.every_operation(), of_all_paths=True):
            if operation.weights:
                fresh = _Extent(operation.kind, operation.depthwise, operation.normalised)
                extents.setdefault(operation.weights, fresh).cover(operation, parts)
        self.layers = nn.ModuleDict({name: _shared(extent) for name, extent in extents.items()})

    def forward(self, images: Tensor, architecture: Sequence[Choice]) -> Tensor:
        """Score images by one path. Normalisation is over the batch, whatever mode the module is in."""
        operations = self.space.operations(architecture)
        parts = {operation.weights: read for operation, read in parts_read(operations)}

        def weighted(operation: Operation, read: Sequence[Tensor]) -> Tensor:
            result: Tensor = self.layers[operation.weights](operation, read, parts[operation.weights])
            return result

        return compute(operations, images, weighted)

    def cut_out(self, architecture: Sequence[Choice]) -> Network:
        """Copy one path into a network of its own, whose normalisation has no statistics yet."""
        network = Network(self.space, architecture)
        for operation, parts in parts_read(network.operations):
            if operation.weights:
                shared = cast("SharedConvolution | SharedDense | SharedNormalisation", self.layers[operation.weights])
                shared.hand_over(operation, parts, network.layers[operation.weights])
        return network


def _shared(extent: _Extent) -> nn.Module:
    match extent.kind:
        case Kind.DENSE:
            return SharedDense(extent)
        case Kind.NORMALISATION:
            return SharedNormalisation(extent)
        case _:
            return SharedConvolution(extent)


def _convolve(operation: Operation, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    window = (operation.stride, operation.padding)
    if operation.kind is Kind.DECONVOLUTION:
        return functional.conv_transpose2d(x, weight, bias, *window, operation.output_padding)
    return functional.conv2d(x, weight, bias, *window, 1, operation.groups)
