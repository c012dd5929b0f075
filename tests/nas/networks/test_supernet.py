from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from metamodel.interface import Predictor, Setting
from nas.datasets.data import Data
from nas.limits.signals import Limit
from nas.networks.supernet import SuperNetwork
from nas.searching.goals import Goals
from nas.searching.problem import Problem, Sampler, pose
from nas.space import Image, Space
from nas.spaces.inverted_residual import InvertedResidual
from nas.spaces.mobilenetv2 import mobilenetv2_tiny
from nas.training.accuracy import SharedWeightsAccuracy, recalibrate, train_shared_weights
from nas.training.schedule import Schedule


@pytest.fixture(scope="module")
def problem(small_space: Space, predictor: Predictor, setting: Setting) -> Problem:
    return pose(small_space, predictor, setting, Goals(limits=(Limit(target="latency", value=17.0),)))


@pytest.fixture(scope="module")
def supernet(small_space: Space) -> SuperNetwork:
    torch.manual_seed(0)
    network = SuperNetwork(small_space)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return network


def test_a_path_cut_out_computes_what_the_path_computed_inside(problem: Problem, supernet: SuperNetwork):
    images, sampler = torch.randn(16, 1, 12, 12), Sampler(problem, seed=0, sharpness=0)

    for _ in range(20):
        architecture = sampler.draw()
        alone = supernet.cut_out(architecture).train()

        # In training mode both normalise over the batch.
        torch.testing.assert_close(alone(images), supernet(images, architecture))


def test_a_smaller_kernel_is_the_middle_of_the_largest_and_fewer_channels_are_the_first(
    small_space: Space, supernet: SuperNetwork
):
    large = InvertedResidual(kernel_size=5, expansion=2, channels=8, idskip=False)
    small = InvertedResidual(kernel_size=3, expansion=2, channels=4, idskip=False)
    before = small_space.manual()[:2]

    (large_depthwise, large_project), (small_depthwise, small_project) = (
        [
            supernet.cut_out((*before, block, None)).get_parameter(f"layers.slot2_{part}.convolution.weight")
            for part in ("depthwise", "project")
        ]
        for block in (large, small)
    )

    assert torch.equal(small_depthwise, large_depthwise[:, :, 1:4, 1:4])
    assert torch.equal(small_project, large_project[:4])


def test_a_smaller_expansion_has_the_first_middle_channels():
    space = mobilenetv2_tiny(Image(channels=1, height=12, width=12), classes=3)
    supernet = SuperNetwork(space)

    first, *others = space.manual()
    wide, narrow = (
        supernet.cut_out((replace(first, kernel_size=3, expansion=expansion), *others)).get_parameter(
            "layers.slot0_depthwise.convolution.weight"
        )
        for expansion in (6, 3)
    )

    assert len(wide) == 2 * len(narrow)
    assert torch.equal(narrow, wide[: len(narrow)])


def test_blocks_that_do_not_expand_share_nothing_with_those_that_do(small_space: Space, supernet: SuperNetwork):
    before = small_space.manual()[:2]
    images = torch.randn(8, 1, 12, 12)
    supernet.zero_grad()
    block = InvertedResidual(kernel_size=3, expansion=1, channels=4, idskip=False)

    supernet(images, (*before, block, None)).sum().backward()

    touched = {name for name, weight in supernet.named_parameters() if weight.grad is not None}
    assert any(name.startswith("layers.slot2_unexpanded_") for name in touched)
    assert not any(name.startswith(("layers.slot2_expand", "layers.slot2_depthwise")) for name in touched)


def test_recalibration_takes_the_statistics_of_the_images_and_leaves_the_weights(
    small_space: Space, supernet: SuperNetwork, easy_data: Data
):
    network = supernet.cut_out(small_space.manual())
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    stem = network.layers["stem"]

    recalibrate(network, easy_data.train.images)

    expected = stem.convolution(easy_data.train.images).mean((0, 2, 3))
    torch.testing.assert_close(stem.normalisation.running_mean, expected)
    assert all(torch.equal(weight, before[name]) for name, weight in network.named_parameters())


@pytest.fixture(scope="module")
def source(problem: Problem, easy_data: Data) -> SharedWeightsAccuracy:
    schedule = Schedule(epochs=25, batch_size=32)
    draw = Sampler(problem, seed=0).draw
    trained = train_shared_weights(
        problem.space, easy_data, schedule, draw, seed=0, threads=1, advance=lambda _done, _note: None
    )
    return SharedWeightsAccuracy(trained, easy_data, tuning=Schedule(epochs=0), seed=0, threads=1)


def test_shared_weights_serve_networks_far_better_than_chance(source: SharedWeightsAccuracy, problem: Problem):
    sampler = Sampler(problem, seed=1, sharpness=0)

    accuracies = [source.accuracy(sampler.draw()) for _ in range(10)]

    assert np.median(accuracies) > 0.7


def test_the_same_network_always_gets_the_same_answer(source: SharedWeightsAccuracy, problem: Problem):
    first, other = (Sampler(problem, seed=seed).draw() for seed in (0, 1))

    answers = [source.accuracy(first), source.accuracy(other), source.accuracy(first)]

    assert answers[0] == answers[2]


def test_tuning_a_path_improves_it_and_leaves_the_shared_weights_alone(
    source: SharedWeightsAccuracy, easy_data: Data, problem: Problem
):
    tuned = SharedWeightsAccuracy(
        source.supernet, easy_data, tuning=Schedule(epochs=6, learning_rate=0.05, warmup=0.0), seed=0, threads=1
    )
    before = {name: weight.clone() for name, weight in source.supernet.state_dict().items()}
    sampler = Sampler(problem, seed=1)
    paths = [sampler.draw() for _ in range(8)]

    plain, after = ([judge.accuracy(path) for path in paths] for judge in (source, tuned))

    assert sum(after) > sum(plain)
    assert after == [tuned.accuracy(path) for path in paths]
    assert all(torch.equal(before[name], weight) for name, weight in source.supernet.state_dict().items())
