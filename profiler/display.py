"""What a campaign over several devices looks like: a live table on a terminal, plain lines in a pipe.

Both go to standard error; standard output belongs to the result.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from parsers.console import tell
from profiler.campaign import Progress, Report

if TYPE_CHECKING:
    from rich.table import Table

_SECONDS_BETWEEN_LINES = 5.0


@contextlib.contextmanager
def rack_display(title: str) -> Iterator[Report]:
    """Show where every device of a campaign stands; yields what takes a device's progress, from any thread."""
    if sys.stderr.isatty():
        with _live_table(title) as report:
            yield report
    else:
        yield _lines(title)


@contextlib.contextmanager
def _live_table(title: str) -> Iterator[Report]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.live import Live  # noqa: PLC0415

    states: dict[str, Progress] = {}
    lock = threading.Lock()
    remaining = Remaining()

    def draw() -> Table:
        with lock:
            return progress_table(title, dict(states), remaining.seconds)

    with Live(get_renderable=draw, console=Console(stderr=True), refresh_per_second=2):

        def report(state: Progress) -> None:
            with lock:
                remaining.count(state)
                states[state.device] = state

        yield report


def progress_table(title: str, states: Mapping[str, Progress], left_s: Callable[[Progress], float | None]) -> Table:
    """Draw one row per device."""
    from rich.markup import escape  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title, title_justify="left", expand=True)
    for name in ("phone", "runs", "left", "temperature", "battery"):
        table.add_column(name, no_wrap=True)
    table.add_column("last", overflow="ellipsis", no_wrap=True, ratio=1)
    for device in sorted(states):
        state = states[device]
        table.add_row(
            escape(device),
            f"{state.done}/{state.total}",
            duration(left_s(state)),
            "" if state.temperature_c is None else f"{state.temperature_c:.1f} °C",
            "" if state.battery_percent is None else f"{state.battery_percent:.0f} %",
            escape(state.note),
        )
    return table


def _lines(title: str) -> Report:
    remaining = Remaining()
    spoken: dict[str, tuple[float, str]] = {}
    lock = threading.Lock()
    tell(f"{title} …")

    def report(state: Progress) -> None:
        with lock:
            remaining.count(state)
            last_s, last_kind = spoken.get(state.device, (0.0, ""))
            kind = state.note.partition(" ")[0] if state.note.partition(":")[1] else "run"
            now = time.monotonic()
            if state.done < state.total and kind == last_kind and now - last_s < _SECONDS_BETWEEN_LINES:
                return
            spoken[state.device] = (now, kind)
            tell(progress_line(state, remaining.seconds(state)))

    return report


def progress_line(state: Progress, left_s: float | None) -> str:
    """Write one device's progress as a line."""
    parts = [f"{state.done}/{state.total} runs"]
    if left_s is not None and state.done < state.total:
        parts.append(f"about {duration(left_s)} left")
    if state.temperature_c is not None:
        parts.append(f"{state.temperature_c:.1f} °C")
    if state.battery_percent is not None:
        parts.append(f"battery {state.battery_percent:.0f} %")
    return f"{state.device}: {', '.join(parts)} ({state.note})"


def duration(seconds: float | None) -> str:
    """Write a duration for people: ``40 s``, ``12 min``, ``3 h 05``."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d}"


class Remaining:
    """How long each device will still need, at the rate since it was first heard of."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[float, int]] = {}

    def count(self, state: Progress) -> None:
        """Hear of a device's progress."""
        self._first.setdefault(state.device, (time.monotonic(), state.done))

    def seconds(self, state: Progress) -> float | None:
        """Estimate what is left; ``None`` where nothing tells."""
        if state.device not in self._first:
            return None
        began_s, began = self._first[state.device]
        if state.done <= began:
            return None
        return (time.monotonic() - began_s) / (state.done - began) * (state.total - state.done)
