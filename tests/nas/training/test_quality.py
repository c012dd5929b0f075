from __future__ import annotations

import pytest
import torch

from nas.datasets.splits import Split
from nas.training.quality import accuracy_of

Tensor = torch.Tensor


def test_accuracy_is_the_share_of_images_whose_label_scores_highest_in_any_batching():
    images = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]).reshape(4, 1, 1, 2)
    split = Split(images=images, labels=torch.tensor([0, 1, 0, 1]))

    accuracies = [accuracy_of(lambda batch: batch.flatten(1), split, batch_size=size) for size in (1, 3, 4)]

    assert accuracies == [0.75] * 3


def scores_of(given: Tensor, classes: int) -> Tensor:
    """Score the given classes highest: (n, H, W) to (n, classes, H, W)."""
    return torch.nn.functional.one_hot(given.long(), classes).permute(0, 3, 1, 2).float()


def masks(truth: list[list[int]], given: list[list[int]]) -> Split:
    """Put what a network would say into the images."""
    return Split(images=torch.tensor(given, dtype=torch.float32)[:, None, None], labels=torch.tensor(truth)[:, None])


def test_masks_are_judged_by_intersection_over_union_summed_over_the_split_worked_by_hand():
    split = masks(truth=[[1, 1, 1, 0], [2, 2, 0, 0]], given=[[1, 1, 0, 0], [2, 1, 0, 0]])

    accuracies = [accuracy_of(lambda images: scores_of(images[:, 0], 3), split, batch_size=size) for size in (1, 2)]

    # Class 1: two pixels of both, four of either; class 2: one of two.
    assert accuracies == pytest.approx([(2 / 4 + 1 / 2) / 2] * 2)


def test_the_background_does_not_count_nor_does_a_class_that_nobody_names():
    split = masks(truth=[[0, 0, 1, 1]], given=[[0, 0, 1, 1]])

    assert accuracy_of(lambda images: scores_of(images[:, 0], 5), split) == 1.0


def test_naming_everything_background_earns_nothing():
    split = masks(truth=[[0, 0, 0, 1]], given=[[0, 0, 0, 0]])

    assert accuracy_of(lambda images: scores_of(images[:, 0], 2), split) == 0.0


def test_masks_without_objects_are_worth_nothing_rather_than_no_number():
    split = masks(truth=[[0, 0]], given=[[0, 0]])

    assert accuracy_of(lambda images: scores_of(images[:, 0], 2), split) == 0.0
