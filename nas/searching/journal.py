"""A search's records, kept one by one while it runs: a line of JSON each, on the disk before the next query begins.

A controller is deterministic in its seed and in the answers it got. So these lines are its whole state: a search that was
killed builds its controller anew, gives it the answers again, and stands where it stood.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.errors import ResumeError
from nas.searching.search import Record
from nas.writing import GO_ON, writing


class Journal:
    """Records in a file that only grows.

    Args:
        path: of the file. A last line that was not written to its end is cut off.

    Raises:
        ResumeError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.kept = _read(path)
        """What was there at the start, in order."""

    def append(self, record: Record) -> None:
        """Write one record, and wait until the disk has it.

        Raises:
            OutputError: it cannot be written; the lines before it stay whole.
        """
        line = json.dumps(dataclasses.asdict(record), separators=(",", ":")) + "\n"
        with writing(self._path, GO_ON), self._path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def _read(path: Path) -> Sequence[Record]:
    if not path.exists():
        return ()
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    try:
        return tuple(_record(json.loads(line)) for line in content[:whole].splitlines())
    except (ValueError, TypeError) as exc:
        raise ResumeError(f"{path} is no journal of this version: {exc}. Start over with --fresh.") from exc


def _record(fields: object) -> Record:
    if not isinstance(fields, dict):
        raise TypeError("a line is no record")
    # JSON knows lists only; what repeats in a record is a tuple.
    values: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in fields.items()}
    return Record(**values)
