from __future__ import annotations

import pytest
import torch

from nas.datasets import silhouettes
from nas.datasets.data import data_source
from nas.datasets.splits import Data
from nas.space import Task


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in (("TRAINING_IMAGES", 60), ("VALIDATION_IMAGES", 40), ("TEST_IMAGES", 30)):
        monkeypatch.setattr(silhouettes, name, count)


def load(seed: int) -> Data:
    return silhouettes.silhouettes(None, 24, seed)


def test_the_mask_is_where_the_silhouette_is():
    data = load(0)

    assert [len(part) for part in (data.train, data.validation, data.test)] == [60, 40, 30]
    assert (data.task, data.classes) == (Task.SEGMENTATION, 2)
    for part in (data.train, data.validation, data.test):
        assert tuple(part.images.shape[1:]) == (3, 24, 24)
        assert torch.unique(part.labels).tolist() == [0, 1]
        shares = part.labels.float().mean((1, 2))
        assert float(shares.min()) > 0.01
        assert float(shares.max()) < 0.5


def test_the_same_seed_makes_the_same_images_and_another_others():
    first, again, other = (load(seed) for seed in (1, 1, 2))

    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.test.images, again.test.images)
    assert not torch.equal(first.train.images, other.train.images)


def test_no_photograph_is_in_two_parts():
    names = [name for part in silhouettes._PHOTOGRAPHS for name in part]

    assert len(set(names)) == len(names)


def test_what_is_known_before_loading_is_what_is_loaded():
    source = data_source("silhouettes")

    assert (source.task, source.classes, source.image.channels, source.image.height) == (
        Task.SEGMENTATION,
        2,
        3,
        silhouettes.SIDE,
    )
