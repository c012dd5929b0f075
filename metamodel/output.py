"""Files that a command writes where its user says."""

from __future__ import annotations

import os
from pathlib import Path

from metamodel.errors import OutputError
from parsers.atomic import written_whole


def check_file(path: Path) -> None:
    """See that a file may be written, before hours of work that end in it.

    Raises:
        OutputError: something other than a file is there, or its folder can hold none.
    """
    try:
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is a folder, a device or a pipe; name another file.")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise OutputError(f"{path} cannot be written: {folder} is no folder that may be written to.")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def write_file(data: bytes, path: Path) -> None:
    """Write a file, which is there whole or not at all; a folder, a device or a pipe in its place stays.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with written_whole(path) as handle:
            handle.write(data)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
