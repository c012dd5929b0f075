"""Gradient descent, once for all: a network alone, or a weight-sharing network with another path at every step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from nas.datasets.splits import Data, Split, Tensor
from nas.networks.network import Network
from nas.space import Architecture, Space
from nas.training.checkpoint import Checkpoint, Training
from nas.training.curve import CurvePoint, is_watched
from nas.training.quality import accuracy_of
from nas.training.schedule import Schedule

Module = TypeVar("Module", bound=nn.Module)

Advance = Callable[[int, str], None]
"""Takes how many steps are done and a note on how it goes."""


_STEPS_BETWEEN_NOTES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network that was trained alone, in evaluation mode, and how it came about."""

    network: Network
    curve: tuple[CurvePoint, ...]
    """Accuracy on the validation images while it trained."""


@contextlib.contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Let torch compute the same twice: seeded, deterministic, on a fixed number of threads; set back afterwards."""
    before_threads, before_deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    # Some of a GPU's operations have no deterministic form; there they may run.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
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
) -> Trained:
    """Train one network of a space from fresh weights; the same seed gives the same weights on the same machine.

    With a checkpoint, the training goes on where it was stopped, and comes to the same weights. The validation images
    only tell how it goes: nothing is stopped or chosen by them.
    """
    with reproducible(seed, threads):
        network = channels_last(Network(space, architecture)).to(data.train.device)
        curve = descend(
            network,
            network.forward,
            data.train,
            schedule,
            seed=seed,
            advance=advance,
            checkpoint=checkpoint,
            validation=data.validation,
        )
    return Trained(network=network.eval(), curve=curve)


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
    validation: Split | None = None,
) -> tuple[CurvePoint, ...]:
    """Minimise the cross-entropy of ``forward`` over training images, changed at random; give the looks at its way.

    Of masks, it is the mean over all pixels.

    Args:
        module: whose parameters learn. Those that a step does not touch stay as they are.
        forward: from images to scores, (N, classes) or (N, classes, H, W); called once a step.
        train: what to learn from.
        schedule: how long and how fast.
        seed: of the order of the images and of how they are changed.
        advance: told how it goes, once an epoch at least.
        checkpoint: where the state is kept, and taken up again.
        validation: what the module is looked at on meanwhile; ``None`` for not at all.

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
    per_epoch = schedule.steps_per_epoch(len(train))
    often = min(per_epoch, _STEPS_BETWEEN_NOTES)
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
        images, labels = train.augmented(batch, generator)
        loss = nn.functional.cross_entropy(forward(images), labels)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        training.step = step + 1
        if validation is not None and is_watched(training.step, schedule, len(train)):
            training.curve.append(_look(module, forward, validation, training.step / per_epoch))
        if checkpoint is not None:
            checkpoint.offer(training, last=training.step == steps)
        if training.step % often == 0 or training.step == steps:
            advance(training.step, f"loss {loss.item():.3f}")
    return tuple(training.curve)


def _look(module: nn.Module, forward: Callable[[Tensor], Tensor], validation: Split, epochs: float) -> CurvePoint:
    module.eval()
    accuracy = accuracy_of(forward, validation)
    module.train()
    return CurvePoint(epochs=epochs, accuracy=accuracy)


def while_parent_lives() -> Advance:
    """Hear nothing, but end a worker whose search was killed: it would train on, beside the one that resumes."""
    parent = os.getppid()

    def advance(_done: int, _note: str) -> None:
        if os.getppid() != parent:
            raise SystemExit

    return advance
