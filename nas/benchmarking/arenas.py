"""What a benchmark plays on: a table, in which every network stands, or a whole search space, of which some are asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from nas.benchmarking.benchmark import BenchmarkSettings, Plays, benchmark, searches
from nas.benchmarking.priced_space import SpaceTask, priced_space
from nas.benchmarking.space_benchmark import benchmark_space, space_searches
from nas.datasets.tables import load_table, parse_limits
from nas.training.train import Advance


class Arena(Protocol):
    """Where controllers meet."""

    @property
    def title(self) -> str:
        """It in a few words, for a plot."""
        ...

    def limits(self, text: str) -> tuple[float, ...]:
        """Read the limits; see :func:`nas.datasets.tables.parse_limits`."""
        ...

    def searches(self, settings: BenchmarkSettings) -> int:
        """Count how many searches are played."""
        ...

    def play(self, settings: BenchmarkSettings, *, workers: int, advance: Advance) -> Plays:
        """Let every controller search under every limit with every seed."""
        ...

    def about(self) -> dict[str, object]:
        """Say what was played on, as JSON has it."""
        ...


class TableArena:
    """A table; see :func:`nas.datasets.tables.load_table` for its arguments and errors."""

    def __init__(self, path: Path, *, signal: str, report: str, cost: str, cost_floor: float) -> None:
        self._table = load_table(path, signal=signal, report=report, cost=cost, cost_floor=cost_floor)
        self._about = {"table": path.name, "signal": signal, "report": report, "cost": cost, "cost_floor": cost_floor}

    @property
    def title(self) -> str:
        """Columns and file."""
        return f"{self._about['signal']} within {self._about['cost']}, {self._about['table']}"

    def limits(self, text: str) -> tuple[float, ...]:
        """Read limits in the cost's unit, or as quantiles of all networks."""
        return parse_limits(text, self._table.cost, self._table.cost_name)

    def searches(self, settings: BenchmarkSettings) -> int:
        """Count how many searches are played."""
        return searches(self._table, settings)

    def play(self, settings: BenchmarkSettings, *, workers: int, advance: Advance) -> Plays:
        """Compare with the best network of the table."""
        return benchmark(self._table, settings, workers=workers, advance=advance)

    def about(self) -> dict[str, object]:
        """Name file and columns."""
        return dict(self._about)


class SpaceArena:
    """A search space; see :class:`nas.benchmarking.priced_space.PricedSpace` for what cannot be."""

    def __init__(self, task: SpaceTask) -> None:
        self._task, self._space = task, priced_space(task)
        self._best: dict[float, float] = {}

    @property
    def title(self) -> str:
        """Signal, cost and space."""
        return f"{self._task.signal} within {self._task.cost}, {self._space.space.name}"

    def limits(self, text: str) -> tuple[float, ...]:
        """Read limits in the cost's unit, or as quantiles of networks drawn fairly."""
        return self._space.limits(text)

    def searches(self, settings: BenchmarkSettings) -> int:
        """Count how many searches are played."""
        return space_searches(self._task, settings)

    def play(self, settings: BenchmarkSettings, *, workers: int, advance: Advance) -> Plays:
        """Compare with the best network that anybody finds."""
        played = benchmark_space(self._task, settings, workers=workers, advance=advance)
        self._best = played.best
        return played.plays

    def about(self) -> dict[str, object]:
        """Name space, signal and cost, and the accuracies that regret is measured against."""
        task = self._task
        return {
            "space": task.space,
            "data": task.data,
            "signal": task.signal,
            "report": task.signal,
            "cost": task.cost,
            "cost_table": None if task.cost_table is None else task.cost_table.name,
            "model": None if task.model is None else task.model.as_posix(),
            "device": task.device,
            "optimum": "unknown: regret is to the best network within the limit that any of these searches found",
            "best_found": {f"{limit:g}": best for limit, best in self._best.items()},
        }
