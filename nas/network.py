"""A network of a space as a torch module, to be trained alone and exported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nas.space import Block, Choice, Space


class InvertedResidual(nn.Module):
    """Expand 1×1, depthwise k×k, project 1×1; adds its input where the block says so (Sandler et al., CVPR 2018)."""

    def __init__(self, in_channels: int, block: Block, *, stride: int) -> None:
        super().__init__()
        middle = in_channels * block.expansion
        expand = _convolution(in_channels, middle, kernel=1) if block.expansion > 1 else []
        depthwise = _convolution(middle, middle, kernel=block.kernel_size, stride=stride, groups=middle)
        project = _convolution(middle, block.channels, kernel=1, activation=False)
        self.body = nn.Sequential(*expand, *depthwise, *project)
        self.idskip = block.idskip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C', H', W')."""
        y: torch.Tensor = self.body(x)
        return x + y if self.idskip else y


class Network(nn.Module):
    """Stem, blocks, head: images (N, C, H, W) to class scores (N, classes)."""

    def __init__(self, space: Space, architecture: Sequence[Choice]) -> None:
        super().__init__()
        states = space.carried(architecture)
        blocks = [
            InvertedResidual(carried.channels, choice, stride=slot.stride)
            for slot, carried, choice in zip(space.slots, states, architecture, strict=False)
            if choice is not None
        ]
        self.stem = nn.Sequential(*_convolution(space.image.channels, space.stem_channels, kernel=3, stride=2))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(*_convolution(states[-1].channels, space.head_channels, kernel=1))
        self.classifier = nn.Linear(space.head_channels, space.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to class scores (N, classes)."""
        features: torch.Tensor = self.head(self.blocks(self.stem(images)))
        scores: torch.Tensor = self.classifier(features.mean((2, 3), keepdim=True).flatten(1))
        return scores


def _convolution(
    in_channels: int, channels: int, *, kernel: int, stride: int = 1, groups: int = 1, activation: bool = True
) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    normalisation = nn.BatchNorm2d(channels)
    return [convolution, normalisation, nn.ReLU6(inplace=True)] if activation else [convolution, normalisation]
