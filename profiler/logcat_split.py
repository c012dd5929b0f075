"""Puts what a phone's log kept of a batch beside each run, as that run's second witness."""

from __future__ import annotations

from pathlib import Path

from parsers.jobs import RUN_LOGCAT, RUN_PREFIX
from parsers.witnesses import split_logcat


def split_among_runs(fetched: Path) -> None:
    """Write ``logcat.txt`` into the folder of every fetched run of which the batch's ``logcat.txt`` has lines.

    Only folders that are there get one: what the lines call a job names no path. Doing it twice does no harm.

    Args:
        fetched: holds ``<job>/run-<n>/`` and, where the device has such a log, ``logcat.txt``.
    """
    dump = fetched / RUN_LOGCAT
    if not dump.is_file():
        return
    lines = split_logcat(dump.read_bytes())
    for folder in fetched.glob(f"*/{RUN_PREFIX}*"):
        run = folder.parent.name, int(folder.name.removeprefix(RUN_PREFIX))
        if run in lines:
            (folder / RUN_LOGCAT).write_bytes(lines[run])
