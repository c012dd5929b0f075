"""The weight-sharing network: every network of a space is a path through one set of weights.

An operation takes the first so many channels and the middle of the largest kernel of the weights that it names (Cai et
al., Once-for-All, ICLR 2020; here without its kernel transforms). Batch normalisation keeps no statistics while training:
they differ from path to path, so they are taken anew for every path that is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from nas.network import Convolution, Network, Tensor, activate, compute
from nas.operations import Kind, Operation
from nas.space import Choice, Space


@dataclass(slots=True)
class _Extent:
    """The largest that operations of one name need."""

    kind: Kind
    depthwise: bool
    normalised: bool
    in_channels: int = 0
    channels: int = 0
    kernel: tuple[int, int] = (0, 0)

    def cover(self, operation: Operation) -> None:
        self.in_channels = max(self.in_channels, operation.inputs[0].channels)
        self.channels = max(self.channels, operation.output.channels)
        self.kernel = (max(self.kernel[0], operation.kernel[0]), max(self.kernel[1], operation.kernel[1]))


class SharedConvolution(nn.Module):
    """A convolution and its normalisation, of which a path uses a slice."""

    def __init__(self, extent: _Extent) -> None:
        super().__init__()
        self.kernel, self.depthwise = extent.kernel, extent.depthwise
        self.transposed = extent.kind is Kind.DECONVOLUTION
        inner = 1 if extent.depthwise else extent.in_channels
        outer = (inner, extent.channels) if self.transposed else (extent.channels, inner)
        self.weight = nn.Parameter(torch.empty(*outer, *extent.kernel))
        self.scale = nn.Parameter(torch.ones(extent.channels)) if extent.normalised else None
        self.shift = nn.Parameter(torch.zeros(extent.channels))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, operation: Operation, read: Sequence[Tensor]) -> Tensor:
        """Convolve (N, C, H, W) to (N, C', H', W'), normalise over the batch, add a residual, activate."""
        channels, weight = operation.output.channels, self.slice(operation)
        bias = self.shift[:channels] if self.scale is None else None
        y = _convolve(operation, read[0], weight, bias)
        if self.scale is not None:
            y = functional.batch_norm(y, None, None, self.scale[:channels], self.shift[:channels], training=True)
        return activate(read[1] + y if operation.adds else y, operation.activation)

    def slice(self, operation: Operation) -> Tensor:
        """Give a path's part of the kernel."""
        rows, columns = (
            slice((whole - part) // 2, (whole - part) // 2 + part)
            for whole, part in zip(self.kernel, operation.kernel, strict=True)
        )
        inner = slice(1 if self.depthwise else operation.inputs[0].channels)
        outer = slice(operation.output.channels)
        return self.weight[(inner, outer, rows, columns) if self.transposed else (outer, inner, rows, columns)]

    def hand_over(self, operation: Operation, layer: Convolution) -> None:
        """Copy a path's part of the weights into a layer of a network of its own."""
        channels = operation.output.channels
        with torch.no_grad():
            layer.convolution.weight.copy_(self.slice(operation))
            if layer.normalisation is not None and self.scale is not None:
                layer.normalisation.weight.copy_(self.scale[:channels])
                layer.normalisation.bias.copy_(self.shift[:channels])
            elif layer.convolution.bias is not None:
                layer.convolution.bias.copy_(self.shift[:channels])


class SuperNetwork(nn.Module):
    """All networks of a space in one: images (N, C, H, W) and an architecture to scores."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        extents: dict[str, _Extent] = {}
        for operation in space.every_operation():
            if operation.weights:
                fresh = _Extent(operation.kind, operation.depthwise, operation.normalised)
                extents.setdefault(operation.weights, fresh).cover(operation)
        self.layers = nn.ModuleDict({name: _shared(extent) for name, extent in extents.items()})

    def forward(self, images: Tensor, architecture: Sequence[Choice]) -> Tensor:
        """Score images by one path. Normalisation is over the batch, whatever mode the module is in."""
        return compute(self.space.operations(architecture), images, self._weighted)

    def cut_out(self, architecture: Sequence[Choice]) -> Network:
        """Copy one path into a network of its own, whose normalisation has no statistics yet."""
        network = Network(self.space, architecture)
        for operation in network.operations:
            if operation.kind is Kind.DENSE:
                network.layers[operation.weights].load_state_dict(self.layers[operation.weights].state_dict())
            elif operation.weights:
                shared = cast("SharedConvolution", self.layers[operation.weights])
                shared.hand_over(operation, cast("Convolution", network.layers[operation.weights]))
        return network

    def _weighted(self, operation: Operation, read: Sequence[Tensor]) -> Tensor:
        layer = self.layers[operation.weights]
        result: Tensor = layer(read[0]) if operation.kind is Kind.DENSE else layer(operation, read)
        return result


def _shared(extent: _Extent) -> nn.Module:
    if extent.kind is Kind.DENSE:
        return nn.Linear(extent.in_channels, extent.channels)
    return SharedConvolution(extent)


def _convolve(operation: Operation, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    window = (operation.stride, operation.padding)
    if operation.kind is Kind.DECONVOLUTION:
        return functional.conv_transpose2d(x, weight, bias, *window, operation.output_padding)
    return functional.conv2d(x, weight, bias, *window, 1, operation.groups)
