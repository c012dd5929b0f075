from __future__ import annotations

import pytest
import torch

from nas.datasets.augmentation import photographs
from nas.datasets.data import Data, Split
from nas.datasets.splits import Scaling
from nas.networks.supernet import SuperNetwork
from nas.space import Image, Space, Task
from nas.spaces.mobilenetv2_decoder import mobilenetv2_decoder
from nas.training.accuracy import BriefTrainingAccuracy, SharedWeightsAccuracy
from nas.training.schedule import Schedule
from nas.training.train import reproducible


@pytest.fixture(scope="session")
def decoders() -> Space:
    return mobilenetv2_decoder(Image(channels=1, height=16, width=16), 2)


@pytest.fixture(scope="session")
def squares() -> Data:
    """A bright square in the dark, and the mask of where it is."""
    generator = torch.Generator().manual_seed(0)

    def part(n: int) -> Split:
        masks = torch.zeros(n, 16, 16, dtype=torch.uint8)
        for mask, (down, right) in zip(masks, torch.randint(0, 9, (n, 2), generator=generator).tolist(), strict=True):
            mask[down : down + 8, right : right + 8] = 1
        images = masks[:, None] * 150 + torch.randint(0, 60, (n, 1, 16, 16), generator=generator, dtype=torch.uint8)
        scaling = Scaling(mean=(60.0,), deviation=(60.0,))
        return Split(images=images, labels=masks, scaling=scaling, augmentation=photographs(16))

    return Data(name="squares", classes=2, train=part(64), validation=part(32), test=part(32), task=Task.SEGMENTATION)


def source(space: Space, data: Data, *, epochs: float, seed: int = 0) -> SharedWeightsAccuracy:
    with reproducible(3, 1):
        supernet = SuperNetwork(space)
    tuning = Schedule(epochs=epochs, batch_size=8, learning_rate=0.1, warmup=0.0)
    return SharedWeightsAccuracy(supernet, data, tuning=tuning, seed=seed, threads=1)


def test_a_path_for_segmentation_is_tuned_on_masks_and_judged_by_how_well_it_covers_them(
    decoders: Space, squares: Data
):
    untuned, tuned = (source(decoders, squares, epochs=epochs).accuracy(decoders.manual()) for epochs in (0, 6))

    assert untuned < 0.5
    assert tuned > 0.8


def test_no_answer_hangs_on_what_was_asked_before(small_space: Space, easy_data: Data):
    dropped = (*small_space.manual()[:-1], None)
    asked = source(small_space, easy_data, epochs=0.5)

    first = asked.accuracy(small_space.manual())
    asked.accuracy(dropped)

    assert asked.accuracy(small_space.manual()) == first
    assert source(small_space, easy_data, epochs=0.5).accuracy(small_space.manual()) == first


def test_a_brief_training_of_nothing_but_the_network_tells_more_the_longer_it_is(small_space: Space, easy_data: Data):
    def judged(epochs: float) -> float:
        schedule = Schedule(epochs=epochs, batch_size=32)
        source = BriefTrainingAccuracy(small_space, easy_data, schedule=schedule, seed=0, threads=1)
        source.accuracy((*small_space.manual()[:-1], None))
        return source.accuracy(small_space.manual())

    assert judged(0.2) < 0.7 < judged(8)
    assert judged(8) == judged(8)
