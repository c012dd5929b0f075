"""What every space has to hold: torch, layers, ONNX and shared weights are one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nas.limits.pricing import Pieces
from nas.networks.export import to_onnx
from nas.networks.layers import network_layers
from nas.networks.network import Network, Tensor
from nas.networks.supernet import SuperNetwork
from nas.space import Architecture, Space, Task
from nas.trellis import NOWHERE, Trellis, architecture_of
from parsers.network import parse_network
from parsers.roofline import macs

Members = Callable[..., list[Architecture]]


@pytest.fixture(scope="session")
def members() -> Members:
    """Walk through a space with a fair choice in every slot."""

    def walk(space: Space, trellis: Trellis, n: int, *, seed: int) -> list[Architecture]:
        random = np.random.default_rng(seed)
        found = []
        for _ in range(n):
            node, choices = 0, list[int]()
            for successor in trellis.successors:
                choices.append(int(random.choice(np.flatnonzero(successor[node] != NOWHERE))))
                node = int(successor[node, choices[-1]])
            found.append(architecture_of(space, choices))
        return found

    return walk


@pytest.fixture(scope="session")
def assert_all_agree() -> Callable[[Space, Architecture], None]:
    """Hold a network's layers against its exported graph, and against what torch itself computes and holds."""

    def check(space: Space, member: Architecture) -> None:
        network, written = _trained(space, member), network_layers(space, member)

        read = parse_network(to_onnx(network, space.image), name="member")
        shape, counted, weights = _by_torch(network, space)

        assert tuple(item.layer for item in read.layers) == written
        assert read.macs == sum(map(macs, written)) == counted
        assert weights == sum(layer.weight_elements for layer in written)
        assert written[-1].output_shape == shape == _scores(space)

    return check


@pytest.fixture(scope="session")
def assert_pieces_make_networks() -> Callable[..., None]:
    """Hold the pieces that are priced against whole networks: their layers, and what is alive at once.

    A piece does not know what later ones read, so that more may seem to be alive: up to ``most`` times as much.
    """

    def check(space: Space, networks: Sequence[Architecture], *, most: float) -> None:
        parts, states = Pieces(space), space.states()
        for architecture in networks:
            nodes = [found.index(state) for found, state in zip(states, space.carried(architecture), strict=True)]
            pieces = [parts.start]
            for slot, node, choice in zip(space.slots, nodes, architecture, strict=False):
                piece = parts.steps[slot.number][node][slot.choices.index(choice)]
                assert piece is not None
                pieces.append(piece)
            pieces.append(parts.end[nodes[-1]])

            read = parse_network(to_onnx(Network(space, architecture).eval(), space.image), name="member")
            live = max(piece.live for piece in pieces)

            assert tuple(layer for piece in pieces for layer in piece.layers) == network_layers(space, architecture)
            assert 1 <= live / read.peak_live_elements <= most

    return check


@pytest.fixture(scope="session")
def assert_shared_weights_train() -> Callable[[SuperNetwork, Sequence[Architecture]], None]:
    """Hold paths inside the shared weights against the same paths cut out, and train each for one step."""

    def check(shared: SuperNetwork, paths: Sequence[Architecture]) -> None:
        space, generator = shared.space, torch.Generator().manual_seed(0)
        images = torch.randn(8, space.image.channels, space.image.height, space.image.width, generator=generator)
        labels = torch.randint(0, space.classes, (8, *_scores(space)[2:]), generator=generator)
        optimiser = torch.optim.SGD(shared.parameters(), lr=1e-3)
        for path in paths:
            scores = shared(images, path)
            # In training mode both normalise over the batch.
            torch.testing.assert_close(shared.cut_out(path).train()(images), scores)

            loss = functional.cross_entropy(scores, labels)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

            assert functional.cross_entropy(shared(images, path), labels) < loss

    return check


def _scores(space: Space) -> tuple[int, ...]:
    sides = (space.image.height, space.image.width) if space.task is Task.SEGMENTATION else ()
    return (1, space.classes, *sides)


def _trained(space: Space, member: Architecture) -> Network:
    """Make a network with statistics as training leaves them: biases that are nil would not be exported."""
    network, generator = Network(space, member), torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(generator=generator)
    return network.eval()


def _by_torch(network: Network, space: Space) -> tuple[tuple[int, ...], int, int]:
    """Give the shape of one image's scores, multiply-accumulates, and weights with the normalisation folded in."""
    counted: list[int] = []

    def count(module: nn.Module, read: tuple[Tensor, ...], made: Tensor) -> None:
        looked_at = read[0] if isinstance(module, nn.ConvTranspose2d) else made
        places = looked_at.shape[2:].numel() if looked_at.dim() == 4 else 1
        counted.append(places * module.get_parameter("weight").numel())

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        scores = network(torch.zeros(1, space.image.channels, space.image.height, space.image.width))
    for hook in hooks:
        hook.remove()
    outputs = [layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels for layer in layers]
    weights = sum(layer.weight.numel() for layer in layers) + sum(outputs)
    return tuple(scores.shape), sum(counted), weights
