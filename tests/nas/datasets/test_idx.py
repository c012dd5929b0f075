from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from nas.datasets.idx import find_idx, read_idx
from nas.errors import DataError

TWO_BY_THREE = bytes((0, 0, 8, 3)) + b"\0\0\0\2" + b"\0\0\0\1" + b"\0\0\0\3" + bytes((1, 2, 3, 4, 5, 6))
"""Two items of 1×3, worked by hand from the format."""


def test_bytes_follow_a_magic_number_and_one_size_per_dimension(tmp_path: Path):
    path = tmp_path / "images"
    path.write_bytes(TWO_BY_THREE)

    array = read_idx(path, item=(1, 3))

    assert array.tolist() == [[[1, 2, 3]], [[4, 5, 6]]]
    assert array.dtype == np.uint8


def test_labels_are_items_without_a_shape(tmp_path: Path):
    path = tmp_path / "labels"
    path.write_bytes(bytes((0, 0, 8, 1)) + b"\0\0\0\3" + bytes((7, 0, 255)))

    assert read_idx(path, item=()).tolist() == [7, 0, 255]


def test_the_plain_file_goes_before_the_gzipped_one(tmp_path: Path):
    (tmp_path / "images.gz").write_bytes(gzip.compress(TWO_BY_THREE))
    alone = find_idx(tmp_path, "images")
    (tmp_path / "images").write_bytes(TWO_BY_THREE)

    assert alone == tmp_path / "images.gz"
    assert find_idx(tmp_path, "images") == tmp_path / "images"


@pytest.mark.parametrize("kept", range(len(TWO_BY_THREE)))
def test_a_file_that_stops_anywhere_is_refused(tmp_path: Path, kept: int):
    path = tmp_path / "images"
    path.write_bytes(TWO_BY_THREE[:kept])

    with pytest.raises(DataError, match="is torn" if kept >= 4 else "begins with"):
        read_idx(path, item=(1, 3))


@pytest.mark.parametrize("kept", range(len(gzip.compress(TWO_BY_THREE))))
def test_a_gzipped_file_that_stops_anywhere_is_refused(tmp_path: Path, kept: int):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(TWO_BY_THREE)[:kept])

    with pytest.raises(DataError, match=r"is torn|begins with nothing|is no sound gzip file"):
        read_idx(path, item=(1, 3))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(TWO_BY_THREE + b"\0", "goes on after the 6 bytes", id="longer than its head says"),
        pytest.param(b"\0\0\x0d\3" + TWO_BY_THREE[4:], "begins with 00000d03, not with 00000803", id="floats"),
        pytest.param(b"\0\0\x08\1" + TWO_BY_THREE[4:], "begins with 00000801", id="labels for images"),
        pytest.param(gzip.compress(TWO_BY_THREE), "begins with 1f8b", id="gzipped without saying so"),
        pytest.param(
            TWO_BY_THREE[:4] + b"\xff" * 4 + TWO_BY_THREE[8:], "6 of 12884901885 bytes", id="a head that promises much"
        ),
        pytest.param(TWO_BY_THREE[:8] + b"\0\0\0\3\0\0\0\1" + bytes(6), "items of 3×1, not of 1×3", id="other shape"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused_in_one_line(tmp_path: Path, content: bytes, told: str):
    path = tmp_path / "images"
    path.write_bytes(content)

    with pytest.raises(DataError, match=told) as caught:
        read_idx(path, item=(1, 3))

    assert "\n" not in str(caught.value)


def test_a_plain_file_under_a_gzipped_name_and_a_changed_byte_are_refused(tmp_path: Path):
    path = tmp_path / "images.gz"
    changed = bytearray(gzip.compress(TWO_BY_THREE))
    changed[-8] ^= 1  # of the checksum

    for content in (TWO_BY_THREE, bytes(changed)):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is no sound gzip file"):
            read_idx(path, item=(1, 3))


def test_a_file_that_cannot_be_opened_is_told_of_with_the_systems_words(tmp_path: Path):
    with pytest.raises(DataError, match=r"Cannot read .*: Is a directory"):
        read_idx(tmp_path, item=())
