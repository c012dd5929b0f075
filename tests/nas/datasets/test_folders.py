from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.datasets.augmentation import photographs
from nas.datasets.data import data_source
from nas.datasets.photographs import place_and_side, read_photographs
from nas.errors import DataError
from nas.training.schedule import usual_schedules


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> Path:
    """Write a picture that is white around its middle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (255, 255, 255))
    short = min(size)
    left, top = (size[0] - short) // 2, (size[1] - short) // 2
    image.paste(colour, (left, top, left + short, top + short))
    image.save(path)
    return path


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Three classes, eight images each to learn from and two to report on, told apart by their red."""
    for label, name in enumerate(("ant", "bee", "cat")):
        for number in range(8):
            picture(tmp_path / "train" / name / f"{number}.png", (label, number, 0))
        for number in range(2):
            picture(tmp_path / "val" / name / f"{number}.jpg", (label * 100, 0, 0))
    return tmp_path


def test_imagenets_layout_reports_on_val_and_sets_a_quarter_of_train_aside(imagenet: Path):
    source = data_source(f"images:{imagenet}@8")

    data = source.load(0)

    assert (source.classes, source.image.height, source.image.channels) == (3, 8, 3)
    assert [torch.bincount(part.labels).tolist() for part in (data.train, data.validation, data.test)] == [
        [6] * 3,
        [2] * 3,
        [2] * 3,
    ]
    for part in (data.train, data.validation):
        assert part.images.dtype == torch.uint8
        assert torch.equal(part.images[:, 0, 4, 4].long(), part.labels)
    numbers = torch.cat([data.train.images[:, 1, 4, 4], data.validation.images[:, 1, 4, 4]])
    assert torch.bincount(numbers).tolist() == [3] * 8
    assert data.train.augmentation == photographs(8)
    assert source.schedules == usual_schedules(24)


def test_one_folder_per_class_is_dealt_into_three_parts(imagenet: Path):
    first, again, other = (data_source(f"images:{imagenet / 'train'}@8").load(seed) for seed in (1, 1, 2))

    assert [torch.bincount(part.labels).tolist() for part in (first.train, first.validation, first.test)] == [
        [4] * 3,
        [2] * 3,
        [2] * 3,
    ]
    seen = torch.cat([part.images[:, :2, 4, 4] for part in (first.train, first.validation, first.test)])
    assert len(torch.unique(seen, dim=0)) == 24
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.train.images, other.train.images)


def test_the_middle_square_is_looked_at_in_colour_and_the_right_way_up(tmp_path: Path):
    paths = [
        picture(tmp_path / "wide.png", (10, 20, 30), (20, 10)),
        picture(tmp_path / "high.png", (10, 20, 30), (10, 20)),
    ]
    Image.new("L", (9, 9), 77).save(tmp_path / "grey.png")
    turned = Image.new("RGB", (8, 8))
    turned.paste((255, 0, 0), (0, 0, 8, 4))
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "turned.png", exif=exif)

    pixels = read_photographs([*paths, tmp_path / "grey.png", tmp_path / "turned.png"], 8)

    for place in (0, 1):
        assert pixels[place, :, 1:-1, 1:-1].reshape(3, -1).T.tolist() == [[10, 20, 30]] * 36
    assert (pixels[2] == 77).all()
    assert (pixels[3, 0, :4] == 0).all()
    assert (pixels[3, 0, 4:] == 255).all()


def test_other_files_and_hidden_ones_are_passed_over(imagenet: Path):
    (imagenet / "train" / "ant" / "Thumbs.db").write_bytes(b"no image")
    (imagenet / "train" / "ant" / "._0.png").write_bytes(b"no image")
    (imagenet / "train" / ".cache").mkdir()

    assert len(data_source(f"images:{imagenet}@8").load(0).train) == 18


Change = Callable[[Path], object]


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def drop(folder: Path) -> None:
    empty(folder)
    folder.rmdir()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            lambda folder: (folder / "train/bee/3.png").write_bytes(b"\x89PNG\r\n"),
            r"bee/3\.png is no image",
            id="torn",
        ),
        pytest.param(lambda folder: (folder / "val/ant/1.jpg").write_bytes(b""), r"ant/1\.jpg is no image", id="empty"),
        pytest.param(
            lambda folder: (folder / "train/cat/0.png").write_bytes((folder / "train/cat/0.png").read_bytes()[:60]),
            r"cat/0\.png is no image",
            id="cut off",
        ),
        pytest.param(
            lambda folder: empty(folder / "train/ant"), "ant has 0 images: at least 4 of each class", id="no images"
        ),
        pytest.param(
            lambda folder: [drop(folder / "train" / name) for name in ("ant", "bee")],
            "train has one class, cat",
            id="one class",
        ),
        pytest.param(
            lambda folder: [drop(folder / "train" / name) for name in ("ant", "bee", "cat")],
            "train has no folders",
            id="none",
        ),
        pytest.param(
            lambda folder: drop(folder / "train/ant"), "val has a class ant, and .*train none", id="val alone"
        ),
    ],
)
def test_a_folder_that_is_no_data_set_is_told_of_in_one_line(imagenet: Path, change: Change, told: str):
    change(imagenet)

    with pytest.raises(DataError, match=told) as caught:
        data_source(f"images:{imagenet}@8").load(0)

    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_told_of_before_anything_is_loaded(tmp_path: Path):
    with pytest.raises(DataError, match=r"No folder .*absent"):
        data_source(f"images:{tmp_path / 'absent'}")


@pytest.mark.parametrize(
    ("place", "expected"),
    [("a/b@64", ("a/b", 64)), ("a/b", ("a/b", 224)), ("a@home", ("a@home", 224)), ("a@2@16", ("a@2", 16))],
)
def test_a_side_stands_behind_the_place(place: str, expected: tuple[str, int]):
    assert place_and_side(place, 224) == (Path(expected[0]), expected[1])


@pytest.mark.parametrize("side", [0, 7, 1025])
def test_a_side_that_images_cannot_have_is_refused(side: int):
    with pytest.raises(DataError, match=f"Images of {side} pixels"):
        place_and_side(f"folder@{side}", 224)


def test_more_images_than_the_memory_holds_are_refused_before_any_is_read(tmp_path: Path):
    with pytest.raises(DataError, match=r"100000000 images of 1024 pixels a side take .* GiB, of .* GiB"):
        read_photographs([tmp_path / "absent.png"] * 100_000_000, 1024)


def test_pixels_are_scaled_by_the_batch_as_by_the_whole(imagenet: Path):
    train = data_source(f"images:{imagenet}@8").load(0).train

    whole, _ = train.batch(slice(None))

    raw = train.images.double()
    expected = raw - raw.mean((0, 2, 3), keepdim=True)
    deviation = raw.std((0, 2, 3), keepdim=True, correction=0)
    assert np.allclose(whole[:, :2], (expected / deviation)[:, :2], atol=1e-5)
    assert torch.equal(whole[3:5], train.batch(torch.tensor([3, 4]))[0])
