"""How the accuracy on validation images came about while a network trained, and whether it had come to its plateau."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.training.schedule import Schedule

POINTS = 12
"""About so many times a training is looked at; a look takes as long as a few steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One look at a training."""

    epochs: float
    """So far."""
    accuracy: float
    """On validation images, in [0, 1]."""


def is_watched(step: int, schedule: Schedule, images: int) -> bool:
    """Tell whether a training is looked at behind a step, counted from 1: every so many epochs, and at its end."""
    steps = schedule.steps(images)
    every = max(1, round(schedule.epochs / POINTS)) * schedule.steps_per_epoch(images)
    return step == steps or step % every == 0


def gain_of_last_third(curve: Sequence[CurvePoint]) -> float:
    """Tell by how much the best accuracy of a whole training is above the best of its first two thirds.

    Raises:
        ValueError: no look at the training before its last third.
    """
    before = [point.accuracy for point in curve if point.epochs <= curve[-1].epochs * 2 / 3 + 1e-9]
    if not before:
        raise ValueError("the training was not looked at before its last third")
    return max(point.accuracy for point in curve) - max(before)
