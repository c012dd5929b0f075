"""Small networks of torch, and the two ways in which it writes them as ONNX."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn


class SqueezeExcitation(nn.Module):
    """Weigh the channels by what they hold on average (MobileNetV3's)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = nn.functional.hardsigmoid(self.excite(torch.relu(self.squeeze(self.pool(x)))))
        return x * weights


def convolution(
    channels_in: int,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None,
) -> nn.Sequential:
    parts = [
        nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
    ]
    return nn.Sequential(*parts, *([activation()] if activation else []))


class InvertedResidual(nn.Module):
    """Expand, convolve each channel, project; add the input where the shapes are alike."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int,
        *,
        stride: int,
        expansion: int,
        activation: type[nn.Module],
        squeezes: bool,
    ) -> None:
        super().__init__()
        middle = channels_in * expansion
        expand = [convolution(channels_in, middle, 1, activation=activation)] if expansion > 1 else []
        depthwise = convolution(middle, middle, kernel, stride=stride, groups=middle, activation=activation)
        squeeze = [SqueezeExcitation(middle)] if squeezes else []
        self.body = nn.Sequential(*expand, depthwise, *squeeze, convolution(middle, channels, 1, activation=None))
        self.adds = stride == 1 and channels_in == channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.adds else self.body(x)


class MobileNet(nn.Module):
    """A stem, four blocks (the first without expansion, the second strides, the third adds its input), a head."""

    def __init__(self, *, activation: type[nn.Module] = nn.ReLU6, squeezes: bool = False) -> None:
        super().__init__()
        blocks = [(8, 8, 3, 1, 1), (8, 16, 3, 2, 6), (16, 16, 5, 1, 6), (16, 24, 3, 1, 4)]
        self.features = nn.Sequential(
            convolution(3, 8, 3, stride=2, activation=activation),
            *(
                InvertedResidual(
                    source, result, kernel, stride=stride, expansion=expansion, activation=activation, squeezes=squeezes
                )
                for source, result, kernel, stride, expansion in blocks
            ),
            convolution(24, 32, 1, activation=activation),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(32, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x)


class Decoder(nn.Module):
    """Halve, double by a transposed convolution, and join with the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.down = convolution(3, 8, 3, stride=2, activation=nn.ReLU6)
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.out = nn.Conv2d(7, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.cat([x, self.up(self.down(x))], 1))


class Transformer(nn.Module):
    """Embed words and positions, attend once, think once, and score words by the embedding's own weights."""

    WORDS, WIDTH, HEADS = 100, 32, 4

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(self.WORDS, self.WIDTH)
        self.positions = nn.Embedding(64, self.WIDTH)
        self.before_attention, self.before_thinking = nn.LayerNorm(self.WIDTH), nn.LayerNorm(self.WIDTH)
        self.queries, self.keys, self.values = (nn.Linear(self.WIDTH, self.WIDTH) for _ in range(3))
        self.attended = nn.Linear(self.WIDTH, self.WIDTH)
        self.think = nn.Sequential(nn.Linear(self.WIDTH, 128), nn.GELU(), nn.Linear(128, self.WIDTH))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        batch, length = words.shape
        x = self.words(words) + self.positions(torch.arange(length))
        read = self.before_attention(x)
        split = (batch, length, self.HEADS, self.WIDTH // self.HEADS)
        q, k, v = (layer(read).reshape(split).transpose(1, 2) for layer in (self.queries, self.keys, self.values))
        weights = torch.softmax(q @ k.transpose(-1, -2) / (self.WIDTH // self.HEADS) ** 0.5, -1)
        x = x + self.attended((weights @ v).transpose(1, 2).reshape(batch, length, self.WIDTH))
        x = x + self.think(self.before_thinking(x))
        return x @ self.words.weight.T


def export(module: nn.Module, example: torch.Tensor, path: Path, *, dynamo: bool, **options: object) -> Path:
    """Write a network with weights of its own in every place: exporters drop a bias of zeros and merge equal weights."""
    generator = torch.Generator().manual_seed(0)
    floats = [buffer for buffer in module.buffers() if buffer.dtype.is_floating_point]
    with torch.no_grad():
        for tensor in (*module.parameters(), *floats):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.4 + 0.1)
    with _quiet():
        torch.onnx.export(module.eval(), (example,), str(path), dynamo=dynamo, verbose=False, **options)
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters from talking, and from warning of their own end."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
