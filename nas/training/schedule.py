"""How long and how fast networks learn, and what is usual for how many images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """SGD with Nesterov momentum: a linear warm-up, then a cosine down to zero, or down to a rest that it keeps."""

    epochs: float
    """Looks at each image; a part of an epoch is a part of its batches."""
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises."""
    settled: float = 0.0
    """Share of the steps, the last ones, at a hundredth of the learning rate: what they still gain tells whether the
    training had come to its plateau."""

    def steps(self, images: int) -> int:
        """Count the steps over a number of training images; an incomplete batch at an epoch's end is left out."""
        return max(1, round(self.epochs * self.steps_per_epoch(images))) if self.epochs else 0

    def steps_per_epoch(self, images: int) -> int:
        """Count the whole batches among the images, one at least."""
        return max(1, images // self.batch_size)

    def rate(self, step: int, steps: int) -> float:
        """Give a step's learning rate."""
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        falling = max(1, round((1 - self.settled) * steps) - rising)
        rest = REST * self.learning_rate if self.settled else 0.0
        share = min(1.0, (step - rising) / falling)
        return rest + (self.learning_rate - rest) * (1 + math.cos(math.pi * share)) / 2


REST = 0.01
"""The learning rate at which a training settles, over its highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    """How long everything learns that a search trains."""

    shared: Schedule
    """Of the weight-sharing network."""
    tuning: Schedule
    """Of each path's copy of the shared weights, before it is judged."""
    brief: Schedule
    """Of each network from fresh weights, before it is judged, where no weights are shared."""
    alone: Schedule
    """Of every finalist."""


_TUNING = Schedule(epochs=3, learning_rate=0.05, warmup=0.0)

MNIST_5K_SCHEDULES = Schedules(
    shared=Schedule(epochs=100), tuning=_TUNING, brief=Schedule(epochs=5), alone=Schedule(epochs=30)
)
"""For 2,000 small images."""


FEW_IMAGES = 2_000
"""Below which batches are small: a training would have too few steps."""
MANY_IMAGES = 10_000
"""From which on batches are large: they take less time for each image."""


def usual_schedules(images: int) -> Schedules:
    """Say how long networks learn from so many training images, where nobody says otherwise.

    Few images are looked at often, many seldom: what counts is how many are looked at in all. That is bounded, so that a
    query of a search takes seconds, whatever the data.
    """
    batch_size, rate = (16, 0.05) if images < FEW_IMAGES else (64, 0.1) if images < MANY_IMAGES else (128, 0.2)
    usual = Schedule(epochs=1, batch_size=batch_size, learning_rate=rate)
    return Schedules(
        shared=replace(usual, epochs=_epochs(images, 100, least=200_000, most=600_000)),
        tuning=replace(
            usual,
            epochs=_epochs(images, 3, least=6_000, most=12_800),
            learning_rate=usual.learning_rate / 2,
            warmup=0.0,
        ),
        brief=replace(
            usual,
            epochs=_epochs(images, 5, least=10_000, most=18_000),
            learning_rate=usual.learning_rate / 2,
        ),
        alone=replace(usual, epochs=_epochs(images, 30, least=60_000, most=660_000), settled=1 / 3),
    )


def _epochs(images: int, usual: float, *, least: int, most: int) -> float:
    """Give epochs that look at least at ``least`` and at most at ``most`` images."""
    return float(f"{min(max(usual * images, least), most) / images:.3g}")
