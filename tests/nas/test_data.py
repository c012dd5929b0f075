from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.data import FASHION_MNIST_FOLDER, SHIFT, data_label, data_source, fashion_mnist, shifted, split_by_class
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
    with pytest.raises(DataError, match=r"No data set 'imagenet'\. Known: fashion-mnist, mnist-5k\."):
        data_source("imagenet")


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


def test_fashion_mnist_keeps_its_own_test_images_and_sets_a_quarter_of_a_small_sets_others_aside(tiny_fashion: Path):
    data = data_source(f"fashion-mnist:{tiny_fashion}").load(0)

    parts = [data.train, data.validation, data.test]
    raw = [(part.images - data.test.images.min())[:, 0, 0, 0] for part in parts]
    step = float((raw[2][1] - raw[2][0]) or 1)
    numbers = [sorted(round(value / step) + 80 for value in values.tolist()) for values in raw]
    assert numbers[2] == list(range(80, 100))
    assert sorted(numbers[0] + numbers[1]) == list(range(80))
    assert [torch.bincount(part.labels).tolist() for part in parts] == [[6] * 10, [2] * 10, [2] * 10]
    assert float(data.train.images.mean()) == pytest.approx(0.0, abs=1e-6)


def test_another_seed_chooses_by_other_images_and_reports_on_the_same_ones_in_the_same_order(tiny_fashion: Path):
    first, again, other = (fashion_mnist(tiny_fashion, seed) for seed in (1, 1, 2))

    assert torch.equal(first.validation.images, again.validation.images)
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.validation.images, other.validation.images)
    assert torch.equal(first.test.labels, other.test.labels)
    assert torch.equal(first.test.images.argsort(0), other.test.images.argsort(0))


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


@pytest.mark.parametrize(
    ("name", "told"),
    [("mnist-5k:/digits", "is read from no folder"), ("fashion-mnist:", "names no folder"), (":x", "No data set ''")],
)
def test_a_folder_where_none_can_be_is_refused_before_anything_is_loaded(name: str, told: str):
    with pytest.raises(DataError, match=told):
        data_source(name)


def test_two_folders_have_two_labels_and_none_has_a_slash():
    labels = [data_label(name) for name in ("mnist-5k", "fashion-mnist", "fashion-mnist:/a/b", "fashion-mnist:/a-b")]

    assert len(set(labels)) == 4
    assert labels[:2] == ["mnist-5k", "fashion-mnist"]
    assert not any("/" in label for label in labels)


@pytest.mark.skipif(not FASHION_MNIST_FOLDER.is_dir(), reason="Debian's dataset-fashion-mnist is not installed.")
def test_the_real_fashion_mnist_gives_five_thousand_images_to_choose_by():
    source = data_source("fashion-mnist")

    data = source.load(0)

    parts = (data.train, data.validation, data.test)
    assert [torch.bincount(part.labels).tolist() for part in parts] == [[5500] * 10, [500] * 10, [1000] * 10]
    assert tuple(data.train.images.shape[1:]) == (source.image.channels, source.image.height, source.image.width)


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
