from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.datasets.data import data_source
from nas.errors import DataError
from nas.space import Task

REAL = "segmentation/dsb2018_64.npz"


def arrays(n: int = 16, height: int = 10, width: int = 12, channels: int | None = 3) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and the masks of where its first channel is bright."""
    shape = (n, height, width) if channels is None else (n, height, width, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    first = images if channels is None else images[..., 0]
    return images, first > 127


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("form", ["truth values", "bytes", "packed"])
def test_masks_are_read_in_each_form_and_stay_with_their_images(tmp_path: Path, channels: int | None, form: str):
    images, masks = arrays(channels=channels)
    written = {"truth values": masks, "bytes": masks.astype(np.uint8), "packed": np.packbits(masks, axis=-1)}[form]
    np.savez(tmp_path / "set.npz", images=images, masks=written)

    source = data_source(f"masks:{tmp_path / 'set.npz'}")
    data = source.load(0)

    assert (source.task, data.task, source.classes) == (Task.SEGMENTATION, Task.SEGMENTATION, 2)
    assert (source.image.channels, source.image.height, source.image.width) == (channels or 1, 10, 12)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 4, 4]
    for part in (data.train, data.validation, data.test):
        assert torch.equal(part.images[:, 0] > 127, part.labels.bool())
        assert part.batch(slice(2))[1].dtype == torch.int64


def test_bytes_say_classes(tmp_path: Path):
    images, masks = arrays()
    np.savez(
        tmp_path / "set.npz",
        images=images,
        masks=masks.astype(np.uint8) * (1 + (images[..., 1] > 127)).astype(np.uint8),
    )

    assert data_source(f"masks:{tmp_path / 'set.npz'}").classes == 3


def test_a_file_that_has_changed_is_read_again(tmp_path: Path):
    images, masks = arrays()
    np.savez(tmp_path / "set.npz", images=images, masks=masks)
    first = data_source(f"masks:{tmp_path / 'set.npz'}")
    np.savez(tmp_path / "set.npz", images=images[:8], masks=masks[:8])

    assert len(data_source(f"masks:{tmp_path / 'set.npz'}").load(0).train) == 4
    assert len(first.load(0).train) == 8


def test_a_seed_deals_images_out_and_another_otherwise(tmp_path: Path):
    images, masks = arrays()
    np.savez(tmp_path / "set.npz", images=images, masks=masks)
    first, again, other = (data_source(f"masks:{tmp_path / 'set.npz'}").load(seed) for seed in (1, 1, 2))

    assert torch.equal(first.test.images, again.test.images)
    assert not torch.equal(first.test.images, other.test.images)


IMAGES, MASKS = arrays()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"images": IMAGES}, "has no array 'masks'"),
        ({"images": IMAGES.astype(np.float32), "masks": MASKS}, "images are float32 of shape .* must be uint8"),
        ({"images": IMAGES, "masks": MASKS[:-1]}, r"masks are bool of shape \(15, 10, 12\)"),
        ({"images": IMAGES, "masks": MASKS[:, :, :-4]}, r"or packed to \(16, 10, 2\)"),
        ({"images": IMAGES, "masks": MASKS.astype(np.int16)}, "masks are int16"),
        ({"images": IMAGES, "masks": np.zeros_like(MASKS)}, "every pixel of every mask is of class 0"),
        ({"images": IMAGES, "masks": MASKS.astype(np.uint8) * 255}, "masks hold the classes 0, 255"),
        ({"images": IMAGES[:4], "masks": MASKS[:4]}, "has 4 images: at least 8"),
        ({"images": IMAGES, "masks": np.array([{}])}, "is no .npz file that can be read"),
    ],
)
def test_a_file_that_is_no_data_set_is_told_of_in_one_line(tmp_path: Path, content: dict[str, np.ndarray], told: str):
    np.savez(tmp_path / "set.npz", **content)

    with pytest.raises(DataError, match=told) as caught:
        data_source(f"masks:{tmp_path / 'set.npz'}")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"text"])
def test_a_file_that_is_no_archive_is_told_of_in_one_line(tmp_path: Path, content: bytes):
    (tmp_path / "set.npz").write_bytes(content)

    with pytest.raises(DataError, match=r"set\.npz is no \.npz file"):
        data_source(f"masks:{tmp_path / 'set.npz'}")


def test_an_array_alone_is_no_data_set(tmp_path: Path):
    np.save(tmp_path / "set.npy", IMAGES)

    with pytest.raises(DataError, match=r"is no \.npz file"):
        data_source(f"masks:{tmp_path / 'set.npy'}")


def test_a_file_that_is_not_there_is_told_of_in_one_line(tmp_path: Path):
    with pytest.raises(DataError, match=r"Cannot read .*absent\.npz: No such file"):
        data_source(f"masks:{tmp_path / 'absent.npz'}")


@pytest.mark.skipif("AUTOCOMET_DATA" not in os.environ, reason="AUTOCOMET_DATA does not say where real data lies.")
def test_real_microscope_images_load_with_their_masks():
    data = data_source(f"masks:{Path(os.environ['AUTOCOMET_DATA']) / REAL}").load(0)

    assert [len(part) for part in (data.train, data.validation, data.test)] == [332, 166, 166]
    assert tuple(data.train.images.shape[1:]) == (3, 64, 64)
    assert 0.05 < float(data.train.labels.float().mean()) < 0.3
