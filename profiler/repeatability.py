"""Does a phone say the same tomorrow? Two campaigns of one device, layer by layer.

Notation::

    a, b    a layer's time on the first and the second day: the median over n_a and n_b processes, as in the table
    c       the change, b / a - 1
    s       the spread within a day: standard deviation between processes over their mean
    h       half the width of the 95 % interval in which c lies if the day changed nothing,
            h = t · sqrt(s_a² v(n_a) + s_b² v(n_b)), Student's t with n_a + n_b - 2 degrees of freedom
    v(n)    variance of a median of n normal values of variance 1: pi / (2 n + pi - 2), exact for one value, within 2 % for
            odd n, and too large (so h too wide) for even n

A layer is *beyond its own spread* where c is larger than h in size. Chance alone puts about one layer in twenty there; many more say that the
day, not the noise within it, decides the number, and that a table's ``spread`` promises too much.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from parsers.errors import StatsError
from parsers.schema import Context, DeviceKind, Origin, Status
from parsers.stats import parse_campaign, read_stats, rows_to_frame
from profiler.errors import NotComparableError
from profiler.store import CAMPAIGN_FILE

_T_975 = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
    2.228,
    2.201,
    2.179,
    2.160,
    2.145,
    2.131,
    2.120,
)
"""Student's t at 97.5 % for 1, 2, ... degrees of freedom; beyond the last, the last is on the safe side."""

_SAME_ROWS = (
    "device_kind",
    "soc",
    "os_build",
    "runtime_version",
    "runner_sha256",
    *(item.name for item in fields(Context)),
    "provider",
    "threads",
    "affinity",
    "spinning",
    "evicted_mb",
)
"""Columns in which two rows of a job must agree, or more than the day differs."""

_SAME_SETTINGS = (
    "provider",
    "threads",
    "warmup",
    "checkpoints",
    "target_relative_error",
    "budget_ms",
    "min_iterations",
    "profile_iterations",
    "spinning",
)
"""Settings that change a layer's number; others (seed, number of processes, suite) only change which rows there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """One job on two days."""

    job: str
    before_ms: float
    after_ms: float
    expected: float | None
    """h: what the spread within the days explains; ``None`` where a day has one process only."""

    @property
    def change(self) -> float:
        """c: the relative change."""
        return self.after_ms / self.before_ms - 1

    @property
    def is_beyond(self) -> bool:
        """Whether the change is larger than the spread within the days explains."""
        return self.expected is not None and abs(self.change) > self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatability:
    """Two campaigns of one device."""

    device: str
    kind: DeviceKind
    layers: tuple[LayerChange, ...]
    """The largest change first."""
    left_out: int
    """Jobs that only one campaign has, or that are not ``ok`` in both."""
    remarks: tuple[str, ...]

    @property
    def median_change(self) -> float:
        """Half of the layers changed by no more."""
        return statistics.median(abs(layer.change) for layer in self.layers)

    @property
    def p90_change(self) -> float:
        """Nine layers of ten changed by no more."""
        sizes = sorted(abs(layer.change) for layer in self.layers)
        return sizes[math.ceil(0.9 * len(sizes)) - 1]

    @property
    def judged(self) -> int:
        """Layers whose spread is known on both days."""
        return sum(layer.expected is not None for layer in self.layers)

    @property
    def beyond(self) -> int:
        """Of these, the layers that changed by more than their own spread explains."""
        return sum(layer.is_beyond for layer in self.layers)


def compare_campaigns(before: Path, after: Path, *, device: str | None = None) -> Repeatability:
    """Compare two campaigns, each a campaign's folder or a table.

    Args:
        before: the first day.
        after: the second day.
        device: which device, where the campaigns have several in common.

    Raises:
        NotComparableError: they differ in more than the day, or have no job in common.
        StatsError: a source cannot be read.
    """
    _check_settings(before, after)
    tables = [_read(path) for path in (before, after)]
    name = device or _common_device(tables)
    chosen = [_of_device(table, name, path) for table, path in zip(tables, (before, after), strict=True)]
    both = chosen[0].merge(chosen[1], left_index=True, right_index=True, suffixes=("_a", "_b"))
    _check_rows(both)
    good = both[(both["status_a"] == Status.OK.value) & (both["status_b"] == Status.OK.value)]
    good = good[(good["execution_time_ms_a"] > 0) & (good["execution_time_ms_b"] > 0)]
    if good.empty:
        raise NotComparableError(f"{before} and {after} have no job that is ok in both; measure the same suite twice.")
    layers = sorted((_change(str(job), row) for job, row in good.iterrows()), key=lambda layer: -abs(layer.change))
    kind = DeviceKind(good["device_kind_a"].iloc[0])
    return Repeatability(
        device=name,
        kind=kind,
        layers=tuple(layers),
        left_out=len(chosen[0].index.union(chosen[1].index)) - len(layers),
        remarks=tuple(_remarks(kind, before, after)),
    )


def expected_change(spreads: Sequence[float], counts: Sequence[int]) -> float:
    """h: the change that chance explains in 95 of 100 cases.

    Args:
        spreads: s of both days.
        counts: n of both days, two or more each.
    """
    variance = sum(
        spread**2 * math.pi / (2 * count + math.pi - 2) for spread, count in zip(spreads, counts, strict=True)
    )
    degrees = min(sum(counts) - 2, len(_T_975))
    return _T_975[degrees - 1] * math.sqrt(variance)


def _read(path: Path) -> pd.DataFrame:
    """Read the measured rows of a campaign's folder or of a table."""
    if path.is_dir():
        frame = rows_to_frame(parse_campaign(path).rows)
    elif path.is_file():
        frame = read_stats(path)
    else:
        raise StatsError(f"{path}: no such campaign folder or table. 'profile collect' makes both.")
    if frame.empty:
        raise NotComparableError(f"{path} has no finished job yet. Finish it with the same 'profile collect'.")
    measured = frame[frame["origin"] == Origin.MEASURED.value]
    if measured.empty:
        raise NotComparableError(f"{path} has no measured row; a formula or a published table has no second day.")
    return measured


def _common_device(tables: Sequence[pd.DataFrame]) -> str:
    names = [sorted(set(table["device"])) for table in tables]
    common = sorted(set(names[0]) & set(names[1]))
    if len(common) == 1:
        return str(common[0])
    if common:
        raise NotComparableError(f"Both campaigns have {', '.join(common)}. Choose one with --device.")
    told = [
        ", ".join(
            f"{name} ({kind})" for name, kind in sorted(set(zip(table["device"], table["device_kind"], strict=True)))
        )
        for table in tables
    ]
    raise NotComparableError(f"The campaigns are of different devices: {told[0]} and {told[1]}. Measure one twice.")


def _of_device(table: pd.DataFrame, device: str, path: Path) -> pd.DataFrame:
    """The device's rows by their job."""
    rows = table[table["device"] == device].set_index("job")
    if rows.empty:
        raise NotComparableError(f"{path} has no row of {device}. It has: {', '.join(sorted(set(table['device'])))}.")
    if not rows.index.is_unique:
        campaigns = ", ".join(sorted(set(rows["campaign"])))
        raise NotComparableError(f"{path} has several campaigns of {device}: {campaigns}. Give one of them alone.")
    return rows


def _check_rows(both: pd.DataFrame) -> None:
    """Refuse jobs that differ in what they ran on or how."""
    for column in _SAME_ROWS:
        first, second = both[f"{column}_a"], both[f"{column}_b"]
        differs = (first != second) & ~(first.isna() & second.isna())
        if differs.any():
            job, first_value, second_value = next(
                zip(both.index[differs], first[differs], second[differs], strict=True)
            )
            raise NotComparableError(
                f"{column} differs: {first_value} in the first campaign, {second_value} in the second (job {job}). "
                "Then not only the day changed; measure again under the same conditions."
            )


def _check_settings(before: Path, after: Path) -> None:
    """Refuse other settings, where both campaigns' folders tell them."""
    first, second = _settings(before), _settings(after)
    for name in _SAME_SETTINGS if first and second else ():
        if first.get(name) != second.get(name):
            raise NotComparableError(
                f"The setting {name} differs: {first.get(name)} in {before}, {second.get(name)} in {after}. "
                "Measure again with the same settings."
            )


def _settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads((path / CAMPAIGN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _change(job: str, row: pd.Series[Any]) -> LayerChange:
    spreads = [float(row[f"spread_{day}"]) for day in "ab"]
    counts = [0 if pd.isna(row[f"processes_{day}"]) else int(row[f"processes_{day}"]) for day in "ab"]
    judged = not any(math.isnan(spread) for spread in spreads) and min(counts) >= 2
    return LayerChange(
        job=job,
        before_ms=float(row["execution_time_ms_a"]),
        after_ms=float(row["execution_time_ms_b"]),
        expected=expected_change(spreads, counts) if judged else None,
    )


def _remarks(kind: DeviceKind, before: Path, after: Path) -> list[str]:
    remarks = []
    if kind is DeviceKind.VIRTUAL:
        remarks.append("A virtual phone: this is how the machine that plays it repeats itself, not how a phone does.")
    if not (_settings(before) and _settings(after)):
        remarks.append("A table does not tell iterations and warm-up; only campaigns' folders show that they agree.")
    return remarks
