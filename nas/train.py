"""Gradient descent, once for all: a network alone, or a weight-sharing network with another path at every step."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from nas.checkpoint import Checkpoint, Training
from nas.data import Data, Split, Tensor, shifted
from nas.network import Network
from nas.space import Architecture, Space

Module = TypeVar("Module", bound=nn.Module)

Advance = Callable[[int, str], None]
"""Takes how many steps are done and a note on how it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast to learn: SGD with Nesterov momentum, a linear warm-up, then a cosine down to zero."""

    epochs: int
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises."""

    def steps(self, images: int) -> int:
        """Count the steps over a number of training images; an incomplete batch at an epoch's end is left out."""
        return self.epochs * max(1, images // self.batch_size)

    def rate(self, step: int, steps: int) -> float:
        """Give a step's learning rate."""
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return self.learning_rate * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2


@contextlib.contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Let torch compute the same twice: seeded, deterministic, on a fixed number of threads; set back afterwards."""
    before_threads, before_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(before_deterministic)
        torch.set_num_threads(before_threads)


def train_alone(
    space: Space,
    architecture: Architecture,
    data: Data,
    schedule: Schedule,
    *,
    seed: int,
    threads: int,
    advance: Advance,
    checkpoint: Checkpoint | None = None,
) -> Network:
    """Train one network of a space from fresh weights; the same seed gives the same weights on the same machine.

    With a checkpoint, the training goes on where it was stopped, and comes to the same weights.
    """
    with reproducible(seed, threads):
        network = channels_last(Network(space, architecture))
        descend(network, network.forward, data.train, schedule, seed=seed, advance=advance, checkpoint=checkpoint)
    return network.eval()


def channels_last(module: Module) -> Module:
    """Lay a module's weights out in channels-last order, in which depthwise convolutions train twice as fast."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave this form out
    return module


def descend(
    module: nn.Module,
    forward: Callable[[Tensor], Tensor],
    train: Split,
    schedule: Schedule,
    *,
    seed: int,
    advance: Advance,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Minimise the cross-entropy of ``forward`` over shifted training images.

    Args:
        module: whose parameters learn. Those that a step does not touch stay as they are.
        forward: from images to class scores; called once a step.
        train: what to learn from.
        schedule: how long and how fast.
        seed: of the order of the images and of their shifts.
        advance: told about every step.
        checkpoint: where the state is kept, and taken up again.

    Raises:
        ResumeError: what is kept is no state of this training.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(
        module.parameters(),
        lr=schedule.learning_rate,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        nesterov=True,
    )
    module.train()
    steps = schedule.steps(len(train))
    per_epoch = steps // schedule.epochs
    batch_size = min(schedule.batch_size, len(train))
    training = Training(module=module, optimiser=optimiser, generator=generator)
    if checkpoint is not None:
        checkpoint.restore(training)
        if training.step:
            advance(training.step, "kept from before")
    for step in range(training.step, steps):
        if step % per_epoch == 0:
            training.order = torch.randperm(len(train), generator=generator)
        batch = training.order[(step % per_epoch) * batch_size :][:batch_size]
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step, steps)
        images = shifted(train.images[batch], generator).contiguous(memory_format=torch.channels_last)
        loss = nn.functional.cross_entropy(forward(images), train.labels[batch])
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        training.step = step + 1
        if checkpoint is not None:
            checkpoint.offer(training, last=training.step == steps)
        if (step + 1) % per_epoch == 0 or step + 1 == steps:
            advance(step + 1, f"loss {loss.item():.3f}")


@torch.no_grad()
def accuracy_of(forward: Callable[[Tensor], Tensor], split: Split, *, batch_size: int = 512) -> float:
    """Give the share of a split's images whose highest score is their label's, in [0, 1]."""
    right = 0
    for start in range(0, len(split), batch_size):
        images = split.images[start : start + batch_size].contiguous(memory_format=torch.channels_last)
        right += int((forward(images).argmax(1) == split.labels[start : start + batch_size]).sum())
    return right / len(split)
