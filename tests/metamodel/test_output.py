from __future__ import annotations

import os

import pytest

from metamodel.artefact import check_output
from metamodel.errors import OutputError
from metamodel.output import check_file, write_file


@pytest.fixture(params=["folder", "pipe", "under a file", "name too long"])
def impossible(request, tmp_path):
    """A path where no file can be written."""
    (tmp_path / "file").write_text("old")
    os.mkfifo(tmp_path / "pipe")
    return {
        "folder": tmp_path,
        "pipe": tmp_path / "pipe",
        "under a file": tmp_path / "file" / "new",
        "name too long": tmp_path / ("x" * 300),
    }[request.param]


def test_a_file_that_cannot_be_written_is_said_before_the_work_and_after_it_in_one_line(impossible, tmp_path):
    before = sorted(tmp_path.iterdir())

    for attempt in (lambda: check_file(impossible), lambda: write_file(b"new", impossible)):
        with pytest.raises(OutputError, match=r"cannot be written|name another file") as caught:
            attempt()
        assert "\n" not in str(caught.value)

    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_is_replaced_and_its_folder_made(tmp_path):
    for content in (b"old", b"new"):
        check_file(tmp_path / "new" / "file")
        write_file(content, tmp_path / "new" / "file")

    assert [entry.read_bytes() for entry in (tmp_path / "new").iterdir()] == [b"new"]


def test_a_model_cannot_have_a_name_that_is_too_long(tmp_path):
    with pytest.raises(OutputError, match="Cannot write the model"):
        check_output(tmp_path / ("x" * 300))
