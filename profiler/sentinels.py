"""Sentinels: two models that are run again and again, to see whether a phone still is as fast as when the campaign began.

One is bound by computing, one by memory, because a phone that grows warm lowers the two clocks at different times. Between
two looks that both show the old speed, what was measured is trusted; everything else is measured again (DESIGN, "A trustworthy
number"). Sentinel runs are no rows; their readings are kept in the device's folder as ``sentinels.csv``.
"""

from __future__ import annotations

import csv
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from parsers.jobs import RUN_PREFIX
from parsers.schema import Layer, Status
from parsers.witnesses import hear
from profiler.job_plans import OUT, model_path
from profiler.microbench import layer_model
from profiler.plan import RunPlan
from profiler.settings import CampaignSettings

SENTINELS_FILE = "sentinels.csv"
BASELINE_READINGS = 3
"""Looks at the start of a campaign whose median is the speed that all later ones are held against."""
TOLERANCE = 0.05
"""A sentinel that moved by more than this part of its baseline says that the phone is not what it was."""

_LOOK_MS = 200
"""How long each sentinel is looked at: six iterations on a slow phone, hundreds on a fast machine."""
_LEAST_ITERATIONS = 5
_MOST_ITERATIONS = 200
_PREFIX = "sentinel-"


def _compute_bound() -> Layer:
    side, channels = 56, 64
    volume = channels * side * side
    return Layer(
        type="Conv",
        in_channels=channels,
        channels=channels,
        height=side,
        width=side,
        out_height=side,
        out_width=side,
        kernel_height=3,
        kernel_width=3,
        stride_height=1,
        stride_width=1,
        pad_top=1,
        pad_bottom=1,
        pad_left=1,
        pad_right=1,
        input_volume=volume,
        output_volume=volume,
        weight_elements=channels * channels * 9 + channels,
        input_shapes=((1, channels, side, side),),
        output_shape=(1, channels, side, side),
    )


def _bandwidth_bound() -> Layer:
    shape = (1, 64, 256, 256)
    volume = 64 * 256 * 256
    return Layer(
        type="Add",
        in_channels=64,
        channels=64,
        height=256,
        width=256,
        out_height=256,
        out_width=256,
        input_volume=2 * volume,
        output_volume=volume,
        input_shapes=(shape, shape),
        output_shape=shape,
    )


SENTINELS: Mapping[str, Layer] = MappingProxyType(
    {f"{_PREFIX}compute": _compute_bound(), f"{_PREFIX}bandwidth": _bandwidth_bound()}
)
"""Job names of the sentinels and their layers: 0.23 GFLOP of convolution, and 50 MB read and written by an addition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one run of one sentinel showed."""

    number: int
    """Which look it belongs to, counted over the campaign."""
    sentinel: str
    status: Status
    wall_ms: float | None
    """Lower quartile over the iterations, ``None`` where there are none: a slower clock moves all of them, a neighbour only
    the upper ones."""
    took_s: float | None
    """The whole run, by the phone's clock; ``None`` where its log does not tell."""


def is_sentinel(job: str) -> bool:
    """Whether a run of this job is no row."""
    return job.startswith(_PREFIX)


@cache
def sentinel_models() -> Mapping[str, bytes]:
    """The sentinels' ONNX files by their job names."""
    models = {job: layer_model(layer).SerializeToString(deterministic=True) for job, layer in SENTINELS.items()}
    return MappingProxyType(models)


def sentinel_plans(number: int, cpus: tuple[int, ...], settings: CampaignSettings) -> list[RunPlan]:
    """Write one look at the phone's speed as lines of a plan."""
    return [
        RunPlan(
            job=job,
            run=number,
            model=str(model_path(sha256(model).hexdigest())),
            out=str(OUT / job / f"{RUN_PREFIX}{number}"),
            threads=settings.threads,
            cpus=cpus,
            warmup=2,
            checkpoints=(_MOST_ITERATIONS,),
            budget_ms=_LOOK_MS,
            min_iterations=_LEAST_ITERATIONS,
            profile_iterations=0,
            timeout_s=settings.timeout_s,
        )
        for job, model in sentinel_models().items()
    ]


def read_sentinel(folder: Path, job: str, number: int) -> Reading:
    """Read the folder that a sentinel's run has left."""
    log = hear(folder).log
    walls_us = sorted(log.wall_us)
    wall_ms = walls_us[(len(walls_us) - 1) // 4] / 1e3 if walls_us else None
    return Reading(number=number, sentinel=job, status=log.status, wall_ms=wall_ms, took_s=log.took_s)


class SentinelLog:
    """The readings of one device in one campaign, in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readings: dict[tuple[int, str], Reading] = {}
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as handle:
                for cells in csv.DictReader(handle):
                    self._keep(_reading(cells))

    @property
    def next_number(self) -> int:
        """The number of the look that is to come."""
        return max((number for number, _ in self._readings), default=-1) + 1

    @property
    def has_baseline(self) -> bool:
        """Whether every sentinel was seen often enough at the start."""
        return all(len(self._baseline_walls(job)) >= BASELINE_READINGS for job in SENTINELS)

    @property
    def statuses(self) -> frozenset[str]:
        """How the sentinels ended so far."""
        return frozenset(reading.status.value for reading in self._readings.values())

    def add(self, reading: Reading) -> None:
        """Write a reading down, once."""
        if (reading.number, reading.sentinel) in self._readings:
            return
        self._keep(reading)
        new = not self._path.is_file()
        with self._path.open("a", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            if new:
                writer.writerow([item.name for item in fields(Reading)])
            wall, took = ("" if value is None else f"{value:.6f}" for value in (reading.wall_ms, reading.took_s))
            writer.writerow([reading.number, reading.sentinel, reading.status.value, wall, took])
            handle.flush()
            os.fsync(handle.fileno())

    def baseline_ms(self, sentinel: str) -> float:
        """The sentinel's time when the campaign began."""
        return statistics.median(self._baseline_walls(sentinel))

    def change(self, number: int) -> float | None:
        """The larger relative change of the two sentinels in one look; ``None`` where a reading is missing."""
        readings = [self._readings.get((number, job)) for job in SENTINELS]
        walls = [reading.wall_ms for reading in readings if reading and reading.wall_ms is not None]
        if len(walls) < len(SENTINELS) or not self.has_baseline:
            return None
        changes = [wall / self.baseline_ms(job) - 1 for wall, job in zip(walls, SENTINELS, strict=True)]
        return max(changes, key=abs)

    def is_steady(self, number: int) -> bool:
        """Whether a look showed the speed of the campaign's start."""
        change = self.change(number)
        return change is not None and abs(change) <= TOLERANCE

    def _keep(self, reading: Reading) -> None:
        self._readings[reading.number, reading.sentinel] = reading

    def _baseline_walls(self, sentinel: str) -> list[float]:
        readings = (self._readings[key] for key in sorted(self._readings) if key[1] == sentinel)
        walls = [reading.wall_ms for reading in readings if reading.wall_ms is not None]
        return walls[:BASELINE_READINGS]


def untrusted(order: Sequence[tuple[str, int]], steady: Iterable[int]) -> set[tuple[str, int]]:
    """List the runs of a plan that do not lie between two steady looks.

    Args:
        order: (job, run) of the plan, sentinels included, in the order of the plan.
        steady: numbers of the looks that showed the old speed.
    """
    good = set(steady)
    found: set[tuple[str, int]] = set()
    since: list[tuple[str, int]] = []
    trusted = False
    for job, run in order:
        if not is_sentinel(job):
            since.append((job, run))
            continue
        if not (trusted and run in good):
            found.update(since)
        since, trusted = [], run in good
    return found.union(since)


def _reading(cells: Mapping[str, str]) -> Reading:
    return Reading(
        number=int(cells["number"]),
        sentinel=cells["sentinel"],
        status=Status(cells["status"]),
        wall_ms=float(cells["wall_ms"]) if cells["wall_ms"] else None,
        took_s=float(cells["took_s"]) if cells["took_s"] else None,
    )
