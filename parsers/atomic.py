"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside a path, and put it in its place when all is written: nobody sees half of it.

    The folder is made where it is absent. Whatever is raised meanwhile leaves the path as it was.

    Raises:
        OSError: the file cannot be written, or something other than a file stands there.
    """
    if path.exists() and not path.is_file():  # a device would be gone for good
        raise OSError(errno.EINVAL, "it is a folder, a device or a pipe", str(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
