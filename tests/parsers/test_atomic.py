from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from parsers.atomic import written_whole


def test_a_file_is_in_its_place_when_all_is_written(tmp_path: Path):
    path = tmp_path / "made" / "file"

    with written_whole(path) as handle:
        handle.write(b"half")
        assert not path.exists()
        handle.write(b" and half")

    assert path.read_bytes() == b"half and half"
    assert list(path.parent.iterdir()) == [path]


def test_what_is_no_file_stays_what_it_is(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for path in (pipe, tmp_path, Path()):
        with pytest.raises(OSError, match="a folder, a device or a pipe"), written_whole(path):
            pass

    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_what_is_raised_meanwhile_leaves_the_old_file_and_no_part(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with contextlib.suppress(KeyError), written_whole(path) as handle:
        handle.write(b"new")
        raise KeyError

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
