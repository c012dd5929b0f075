from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data import SHIFT, data_source, shifted, split_by_class
from nas.errors import DataError


def numbered(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Images of two classes whose every pixel says which image it is."""
    images = np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1) * np.ones((1, 1, 2, 2), dtype=np.float32)
    return images, np.arange(n) % 2


def test_the_parts_share_no_image_and_leave_none_out():
    images, labels = numbered()

    data = split_by_class("numbers", images, labels, parts=(0.5, 0.2), seed=0)

    parts = [data.train, data.validation, data.test]
    seen = np.concatenate([part.images[:, 0, 0, 0].numpy() for part in parts])
    assert [len(part) for part in parts] == [20, 8, 12]
    assert len(np.unique(seen.round(4))) == 40


def test_every_part_holds_every_class_in_the_same_shares():
    images, labels = numbered()

    data = split_by_class("numbers", images, labels, parts=(0.5, 0.2), seed=0)

    for part in (data.train, data.validation, data.test):
        assert torch.bincount(part.labels).tolist() == [len(part) // 2] * 2


def test_images_are_normalised_by_the_training_images_alone():
    images, labels = numbered()

    data = split_by_class("numbers", images, labels, parts=(0.5, 0.2), seed=0)

    assert float(data.train.images.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(data.train.images.std(correction=0)) == pytest.approx(1.0, abs=1e-6)
    assert float(data.test.images.mean()) != pytest.approx(0.0, abs=1e-6)


def test_a_split_hangs_on_its_seed_alone():
    images, labels = numbered()
    first, again, other = (split_by_class("numbers", images, labels, parts=(0.5, 0.2), seed=seed) for seed in (1, 1, 2))

    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.train.images, other.train.images)


def test_mnist_5k_ships_with_a_dependency_and_is_what_it_says_before_it_is_loaded():
    source = data_source("mnist-5k")

    data = source.load(0)

    assert [len(part) for part in (data.train, data.validation, data.test)] == [2000, 1250, 1750]
    assert tuple(data.train.images.shape[1:]) == (source.image.channels, source.image.height, source.image.width)
    assert data.classes == source.classes
    assert torch.bincount(data.test.labels).tolist() == [175] * 10


def test_an_unknown_data_set_lists_the_known_ones():
    with pytest.raises(DataError, match=r"No data set 'imagenet'\. Known: mnist-5k\."):
        data_source("imagenet")


def test_a_shifted_image_is_the_image_moved_by_at_most_the_margin():
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1.0
    generator = torch.Generator().manual_seed(0)

    places = set()
    for _ in range(300):
        moved = shifted(image, generator)
        assert moved.sum() == 1.0
        places.add(divmod(int(moved.flatten().argmax()), 9))

    reach = range(4 - SHIFT, 4 + SHIFT + 1)
    assert places == {(row, column) for row in reach for column in reach}


def test_every_image_of_a_batch_moves_on_its_own_and_what_comes_in_repeats_the_border():
    images = torch.arange(5.0).repeat(64, 1, 5, 1)  # columns 0, 1, 2, 3, 4

    moved = shifted(images, torch.Generator().manual_seed(0))

    rows = {tuple(row.tolist()) for row in moved[:, 0, 0]}
    assert rows == {(0, 0, 0, 1, 2), (0, 0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 4), (2, 3, 4, 4, 4)}
