from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parsers.errors import StatsError
from parsers.schema import (
    Context,
    DeviceKind,
    Execution,
    Layer,
    Measurement,
    Origin,
    Provenance,
    Row,
    Status,
)
from parsers.stats import write_stats
from profiler.errors import NotComparableError
from profiler.repeatability import compare_campaigns, expected_change

LAYER = Layer(type="Gemm", in_channels=8, channels=4, input_volume=8, output_volume=4, weight_elements=36)
ROW = Row(
    layer=LAYER,
    context=Context(cores=1, memory_gb=8.0, clock_freq_ghz=2.84),
    execution=Execution(threads=1, affinity="7", spinning=True),
    measurement=Measurement(execution_time_ms=1.0, spread=0.01, processes=3),
    provenance=Provenance(
        origin=Origin.MEASURED, device_kind=DeviceKind.PHONE, device="Pixel-4-1", campaign="monday", job="a"
    ),
)


def row(job: str, time_ms: float | None, **measurement: Any) -> Row:
    return replace(
        ROW,
        measurement=replace(ROW.measurement, execution_time_ms=time_ms, **measurement),
        provenance=replace(ROW.provenance, job=job),
    )


def table(folder: Path, name: str, rows: Sequence[Row]) -> Path:
    path = folder / f"{name}.parquet"
    write_stats(list(rows), path)
    return path


def on(device: str, kind: DeviceKind, job: str = "a") -> Row:
    return replace(ROW, provenance=replace(ROW.provenance, device=device, device_kind=kind, job=job))


def test_changes_are_summed_up_and_the_worst_comes_first(tmp_path: Path) -> None:
    monday = [row(f"job{number}", 1.0) for number in range(10)]
    tuesday = [row(f"job{number}", 1.0 + number / 100) for number in range(9)] + [row("job9", 0.7)]

    found = compare_campaigns(table(tmp_path, "a", monday), table(tmp_path, "b", tuesday))

    assert [layer.job for layer in found.layers[:3]] == ["job9", "job8", "job7"]
    assert found.layers[0].change == pytest.approx(-0.3)
    assert (found.median_change, found.p90_change) == (pytest.approx(0.045), pytest.approx(0.08))
    assert (found.device, found.kind, found.judged) == ("Pixel-4-1", DeviceKind.PHONE, 10)


def test_a_layer_is_beyond_its_spread_only_where_its_processes_do_not_explain_the_change(tmp_path: Path) -> None:
    monday = [
        row("steady", 1.0, spread=0.001),
        row("noisy", 1.0, spread=0.2),
        row("once", 1.0, spread=None, processes=1),
    ]
    tuesday = [row("steady", 1.05, spread=0.001), row("noisy", 1.05, spread=0.2), row("once", 1.05, spread=0.1)]

    found = compare_campaigns(table(tmp_path, "a", monday), table(tmp_path, "b", tuesday))

    beyond = {layer.job: layer.is_beyond for layer in found.layers}
    assert beyond == {"steady": True, "noisy": False, "once": False}
    assert (found.beyond, found.judged) == (1, 2)


def test_the_expected_change_by_hand() -> None:
    """Two days of three processes: 4 degrees of freedom, t = 2.776, v(3) = pi / (4 + pi)."""
    by_hand = 2.776 * math.sqrt((0.01**2 + 0.02**2) * math.pi / (4 + math.pi))

    assert expected_change([0.01, 0.02], [3, 3]) == pytest.approx(by_hand)


def test_chance_alone_puts_about_one_layer_in_twenty_beyond_its_spread() -> None:
    rng = np.random.default_rng(5)
    beyond = 0
    for _ in range(4000):
        days = [[float(value) for value in rng.normal(1.0, 0.02, 3)] for _ in range(2)]
        spreads = [statistics.stdev(day) / statistics.fmean(day) for day in days]
        change = statistics.median(days[1]) / statistics.median(days[0]) - 1
        beyond += abs(change) > expected_change(spreads, [3, 3])

    assert 0.03 < beyond / 4000 < 0.07


def test_jobs_that_are_not_ok_on_both_days_are_counted_and_left_out(tmp_path: Path) -> None:
    monday = [row("a", 1.0), row("b", 1.0), row("c", 1.0)]
    tuesday = [row("a", 1.0), row("b", None, status=Status.THROTTLED), row("d", 1.0)]

    found = compare_campaigns(table(tmp_path, "a", monday), table(tmp_path, "b", tuesday))

    assert ([layer.job for layer in found.layers], found.left_out) == (["a"], 3)


def test_different_devices_are_refused_with_their_kinds(tmp_path: Path) -> None:
    phone = table(tmp_path, "a", [on("Pixel-4-1", DeviceKind.PHONE)])
    virtual = table(tmp_path, "b", [on("Virtual-1", DeviceKind.VIRTUAL)])

    with pytest.raises(NotComparableError, match=r"different devices: Pixel-4-1 \(phone\) and Virtual-1 \(virtual\)"):
        compare_campaigns(phone, virtual)


@pytest.mark.parametrize(
    ("part", "change", "complaint"),
    [
        ("context", {"memory_gb": 6.0}, "memory_gb differs: 8.0 in the first campaign, 6.0 in the second"),
        ("execution", {"threads": 4}, "threads differs: 1 in the first campaign, 4 in the second"),
        ("execution", {"affinity": None}, "affinity differs: 7 in the first campaign"),
        ("provenance", {"os_build": "new"}, "os_build differs"),
        ("provenance", {"runtime_version": "1.29"}, "runtime_version differs"),
        ("provenance", {"device_kind": DeviceKind.VIRTUAL}, "device_kind differs: phone .* virtual"),
    ],
)
def test_more_than_the_day_may_not_differ(tmp_path: Path, part: str, change: dict[str, Any], complaint: str) -> None:
    other = replace(ROW, **{part: replace(getattr(ROW, part), **change)})

    with pytest.raises(NotComparableError, match=complaint):
        compare_campaigns(table(tmp_path, "a", [ROW]), table(tmp_path, "b", [other]))


def test_of_several_devices_one_is_chosen(tmp_path: Path) -> None:
    rows = [on("one", DeviceKind.PHONE), on("two", DeviceKind.PHONE)]
    before, after = table(tmp_path, "a", rows), table(tmp_path, "b", rows)

    with pytest.raises(NotComparableError, match=r"Both campaigns have one, two\. Choose one with --device"):
        compare_campaigns(before, after)

    assert compare_campaigns(before, after, device="two").device == "two"
    with pytest.raises(NotComparableError, match=r"a.parquet has no row of three. It has: one, two"):
        compare_campaigns(before, after, device="three")


def test_a_table_of_several_campaigns_is_refused(tmp_path: Path) -> None:
    again = replace(ROW, provenance=replace(ROW.provenance, campaign="sunday"))

    with pytest.raises(NotComparableError, match="several campaigns of Pixel-4-1: monday, sunday"):
        compare_campaigns(table(tmp_path, "a", [ROW, again]), table(tmp_path, "b", [ROW]))


def test_a_virtual_phone_is_said_to_be_one(tmp_path: Path) -> None:
    rows = [on("Virtual-1", DeviceKind.VIRTUAL)]

    found = compare_campaigns(table(tmp_path, "a", rows), table(tmp_path, "b", rows))

    assert found.kind is DeviceKind.VIRTUAL
    assert found.remarks[0].startswith("A virtual phone: this is how the machine that plays it repeats itself")


def test_rows_of_a_formula_have_no_second_day(tmp_path: Path) -> None:
    modelled = replace(ROW, provenance=replace(ROW.provenance, origin=Origin.MODELLED))

    with pytest.raises(NotComparableError, match="no measured row"):
        compare_campaigns(table(tmp_path, "a", [modelled]), table(tmp_path, "b", [ROW]))


def test_campaigns_without_a_common_job_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match="no job that is ok in both"):
        compare_campaigns(table(tmp_path, "a", [row("a", 1.0)]), table(tmp_path, "b", [row("b", 1.0)]))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StatsError, match="no such campaign folder or table"):
        compare_campaigns(tmp_path / "nowhere", tmp_path / "nowhere")


def test_other_settings_are_refused_where_the_folders_tell_them(tmp_path: Path) -> None:
    for name, warmup in (("monday", 3), ("tuesday", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "campaign.json").write_text(json.dumps({"warmup": warmup, "seed": warmup}))

    with pytest.raises(NotComparableError, match=r"The setting warmup differs: 3 in .*monday, 5 in .*tuesday"):
        compare_campaigns(tmp_path / "monday", tmp_path / "tuesday")


def test_a_campaign_without_a_finished_job_is_said_to_be_unfinished(tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match=r"a\.parquet has no finished job yet"):
        compare_campaigns(table(tmp_path, "a", []), table(tmp_path, "b", [ROW]))
