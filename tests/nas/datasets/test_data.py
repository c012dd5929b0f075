from __future__ import annotations

import pytest

from nas.datasets.data import data_label, data_source
from nas.errors import DataError
from nas.training.schedule import MNIST_5K_SCHEDULES, usual_schedules


def test_an_unknown_data_set_lists_the_known_ones():
    with pytest.raises(DataError, match=r"No data set 'imagenet'\. Known: coco, coco-largest, fashion-mnist, images, "):
        data_source("imagenet")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("mnist-5k:/digits", "is read from no folder"),
        ("fashion-mnist:", "names no place"),
        (":x", "No data set ''"),
        ("masks", "--data masks:PLACE"),
    ],
)
def test_a_folder_where_none_can_be_is_refused_before_anything_is_loaded(name: str, told: str):
    with pytest.raises(DataError, match=told):
        data_source(name)


def test_two_folders_have_two_labels_and_none_has_a_slash():
    labels = [data_label(name) for name in ("mnist-5k", "fashion-mnist", "fashion-mnist:/a/b", "fashion-mnist:/a-b")]

    assert len(set(labels)) == 4
    assert labels[:2] == ["mnist-5k", "fashion-mnist"]
    assert not any("/" in label for label in labels)


def test_mnist_5k_learns_as_it_always_did_and_fashion_mnist_as_its_number_of_images_says():
    assert data_source("mnist-5k").schedules == MNIST_5K_SCHEDULES
    assert data_source("fashion-mnist").schedules == usual_schedules(55_000)
