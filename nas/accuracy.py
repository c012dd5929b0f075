"""Where the primary reward comes from: the accuracy of a finished network, in [0, 1].

One query is one network. The weight-sharing network answers in a fraction of a second; a table or a user's function
answers through the same Protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from nas.data import Data, Split, Tensor
from nas.network import Network
from nas.space import Architecture, Space
from nas.supernet import SuperNetwork
from nas.train import Advance, Schedule, accuracy_of, channels_last, descend, reproducible

CALIBRATION_IMAGES = 1000


class AccuracySource(Protocol):
    """Answers what a network is worth."""

    def accuracy(self, architecture: Architecture) -> float:
        """Give a network's validation accuracy, in [0, 1]; the same network always gets the same answer."""
        ...


class SharedWeightsAccuracy:
    """Validation accuracy of a path through a trained weight-sharing network, with normalisation taken anew.

    Args:
        supernet: the shared weights.
        data: whose training images give the statistics and whose validation images are judged.
        threads: of torch.
    """

    def __init__(self, supernet: SuperNetwork, data: Data, *, threads: int) -> None:
        self.supernet, self.threads = supernet, threads
        self.validation = data.validation
        # The split is sorted by class; every n-th image keeps all classes in the same shares.
        every = max(1, len(data.train) // CALIBRATION_IMAGES)
        self.calibration = Split(images=data.train.images[::every], labels=data.train.labels[::every])

    def accuracy(self, architecture: Architecture) -> float:
        """Give the share of validation images that the path gets right."""
        with reproducible(0, self.threads):
            network = channels_last(self.supernet.cut_out(architecture))
            recalibrate(network, self.calibration.images)
            return accuracy_of(network.eval(), self.validation)


@torch.no_grad()
def recalibrate(network: Network, images: Tensor) -> None:
    """Set a network's normalisation to the statistics of some images; weights stay as they are."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the average of all batches seen, here one
    network.train()
    network(images.contiguous(memory_format=torch.channels_last))


def train_shared_weights(
    space: Space,
    data: Data,
    schedule: Schedule,
    draw: Callable[[], Architecture],
    *,
    seed: int,
    threads: int,
    advance: Advance,
) -> SuperNetwork:
    """Train a space's shared weights, on another path at every step.

    Args:
        space: whose networks share weights.
        data: what to learn from.
        schedule: how long and how fast.
        draw: gives the next path, distributed as the search draws networks before it has learned anything, so that
            no step is spent on networks that the limit rules out.
        seed: of the weights, the order of the images and their shifts.
        threads: of torch.
        advance: told about every step.
    """
    with reproducible(seed, threads):
        supernet = channels_last(SuperNetwork(space))
        descend(
            supernet,
            lambda images: supernet(images, draw()),
            data.train,
            schedule,
            seed=seed,
            advance=advance,
        )
    return supernet.eval()
