"""A search as TensorBoard's event files, written while it runs: ``tensorboard --logdir searches`` shows it live."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tensorboardX import SummaryWriter

from nas.searching.search import Record, best_record
from nas.writing import GO_ON, writing

FOLDER = "tensorboard"


class Events:
    """Writes what is told of a search.

    Args:
        writer: of the files.
        costs: names of the costs that records have, with their units.
    """

    def __init__(self, writer: SummaryWriter, costs: Sequence[str]) -> None:
        self._writer, self._costs = writer, costs

    def query(self, records: Sequence[Record]) -> None:
        """Write the last of some records, and what it changes."""
        last, best, step = records[-1], best_record(records), len(records)
        told: dict[str, float | None] = {
            "search/accuracy": last.accuracy,
            "search/best_accuracy": best.accuracy if best else None,
            "search/epsilon": last.epsilon,
            "search/delta": last.growth,
            "search/feasible_share": last.feasible_share,
            "search/seconds": last.seconds,
        }
        told |= {f"predicted/{name}": cost for name, cost in zip(self._costs, last.costs, strict=True)}
        for name, value in told.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)
        self._writer.flush()


@contextmanager
def event_files(folder: Path, costs: Sequence[str]) -> Iterator[Events]:
    """Write event files of a search into a folder; those of one that was stopped are written anew from its records.

    Args:
        folder: of the files, and of nothing else.
        costs: see :class:`Events`.

    Raises:
        OutputError: they cannot be written.
    """
    with writing(folder, GO_ON):
        if folder.exists():
            shutil.rmtree(folder)
        writer = SummaryWriter(str(folder))
    try:
        yield Events(writer, costs)
    finally:
        writer.close()
