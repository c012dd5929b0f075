"""Run independent fits on several cores. Boosting leaves Python's lock, so threads are enough, and nothing is copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from parsers.console import Advance

Result = TypeVar("Result")


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux; elsewhere there is no affinity to ask for
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_all(
    tasks: Sequence[Callable[[], Result]], *, notes: Sequence[str], advance: Advance, workers: int
) -> list[Result]:
    """Run tasks on ``workers`` threads; results come in the tasks' order, whatever order they end in.

    Args:
        tasks: what to run; a task's exception ends the rest.
        notes: what to call each task while telling how far it has gone.
        advance: takes the number of finished tasks and the last one's note.
        workers: threads.
    """
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = {pool.submit(task): note for task, note in zip(tasks, notes, strict=True)}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                advance(done, futures[future])
        except BaseException:  # Ctrl-C included: what has not begun never does
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]
