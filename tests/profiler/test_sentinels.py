from __future__ import annotations

from pathlib import Path

import pytest

from parsers.roofline import flops
from parsers.schema import Status
from profiler.sentinels import SENTINELS, Reading, SentinelLog, is_sentinel, sentinel_plans, untrusted
from profiler.settings import CampaignSettings

SETTINGS = CampaignSettings(suite="demo", suite_sha256="00", device="all")
COMPUTE, BANDWIDTH = SENTINELS


def look(number: int) -> list[tuple[str, int]]:
    return [(COMPUTE, number), (BANDWIDTH, number)]


def readings(log: SentinelLog, walls: dict[int, tuple[float | None, float | None]]) -> None:
    for number, pair in walls.items():
        for sentinel, wall in zip(SENTINELS, pair, strict=True):
            log.add(Reading(number=number, sentinel=sentinel, status=Status.OK, wall_ms=wall, took_s=0.3))


def test_one_sentinel_is_bound_by_computing_and_the_other_by_memory() -> None:
    operations = {job: flops(layer) for job, layer in SENTINELS.items()}
    moved_mb = {job: 4 * (layer.input_volume + layer.output_volume) / 1e6 for job, layer in SENTINELS.items()}

    assert operations[COMPUTE] / moved_mb[COMPUTE] > 100e6
    assert operations[BANDWIDTH] / moved_mb[BANDWIDTH] < 0.1e6
    assert moved_mb[BANDWIDTH] == pytest.approx(50.3, abs=0.1)


def test_a_look_is_one_short_run_of_each_sentinel_on_the_jobs_cpus() -> None:
    plans = sentinel_plans(4, (6, 7), SETTINGS)

    assert [(plan.job, plan.run) for plan in plans] == look(4)
    assert {plan.cpus for plan in plans} == {(6, 7)}
    assert {plan.profile_iterations for plan in plans} == {0}
    assert all(is_sentinel(plan.job) for plan in plans)


def test_runs_count_only_between_two_steady_looks() -> None:
    order = [*look(0), ("a", 0), ("b", 0), *look(1), ("c", 0), *look(2), ("d", 0), *look(3), ("e", 1)]

    assert untrusted(order, {0, 1, 2, 3}) == {("e", 1)}
    assert untrusted(order, {0, 1, 3}) == {("c", 0), ("d", 0), ("e", 1)}
    assert untrusted(order, {1, 2, 3}) == {("a", 0), ("b", 0), ("e", 1)}
    assert untrusted([("a", 0), *look(0)], {0}) == {("a", 0)}


def test_the_first_three_looks_are_the_speed_that_later_ones_are_held_against(tmp_path: Path) -> None:
    log = SentinelLog(tmp_path / "sentinels.csv")
    readings(log, {0: (10.0, 20.0), 1: (10.2, None), 2: (10.4, 20.0)})
    before = log.has_baseline
    readings(log, {3: (30.0, 21.0), 4: (10.4, 20.5), 5: (10.2, 23.0), 6: (9.0, 20.0)})

    assert (before, log.has_baseline) == (False, True)
    assert (log.baseline_ms(COMPUTE), log.baseline_ms(BANDWIDTH)) == (10.2, 20.0)
    assert [log.is_steady(number) for number in range(3, 7)] == [False, True, False, False]
    assert log.change(5) == pytest.approx(0.15)
    assert log.change(1) is None
    assert not log.is_steady(7)


def test_readings_outlive_the_program_and_are_written_once(tmp_path: Path) -> None:
    path = tmp_path / "sentinels.csv"
    log = SentinelLog(path)
    readings(log, {0: (10.0, 20.0), 1: (10.0, None)})
    readings(log, {0: (99.0, 99.0)})

    again = SentinelLog(path)

    assert path.read_text().splitlines() == [
        "number,sentinel,status,wall_ms,took_s",
        f"0,{COMPUTE},ok,10.000000,0.300000",
        f"0,{BANDWIDTH},ok,20.000000,0.300000",
        f"1,{COMPUTE},ok,10.000000,0.300000",
        f"1,{BANDWIDTH},ok,,0.300000",
    ]
    assert again.next_number == 2
    assert again.baseline_ms(BANDWIDTH) == 20.0
