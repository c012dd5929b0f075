"""Where the primary reward comes from: the accuracy of a finished network, in [0, 1].

One query is one network. Paths through shared weights and networks that were trained briefly have their accuracy measured
in seconds; a table or a user's function answers through the same Protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

import torch
from torch import nn

from nas.datasets.splits import Data, Tensor
from nas.networks.network import Network
from nas.networks.supernet import SuperNetwork
from nas.space import Architecture, Space
from nas.training.checkpoint import Checkpoint
from nas.training.quality import accuracy_of
from nas.training.schedule import Schedule
from nas.training.train import Advance, channels_last, descend, reproducible, train_alone

CALIBRATION_IMAGES = 1000
"""From which normalisation is taken, or as many as have so many pixels of 28 × 28 images, and 64 at least."""


class AccuracyName(StrEnum):
    """How a query judges a network."""

    SHARED = "shared"
    """As a path through the weight-sharing network."""
    BRIEF = "brief"
    """Trained briefly, from fresh weights."""


JUDGED_BY: Mapping[str, str] = MappingProxyType(
    {AccuracyName.SHARED: "shared weights", AccuracyName.BRIEF: "brief training"}
)
"""How it is called."""


class AccuracySource(Protocol):
    """Answers what a network is worth."""

    def accuracy(self, architecture: Architecture) -> float:
        """Give a network's validation accuracy, in [0, 1]; the same network always gets the same answer."""
        ...


class SharedWeightsAccuracy:
    """Validation accuracy of a path through a trained weight-sharing network, tuned a little, normalisation taken anew.

    Weights that serve every path fit none: as they stand they hardly rank networks, and a few epochs of a path's own
    make the difference between paths show. A copy is tuned, so that no answer depends on what was asked before.

    Args:
        supernet: the shared weights.
        data: whose training images tune and give the statistics, and whose validation images are judged.
        tuning: of the path; no epochs leave the shared weights as they are.
        seed: of the tuning.
        threads: of torch.
    """

    def __init__(self, supernet: SuperNetwork, data: Data, *, tuning: Schedule, seed: int, threads: int) -> None:
        self.supernet, self.tuning, self.seed, self.threads = supernet, tuning, seed, threads
        self.train, self.validation = data.train, data.validation
        height, width = data.train.images.shape[2:]
        images = min(CALIBRATION_IMAGES, max(64, CALIBRATION_IMAGES * 28 * 28 // (height * width)))
        # A split is sorted by class; every n-th image keeps all classes in the same shares.
        self.calibration = slice(None, None, max(1, len(data.train) // images))

    def accuracy(self, architecture: Architecture) -> float:
        """Give the share of validation images that the path gets right."""
        with reproducible(self.seed, self.threads):
            network = channels_last(self.supernet.cut_out(architecture)).to(self.train.device)
            if self.tuning.epochs:
                descend(network, network.forward, self.train, self.tuning, seed=self.seed, advance=lambda *_: None)
            recalibrate(network, self.train.batch(self.calibration)[0])
            return accuracy_of(network.eval(), self.validation)


class BriefTrainingAccuracy:
    """Validation accuracy after a brief training from fresh weights, which no other network has a part in.

    Args:
        space: whose networks are asked about.
        data: whose training images are learned from, and whose validation images are judged.
        schedule: of every training.
        seed: of every training.
        threads: of torch.
    """

    def __init__(self, space: Space, data: Data, *, schedule: Schedule, seed: int, threads: int) -> None:
        self.space, self.data, self.schedule, self.seed, self.threads = space, data, schedule, seed, threads

    def accuracy(self, architecture: Architecture) -> float:
        """Give the share of validation images that the network gets right."""
        trained = train_alone(
            self.space,
            architecture,
            self.data,
            self.schedule,
            seed=self.seed,
            threads=self.threads,
            advance=lambda *_: None,
        )
        with reproducible(self.seed, self.threads):
            return accuracy_of(trained.network, self.data.validation)


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
    checkpoint: Checkpoint | None = None,
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
        checkpoint: where the training is kept; it knows the stream that ``draw`` draws from.
    """
    with reproducible(seed, threads):
        supernet = channels_last(SuperNetwork(space)).to(data.train.device)
        descend(
            supernet,
            lambda images: supernet(images, draw()),
            data.train,
            schedule,
            seed=seed,
            advance=advance,
            checkpoint=checkpoint,
        )
    return supernet.eval()
