from __future__ import annotations

import numpy as np
import pytest

from nas.limits.live import live_elements
from nas.limits.pricing import Pieces
from nas.networks.export import to_onnx
from nas.networks.network import Network
from nas.networks.operations import FeatureMap, Kind, Operation, convolution
from nas.space import Space
from parsers.network import parse_network


def feature_map(channels: int) -> FeatureMap:
    return FeatureMap(channels=channels, height=2, width=2)


def test_a_tensor_lives_until_it_is_read_last_worked_by_hand():
    # x (4) -> wide (24) -> deep (24) -> x + result (4): at most x, wide and deep, 52 values of 2x2 pixels each.
    x, wide = feature_map(4), feature_map(24)
    operations = [
        convolution("x", x, channels=24, weights="a", writes="wide"),
        convolution("wide", wide, channels=24, weights="b", writes="deep", depthwise=True),
        convolution("deep", wide, channels=4, weights="c", writes="out", residual=("x", x)),
    ]

    assert live_elements(operations, given="x", beside=0) == 4 * (4 + 24 + 24)
    assert live_elements(operations, given="x", beside=100) == 100 + 4 * (4 + 24 + 24)
    assert live_elements(operations[:1], given="x", beside=0) == 4 * (4 + 24)
    assert live_elements([], given="x", beside=100) == 0


def test_an_addition_writes_over_an_input_that_nobody_needs():
    x = feature_map(8)
    add = Operation(kind=Kind.ADD, reads=("x", "y"), writes="z", inputs=(x, x), output=x)
    y = convolution("x", x, channels=8, weights="a", writes="y")

    assert live_elements([y, add], given="x", beside=0) == 4 * 16


def test_a_networks_live_elements_are_what_its_graph_shows(small_space: Space):
    parts, random = Pieces(small_space), np.random.default_rng(0)
    states = small_space.states()
    for _ in range(5):
        carried, live, architecture = small_space.start(), [parts.start.live], []
        for index, slot in enumerate(small_space.slots):
            node = states[index].index(carried)
            fitting = [place for place, part in enumerate(parts.steps[index][node]) if part is not None]
            place = int(random.choice(fitting))
            part = parts.steps[index][node][place]
            following = small_space.follow(index, carried, slot.choices[place])
            assert part is not None
            assert following is not None
            live.append(part.live)
            architecture.append(slot.choices[place])
            carried = following
        live.append(parts.end[states[-1].index(carried)].live)
        network = Network(small_space, tuple(architecture)).eval()

        read = parse_network(to_onnx(network, small_space.image), name="small")

        assert max(live) == pytest.approx(read.peak_live_elements, rel=0.1)
