from __future__ import annotations

import threading
from functools import partial

import pytest

from metamodel.parallel import available_cores, run_all


def test_results_come_in_the_tasks_order_though_the_first_ends_last():
    second_is_done = threading.Event()
    told = []

    def first():
        second_is_done.wait(timeout=10)
        return "first"

    def second():
        second_is_done.set()
        return "second"

    results = run_all([first, second], notes=["1", "2"], advance=lambda *step: told.append(step), workers=2)

    assert results == ["first", "second"]
    assert [done for done, _ in told] == [1, 2]
    assert {note for _, note in told} == {"1", "2"}


def test_one_failing_task_ends_the_rest():
    started = []

    def fail():
        raise ValueError("broken")

    def start(number):
        started.append(number)
        threading.Event().wait(0.001)  # long enough for whoever waits for the first to hear of it

    tasks = [fail, *(partial(start, number) for number in range(1000))]
    with pytest.raises(ValueError, match="broken"):
        run_all(tasks, notes=[""] * len(tasks), advance=lambda *step: None, workers=1)  # noqa: ARG005

    assert len(started) < 1000


def test_there_is_at_least_one_core():
    assert available_cores() >= 1
