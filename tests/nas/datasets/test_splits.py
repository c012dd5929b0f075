from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.datasets.augmentation import SMALL_SHIFTS, photographs
from nas.datasets.splits import Data, Part, Split, assemble, deal, set_aside
from nas.errors import DataError
from nas.space import Task


def numbered(n: int = 40) -> Part:
    """Images of two classes whose every pixel says which image it is."""
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1) * np.ones((1, 1, 2, 2), dtype=np.uint8)
    return Part(images=images, labels=np.arange(n) % 2)


def dealt(seed: int) -> Data:
    part = numbered()
    return assemble("numbers", 2, map(part.take, deal(part.labels, parts=(0.5, 0.2), seed=seed)), SMALL_SHIFTS)


def test_the_parts_share_no_image_and_leave_none_out():
    data = dealt(0)

    seen = [part.images[:, 0, 0, 0].tolist() for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in seen] == [20, 8, 12]
    assert sorted(seen[0] + seen[1] + seen[2]) == list(range(40))


def test_every_part_holds_every_class_in_the_same_shares():
    data = dealt(0)

    for part in (data.train, data.validation, data.test):
        assert torch.bincount(part.labels).tolist() == [len(part) // 2] * 2


def test_images_stay_bytes_and_a_batch_of_them_is_scaled_by_the_training_images_alone():
    data = dealt(0)

    images, labels = data.train.batch(slice(None))
    assert data.train.images.dtype == torch.uint8
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(labels, data.train.labels)
    assert float(images.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(images.std(correction=0)) == pytest.approx(1.0, abs=1e-6)
    assert float(data.test.batch(slice(None))[0].mean()) != pytest.approx(0.0, abs=1e-6)


def test_a_split_hangs_on_its_seed_alone():
    first, again, other = (dealt(seed) for seed in (1, 1, 2))

    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.train.images, other.train.images)


def test_every_channel_is_scaled_by_itself_worked_by_hand():
    images = np.zeros((2, 2, 1, 2), dtype=np.uint8)
    images[:, 0] = [[[10, 30]], [[10, 30]]]  # mean 20, deviation 10
    images[:, 1] = 7  # no deviation: it comes out as nothing
    part = Part(images=images, labels=np.array([0, 1]))

    scaled, _ = assemble("two", 2, [part] * 3, SMALL_SHIFTS).train.batch(slice(None))

    assert scaled[:, 0].flatten().tolist() == pytest.approx([-1, 1, -1, 1])
    assert scaled[:, 1].flatten().tolist() == [0, 0, 0, 0]


def test_labels_of_two_dimensions_more_are_masks_and_make_a_segmentation_set():
    images = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)
    classes = Part(images=images, labels=np.array([0, 1]))
    masks = Part(images=images, labels=np.zeros((2, 4, 4), dtype=np.int64))

    tasks = [assemble("both", 2, [part] * 3, photographs(4)).task for part in (classes, masks)]

    assert tasks == [Task.CLASSIFICATION, Task.SEGMENTATION]


def test_training_images_of_one_grey_are_refused():
    grey = Part(images=np.full((2, 1, 2, 2), 9, dtype=np.uint8), labels=np.array([0, 1]))

    with pytest.raises(DataError, match="Every pixel of fog's training images is the same"):
        assemble("fog", 2, [grey] * 3, SMALL_SHIFTS)


def test_a_share_that_is_less_than_an_image_of_a_class_is_one_image_all_the_same():
    labels = np.repeat(np.arange(3), 20)

    two = deal(labels, parts=(0.99, 0.01), seed=0)
    three = deal(labels, parts=(0.98, 0.01), seed=0)

    assert [len(part) for part in two] == [57, 3, 0]
    assert [len(part) for part in three] == [54, 3, 3]


def test_no_more_than_a_quarter_is_set_aside_and_no_more_than_five_thousand():
    assert [set_aside(n) for n in (100, 20_000, 60_000)] == [0.25, 0.25, 5000 / 60_000]


def test_a_split_that_is_scaled_already_is_left_as_it_is():
    images = torch.randn(3, 1, 2, 2)
    split = Split(images=images, labels=torch.zeros(3, dtype=torch.int64))

    assert torch.equal(split.batch(torch.tensor([2, 0]))[0], images[[2, 0]])
