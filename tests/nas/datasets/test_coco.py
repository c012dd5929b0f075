from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from nas.datasets.data import data_source
from nas.errors import DataError
from nas.space import Task

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
"""pycocotools is older than NumPy 2."""

CAT, DOG, NEVER = 17, 18, 90


def rectangle(number: int, image: int, category: int, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """Annotate an object that fills a rectangle (left, top, width, height)."""
    left, top, width, height = box
    corners = [left, top, left + width, top, left + width, top + height, left, top + height]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [corners],
    }


def write(folder: Path, part: str, count: int) -> None:
    """Write images of 16 × 16 pixels: a large cat above, a small dog in it where the number is odd; a last one without."""
    images, annotations = [], []
    (folder / part).mkdir()
    for number in range(count + 1):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / part / f"{number}.png")
        images.append({"id": 100 + number, "file_name": f"{number}.png", "width": 16, "height": 16})
        if number == count:
            break
        annotations.append(rectangle(3 * number + 1, 100 + number, CAT, (0, 0, 16, 8)))
        annotations.append(rectangle(3 * number + 2, 100 + number, DOG, (0, 0, 4, 4) if number % 2 else (0, 0, 16, 16)))
    categories = [{"id": one, "name": str(one)} for one in (CAT, DOG, NEVER)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))


@pytest.fixture
def tiny_coco(tmp_path: Path) -> Path:
    (tmp_path / "annotations").mkdir()
    write(tmp_path, "train2017", 16)
    write(tmp_path, "val2017", 4)
    return tmp_path


def test_masks_say_the_category_of_the_smaller_object_where_two_lie_on_each_other(tiny_coco: Path):
    source = data_source(f"coco:{tiny_coco}@16")

    data = source.load(0)

    assert (source.task, source.classes, data.task) == (Task.SEGMENTATION, 3, Task.SEGMENTATION)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [12, 4, 4]
    small_dog = torch.zeros(16, 16, dtype=torch.uint8)
    small_dog[:8] = 1
    small_dog[:4, :4] = 2
    large_dog = torch.full((16, 16), 2, dtype=torch.uint8)
    large_dog[:8] = 1
    for part in (data.train, data.validation, data.test):
        for image, mask in zip(part.images, part.labels, strict=True):
            assert torch.equal(mask, small_dog if int(image[0, 0, 0]) % 2 else large_dog)


def test_an_image_is_of_the_category_of_its_largest_object(tiny_coco: Path):
    source = data_source(f"coco-largest:{tiny_coco}@8")

    data = source.load(0)

    assert (source.task, source.classes) == (Task.CLASSIFICATION, 2)
    assert [torch.bincount(part.labels).tolist() for part in (data.train, data.validation, data.test)] == [
        [6, 6],
        [2, 2],
        [2, 2],
    ]
    for part in (data.train, data.validation, data.test):
        # Odd images show a cat above all, whose class is 0.
        assert torch.equal(part.labels, 1 - part.images[:, 0, 0, 0].long() % 2)


def test_without_val_as_many_again_are_set_aside_to_report_on(tiny_coco: Path):
    (tiny_coco / "annotations" / "instances_val2017.json").unlink()

    data = data_source(f"coco:{tiny_coco}@16").load(0)

    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 4, 4]


def test_val_alone_which_is_the_smaller_download_is_dealt_out_too(tiny_coco: Path):
    (tiny_coco / "annotations" / "instances_train2017.json").rename(tiny_coco / "annotations" / "instances_val.json")
    (tiny_coco / "annotations" / "instances_val2017.json").unlink()
    (tiny_coco / "train2017").rename(tiny_coco / "val")

    data = data_source(f"coco:{tiny_coco}@16").load(0)

    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 4, 4]


def test_images_may_lie_below_images(tiny_coco: Path):
    (tiny_coco / "images").mkdir()
    for part in ("train2017", "val2017"):
        (tiny_coco / part).rename(tiny_coco / "images" / part)

    assert len(data_source(f"coco:{tiny_coco}@16").load(0).train) == 12


def test_a_crowd_is_painted_from_its_run_lengths(tiny_coco: Path):
    path = tiny_coco / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    crowd = rectangle(99, 100, DOG, (0, 8, 16, 8)) | {
        "iscrowd": 1,
        "segmentation": {"size": [16, 16], "counts": [240, 16]},  # column by column: the last column
        "area": 1,
    }
    path.write_text(json.dumps(content | {"annotations": [rectangle(1, 100, CAT, (0, 0, 16, 16)), crowd]}))

    mask = data_source(f"coco:{tiny_coco}@16").load(0).test.labels[0]

    assert mask[:, 15].tolist() == [2] * 16
    assert mask[:, :15].unique().tolist() == [1]


Change = Callable[[Path], object]


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            lambda folder: (folder / "train2017/3.png").write_bytes(b"no"), r"3\.png is no image", id="broken image"
        ),
        pytest.param(
            lambda folder: (folder / "train2017/3.png").unlink(), r"3\.png is no image.*No such file", id="gone"
        ),
        pytest.param(
            lambda folder: Image.new("RGB", (9, 9)).save(folder / "train2017/3.png"),
            r"3\.png is 9×9 pixels; its annotations say 16×16",
            id="another size",
        ),
        pytest.param(
            lambda folder: (folder / "annotations/instances_train2017.json").write_text("{"),
            "is no file of COCO's annotations",
            id="torn",
        ),
        pytest.param(
            lambda folder: (folder / "annotations/instances_train2017.json").write_text("[]"),
            "is no file of COCO's annotations",
            id="a list",
        ),
        pytest.param(
            lambda folder: edit(folder, lambda content: content["annotations"][0].pop("area")),
            "nothing is said of 'area'",
            id="no area",
        ),
        pytest.param(
            lambda folder: [path.unlink() for path in (folder / "annotations").iterdir()],
            r"has no instances_train\*\.json",
            id="no annotations",
        ),
        pytest.param(
            lambda folder: (folder / "annotations/instances_train2014.json").write_text("{}"),
            "holds instances_train2014.json, instances_train2017.json. Leave one",
            id="two years",
        ),
        pytest.param(
            lambda folder: (folder / "train2017").rename(folder / "elsewhere"),
            "there is no folder .*train2017",
            id="moved",
        ),
        pytest.param(
            lambda folder: edit(folder, lambda content: content["annotations"].clear()), "0 categories", id="no objects"
        ),
        pytest.param(
            lambda folder: edit(folder, lambda content: content["images"][0].pop("width")),
            "nothing is said of 'width'",
            id="no width",
        ),
        *(
            pytest.param(
                lambda folder, told=told: edit(
                    folder, lambda content: content["annotations"][0].update(segmentation=told)
                ),
                r"Object 1 of .*0\.png has no mask that could be drawn",
                id=f"mask {told}",
            )
            for told in (
                [],
                [[1, 2]],
                "x",
                None,
                {"size": [16, 16], "counts": [5]},
                {"size": [8, 8], "counts": [64]},
                {"size": [16, 16], "counts": "abc"},
            )
        ),
    ],
)
def test_a_folder_that_is_no_data_set_is_told_of_in_one_line(tiny_coco: Path, change: Change, told: str):
    change(tiny_coco)

    with pytest.raises(DataError, match=told) as caught:
        data_source(f"coco:{tiny_coco}@16").load(0)

    assert "\n" not in str(caught.value)


def test_a_category_that_is_the_largest_too_seldom_gives_way_to_the_next_largest(tiny_coco: Path):
    edit(tiny_coco, lambda content: content["annotations"][1].update(category_id=NEVER))  # a large one in one image

    source = data_source(f"coco-largest:{tiny_coco}@8")

    assert source.classes == 2
    assert sum(len(part) for part in (source.load(0).train, source.load(0).validation)) == 16


def test_one_category_alone_is_nothing_to_classify(tiny_coco: Path):
    edit(tiny_coco, lambda content: [one.update(category_id=CAT) for one in content["annotations"]])

    with pytest.raises(DataError, match="objects of 1 categories: there is nothing to tell apart"):
        data_source(f"coco-largest:{tiny_coco}")


def test_without_pycocotools_it_is_said_how_to_get_it(tiny_coco: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)

    with pytest.raises(DataError, match=r"pycocotools, which is not installed.*autocomet\[coco\]"):
        data_source(f"coco:{tiny_coco}")
