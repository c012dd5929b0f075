from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.datasets.data import data_source
from nas.datasets.digits import FASHION_MNIST_FOLDER, fashion_mnist
from nas.errors import DataError


def idx(array: np.ndarray) -> bytes:
    """Write unsigned bytes as an IDX file."""
    sizes = b"".join(size.to_bytes(4) for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def tiny_fashion(tmp_path: Path) -> Path:
    """Eighty images to learn from and twenty to report on, whose pixels all say which image it is."""
    for part, first, n in (("train", 0, 80), ("t10k", 80, 20)):
        numbers = np.arange(first, first + n)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(numbers[:, None, None] * np.ones((1, 28, 28))))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(numbers % 10))
    return tmp_path


def test_mnist_5k_ships_with_a_dependency_and_is_what_it_says_before_it_is_loaded():
    source = data_source("mnist-5k")

    data = source.load(0)

    assert [len(part) for part in (data.train, data.validation, data.test)] == [2000, 1250, 1750]
    assert tuple(data.train.images.shape[1:]) == (source.image.channels, source.image.height, source.image.width)
    assert data.classes == source.classes
    assert torch.bincount(data.test.labels).tolist() == [175] * 10


def test_fashion_mnist_keeps_its_own_test_images_and_sets_a_quarter_of_a_small_sets_others_aside(tiny_fashion: Path):
    data = data_source(f"fashion-mnist:{tiny_fashion}").load(0)

    parts = [data.train, data.validation, data.test]
    numbers = [sorted(part.images[:, 0, 0, 0].tolist()) for part in parts]
    assert numbers[2] == list(range(80, 100))
    assert sorted(numbers[0] + numbers[1]) == list(range(80))
    assert [torch.bincount(part.labels).tolist() for part in parts] == [[6] * 10, [2] * 10, [2] * 10]
    assert float(data.train.batch(slice(None))[0].mean()) == pytest.approx(0.0, abs=1e-6)


def test_another_seed_chooses_by_other_images_and_reports_on_the_same_ones_in_the_same_order(tiny_fashion: Path):
    first, again, other = (fashion_mnist(tiny_fashion, seed) for seed in (1, 1, 2))

    assert torch.equal(first.validation.images, again.validation.images)
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.validation.images, other.validation.images)
    assert torch.equal(first.test.labels, other.test.labels)
    assert torch.equal(first.test.images, other.test.images)


def test_gzipped_files_hold_the_same_images(tiny_fashion: Path):
    plain = fashion_mnist(tiny_fashion, 0)
    for path in list(tiny_fashion.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    gzipped = fashion_mnist(tiny_fashion, 0)

    assert torch.equal(plain.train.images, gzipped.train.images)
    assert torch.equal(plain.test.labels, gzipped.test.labels)


Change = Callable[[Path], object]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda images: images.unlink(), "neither train-images-idx3-ubyte nor", id="absent"),
        pytest.param(
            lambda images: images.write_bytes(idx(np.zeros((79, 28, 28)))), "has 79 images, .* 80 labels", id="fewer"
        ),
        pytest.param(
            lambda images: images.with_name("train-labels-idx1-ubyte").write_bytes(idx(np.arange(80) % 11)),
            "holds label 10, and Fashion-MNIST's end at 9",
            id="beyond the classes",
        ),
        pytest.param(
            lambda images: images.with_name("train-labels-idx1-ubyte").write_bytes(idx(np.arange(80) % 9)),
            "has 0 of class 9: at least 4 of each",
            id="a class without images",
        ),
        pytest.param(lambda images: images.write_bytes(images.read_bytes()[:-1]), "is torn: 62719 of 62720", id="torn"),
        pytest.param(
            lambda images: images.write_bytes(idx(np.ones((80, 28, 28)))), "Every pixel .* is the same", id="all alike"
        ),
    ],
)
def test_files_that_do_not_make_a_data_set_are_told_of_in_one_line(tiny_fashion: Path, change: Change, told: str):
    change(tiny_fashion / "train-images-idx3-ubyte")

    with pytest.raises(DataError, match=told) as caught:
        fashion_mnist(tiny_fashion, 0)

    assert "\n" not in str(caught.value)


def test_without_its_files_fashion_mnist_says_where_to_get_them(tmp_path: Path):
    with pytest.raises(DataError, match=r"No folder .*absent.*dataset-fashion-mnist.*fashion-mnist:FOLDER"):
        data_source(f"fashion-mnist:{tmp_path / 'absent'}").load(0)


def test_a_folder_that_the_system_refuses_to_look_for_is_told_of_in_one_line():
    with pytest.raises(DataError, match=r"Cannot look into a+: File name too long"):
        data_source(f"fashion-mnist:{'a' * 300}").load(0)


@pytest.mark.skipif(not FASHION_MNIST_FOLDER.is_dir(), reason="Debian's dataset-fashion-mnist is not installed.")
def test_the_real_fashion_mnist_gives_five_thousand_images_to_choose_by():
    source = data_source("fashion-mnist")

    data = source.load(0)

    parts = (data.train, data.validation, data.test)
    assert [torch.bincount(part.labels).tolist() for part in parts] == [[5500] * 10, [500] * 10, [1000] * 10]
    assert tuple(data.train.images.shape[1:]) == (source.image.channels, source.image.height, source.image.width)
