from __future__ import annotations

import pytest
import torch

from nas.datasets.augmentation import SHIFT, SMALL_SHIFTS, Augmentation, flipped, photographs, relit, shifted

CLASSES = torch.zeros(1, dtype=torch.int64)


def test_a_shifted_image_is_the_image_moved_by_at_most_the_margin():
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1.0
    generator = torch.Generator().manual_seed(0)

    places = set()
    for _ in range(300):
        moved, _ = shifted(image, CLASSES, SHIFT, generator)
        assert moved.sum() == 1.0
        places.add(divmod(int(moved.flatten().argmax()), 9))

    reach = range(4 - SHIFT, 4 + SHIFT + 1)
    assert places == {(row, column) for row in reach for column in reach}


def test_every_image_of_a_batch_moves_on_its_own_and_what_comes_in_repeats_the_border():
    images = torch.arange(5.0).repeat(64, 1, 5, 1)  # columns 0, 1, 2, 3, 4

    moved, _ = shifted(images, torch.zeros(64), SHIFT, torch.Generator().manual_seed(0))

    rows = {tuple(row.tolist()) for row in moved[:, 0, 0]}
    assert rows == {(0, 0, 0, 1, 2), (0, 0, 1, 2, 3), (0, 1, 2, 3, 4), (1, 2, 3, 4, 4), (2, 3, 4, 4, 4)}


@pytest.mark.parametrize("change", [Augmentation(shift=3), Augmentation(flips=True), Augmentation(shift=1, flips=True)])
def test_a_mask_moves_with_its_image(change: Augmentation):
    images = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8)

    moved, masks = change.apply(images, images[:, 0].long(), torch.Generator().manual_seed(0))

    assert torch.equal(moved[:, 0].long(), masks)
    assert not torch.equal(moved, images)


def test_half_of_the_images_are_mirrored_and_classes_stay():
    images = torch.tensor([1, 2, 3], dtype=torch.uint8).repeat(1000, 1, 1, 1)
    labels = torch.arange(1000)

    mirrored, after = flipped(images, labels, torch.Generator().manual_seed(0))

    rows = [tuple(row.tolist()) for row in mirrored[:, 0, 0]]
    assert set(rows) == {(1, 2, 3), (3, 2, 1)}
    assert 400 < rows.count((3, 2, 1)) < 600
    assert torch.equal(after, labels)


def test_contrast_and_brightness_worked_by_hand():
    images = torch.tensor([[[[100, 200]]], [[[0, 250]]]], dtype=torch.uint8)  # means 150 and 125

    changed = relit(
        images, torch.tensor([0.6, 1.4])[:, None, None, None], torch.tensor([40.0, -40.0])[:, None, None, None]
    )

    # (100 - 150) * 0.6 + 150 + 40 = 160; (0 - 125) * 1.4 + 125 - 40 = -90, which is black.
    assert changed.flatten().tolist() == pytest.approx([160, 220, 0, 255])


def test_photographs_change_within_the_papers_kinds_and_the_projects_bounds():
    grey = torch.full((2000, 1, 1, 1), 100, dtype=torch.uint8)

    lit, _ = photographs(28).apply(grey, torch.zeros(2000), torch.Generator().manual_seed(0))

    assert 60 <= float(lit.min()) < 62
    assert 138 < float(lit.max()) <= 140


def test_the_same_stream_changes_images_alike():
    images = torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8)
    first, again, other = (
        photographs(6).apply(images, torch.zeros(8), torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_small_drawings_only_move():
    assert Augmentation(shift=SHIFT) == SMALL_SHIFTS
