"""The weight-sharing network: every network of a space is a path through one set of weights.

A block takes the first so many channels and the middle of the largest kernel of its slot's convolutions (Cai et al.,
Once-for-All, ICLR 2020; here without its kernel transforms). Only blocks of one expansion ratio share: a depthwise
convolution of raw features and one of expanded features have nothing to learn from each other. Batch normalisation keeps no statistics while
training: they differ from path to path, so they are taken anew for every path that is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from nas.data import Tensor
from nas.network import InvertedResidual, Network
from nas.space import Block, Choice, Slot, Space
from nas.trellis import space_states


class SharedConvolution(nn.Module):
    """A convolution and its normalisation, of which a path uses a slice; depthwise where ``depthwise``."""

    def __init__(self, in_channels: int, channels: int, *, kernel: int, depthwise: bool = False) -> None:
        super().__init__()
        self.kernel, self.depthwise = kernel, depthwise
        self.weight = nn.Parameter(torch.empty(channels, 1 if depthwise else in_channels, kernel, kernel))
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor, channels: int, *, kernel: int = 1, stride: int = 1, activation: bool = True) -> Tensor:
        """Convolve (N, C, H, W) to (N, channels, H', W'), normalise over the batch, and apply ReLU6 if asked."""
        weight = self.slice(x.shape[1], channels, kernel)
        y = functional.conv2d(x, weight, None, stride, kernel // 2, 1, channels if self.depthwise else 1)
        y = functional.batch_norm(y, None, None, self.scale[:channels], self.shift[:channels], training=True)
        return functional.relu6(y) if activation else y

    def slice(self, in_channels: int, channels: int, kernel: int) -> Tensor:
        """Give a path's part of the kernel."""
        margin = (self.kernel - kernel) // 2
        middle = slice(margin, margin + kernel)
        return self.weight[:channels, : 1 if self.depthwise else in_channels, middle, middle]

    def hand_over(self, layers: nn.Sequential, at: int = 0) -> None:
        """Copy a path's part of the weights into the convolution and the normalisation that stand at a place."""
        convolution, normalisation = cast("nn.Conv2d", layers[at]), cast("nn.BatchNorm2d", layers[at + 1])
        channels, kernel = convolution.out_channels, convolution.kernel_size[0]
        with torch.no_grad():
            convolution.weight.copy_(self.slice(convolution.in_channels, channels, kernel))
            normalisation.weight.copy_(self.scale[:channels])
            normalisation.bias.copy_(self.shift[:channels])


class SharedBlock(nn.Module):
    """All inverted residuals of one expansion ratio that one slot can hold."""

    def __init__(self, in_channels: int, channels: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        middle = in_channels * expansion
        self.expansion, self.stride = expansion, stride
        self.expand = SharedConvolution(in_channels, middle, kernel=1) if expansion > 1 else None
        self.depthwise = SharedConvolution(middle, middle, kernel=kernel, depthwise=True)
        self.project = SharedConvolution(middle, channels, kernel=1)

    def forward(self, x: Tensor, block: Block) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W') as ``block`` would."""
        middle = x.shape[1] * self.expansion
        y: Tensor = x if self.expand is None else self.expand(x, middle)
        y = self.depthwise(y, middle, kernel=block.kernel_size, stride=self.stride)
        y = self.project(y, block.channels, activation=False)
        return x + y if block.idskip else y

    def hand_over(self, block: InvertedResidual) -> None:
        """Copy a path's part of the weights into a block of a network of its own."""
        convolutions = [shared for shared in (self.expand, self.depthwise, self.project) if shared is not None]
        for index, shared in enumerate(convolutions):
            shared.hand_over(block.body, 3 * index)


class SuperNetwork(nn.Module):
    """All networks of a space in one: images (N, C, H, W) and an architecture to class scores (N, classes)."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        widest = [max(carried.channels for carried in nodes) for nodes in space_states(space)]
        self.space = space
        self.stem = SharedConvolution(space.image.channels, space.stem_channels, kernel=3)
        self.slots = nn.ModuleList(_shared_blocks(slot, widest[index]) for index, slot in enumerate(space.slots))
        self.head = SharedConvolution(widest[-1], space.head_channels, kernel=1)
        self.classifier = nn.Linear(space.head_channels, space.classes)

    def forward(self, images: Tensor, architecture: Sequence[Choice]) -> Tensor:
        """Score images by one path. Normalisation is over the batch, whatever mode the module is in."""
        x = self.stem(images, self.space.stem_channels, kernel=3, stride=2)
        for index, choice in enumerate(architecture):
            x = x if choice is None else self._shared(index, choice)(x, choice)
        features: Tensor = self.head(x, self.space.head_channels)
        scores: Tensor = self.classifier(features.mean((2, 3)))
        return scores

    def cut_out(self, architecture: Sequence[Choice]) -> Network:
        """Copy one path into a network of its own, whose normalisation has no statistics yet."""
        network = Network(self.space, architecture)
        self.stem.hand_over(network.stem)
        self.head.hand_over(network.head)
        network.classifier.load_state_dict(self.classifier.state_dict())
        blocks = iter(network.blocks)
        for index, choice in enumerate(architecture):
            if choice is not None:
                self._shared(index, choice).hand_over(cast("InvertedResidual", next(blocks)))
        return network

    def _shared(self, index: int, block: Block) -> SharedBlock:
        return cast("SharedBlock", cast("nn.ModuleDict", self.slots[index])[str(block.expansion)])


def _shared_blocks(slot: Slot, in_channels: int) -> nn.ModuleDict:
    """Build a slot's shared blocks, by expansion ratio."""
    blocks = [choice for choice in slot.choices if choice is not None]
    kernel, channels = max(block.kernel_size for block in blocks), max(block.channels for block in blocks)
    return nn.ModuleDict(
        {
            str(expansion): SharedBlock(in_channels, channels, expansion=expansion, kernel=kernel, stride=slot.stride)
            for expansion in sorted({block.expansion for block in blocks})
        }
    )
