"""A network of a space as a torch module, to be trained alone and exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nas.networks.operations import IMAGE, Activation, Kind, Operation
from nas.space import Choice, Space

Tensor = torch.Tensor

Weighted = Callable[[Operation, Sequence[Tensor]], Tensor]
"""Computes an operation that has weights."""


class Convolution(nn.Module):
    """A convolution, transposed or not, with its normalisation; may add a residual, and ends in its activation."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.activation = operation.activation
        source, channels = operation.inputs[0].channels, operation.output.channels
        bias = not operation.normalised
        self.convolution: nn.Conv2d | nn.ConvTranspose2d
        if operation.kind is Kind.DECONVOLUTION:
            self.convolution = nn.ConvTranspose2d(
                source,
                channels,
                operation.kernel,
                operation.stride,
                operation.padding,
                operation.output_padding,
                bias=bias,
            )
        else:
            self.convolution = nn.Conv2d(
                source,
                channels,
                operation.kernel,
                operation.stride,
                operation.padding,
                groups=operation.groups,
                bias=bias,
            )
        self.normalisation = nn.BatchNorm2d(channels) if operation.normalised else None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W')."""
        y: Tensor = self.convolution(x)
        y = y if self.normalisation is None else self.normalisation(y)
        return activate(y if residual is None else residual + y, self.activation)

    def folded(self) -> nn.Conv2d | nn.ConvTranspose2d:
        """Give the convolution alone, with the normalisation of evaluation mode folded into its weights and bias."""
        if self.normalisation is None:
            return self.convolution
        transposed = isinstance(self.convolution, nn.ConvTranspose2d)
        return fuse_conv_bn_eval(self.convolution, self.normalisation, transpose=transposed)


class Normalisation(nn.Module):
    """Batch normalisation alone, which ends in its activation."""

    def __init__(self, operation: Operation) -> None:
        super().__init__()
        self.activation = operation.activation
        self.normalisation = nn.BatchNorm2d(operation.output.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return activate(self.normalisation(x), self.activation)


class Network(nn.Module):
    """One network of a space: images (N, C, H, W) to scores, (N, classes) or (N, classes, H, W)."""

    def __init__(self, space: Space, architecture: Sequence[Choice]) -> None:
        super().__init__()
        self.operations = space.operations(architecture)
        self.layers = nn.ModuleDict({one.weights: _layer(one) for one in self.operations if one.weights})

    def forward(self, images: Tensor) -> Tensor:
        """Score images."""
        return compute(self.operations, images, lambda operation, read: self.layers[operation.weights](*read))


def compute(operations: Sequence[Operation], images: Tensor, weighted: Weighted) -> Tensor:
    """Run operations from top to bottom and give what the last one writes.

    Args:
        operations: in the order in which they run.
        images: what the first reads, (N, C, H, W).
        weighted: computes those that have weights.
    """
    tensors = {IMAGE: images}
    for operation in operations:
        read = [tensors[name] for name in operation.reads]
        tensors[operation.writes] = weighted(operation, read) if operation.weights else _weightless(operation, read)
    return tensors[operations[-1].writes]


def activate(x: Tensor, activation: Activation | None) -> Tensor:
    """Apply an activation, or none; ``x`` may be overwritten."""
    match activation:
        case None:
            return x
        case Activation.RELU:
            return functional.relu(x, inplace=True)
        case Activation.RELU6:
            if not torch.is_grad_enabled():
                return functional.relu6(x, inplace=True)
            clipped: Tensor = _Clip.apply(x)  # type: ignore[no-untyped-call]  # torch publishes no type of it
            return clipped


class _Clip(torch.autograd.Function):
    """ReLU6 in place, whose gradient is told from its result: torch's own copies what it overwrites, a tenth of a step."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        """Clip to 0 to 6."""
        ctx.mark_dirty(x)
        ctx.save_for_backward(x.clamp_(0, 6))
        return x

    @staticmethod
    def backward(ctx: torch.autograd.function.BackwardCFunction, *gradients: Tensor) -> Tensor:
        """Let the gradient through where nothing was clipped."""
        (clipped,) = ctx.saved_tensors
        passed: Tensor = torch.ops.aten.hardtanh_backward(gradients[0], clipped, 0, 6)
        return passed


def _layer(operation: Operation) -> nn.Module:
    if operation.kind is Kind.DENSE:
        return nn.Linear(operation.inputs[0].channels, operation.output.channels)
    return Normalisation(operation) if operation.kind is Kind.NORMALISATION else Convolution(operation)


def _weightless(operation: Operation, read: Sequence[Tensor]) -> Tensor:
    window = (operation.kernel, operation.stride, operation.padding)
    match operation.kind:
        case Kind.AVERAGE_POOL:
            result = functional.avg_pool2d(read[0], *window, count_include_pad=False)
        case Kind.MAX_POOL:
            result = functional.max_pool2d(read[0], *window)
        case Kind.GLOBAL_POOL:
            result = read[0].mean((2, 3), keepdim=True)
        case Kind.FLATTEN:
            result = read[0].flatten(1)
        case Kind.ADD:
            result = read[0] + read[1]
        case Kind.CONCATENATE:
            result = torch.cat(list(read), 1)
        case Kind.ALIAS:
            result = read[0]
        case Kind.RELU:
            result = functional.relu(read[0])
        case _:
            raise ValueError(f"{operation.kind} has weights")
    return result
