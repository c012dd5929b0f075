"""Files that cannot be written, said in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from nas.errors import OutputError

ELSEWHERE = "Name another folder with -o."
GO_ON = "What is done is kept: make room, then go on with --resume."


@contextlib.contextmanager
def writing(place: Path, advice: str = ELSEWHERE) -> Iterator[None]:
    """Say what could not be written, and what to do.

    Raises:
        OutputError: instead of any OSError.
    """
    try:
        yield
    except OSError as exc:
        raise OutputError(f"Cannot write {place}: {exc.strerror or exc}. {advice}") from exc
