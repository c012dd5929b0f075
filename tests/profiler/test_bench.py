"""The bench as its users have it: virtual phones behind the bundled adb, and ``profile`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from virtual_rack import profile, virtual_rack

from parsers.device_config import load_device_config
from parsers.schema import DeviceKind, Scope, Status
from parsers.stats import read_stats

TIERS = ("flagship", "mid", "low")
QUICK = ("--suite", "demo", "--policy", "quick", "--processes", "2", "--budget-ms", "60", "--battery", "10-100")


def collect(tiers: tuple[str, ...], folder: Path, *options: str) -> pd.DataFrame:
    """Collect the demo suite on one virtual phone per tier, all at once."""
    with virtual_rack(tiers, folder / "phones", options=options) as (_, environment):
        done = profile("collect", "--all", *QUICK, "--json", environment=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return read_stats(folder / json.loads(done.stdout)["stats"])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return collect(TIERS, tmp_path_factory.mktemp("rack"))


def times_ms(table: pd.DataFrame) -> pd.DataFrame:
    """Time of each isolated layer, a column per device."""
    measured = table[(table["status"] == Status.OK.value) & (table["scope"] == Scope.ISOLATED.value)]
    return measured.pivot_table(index="layer_key", columns="device", values="execution_time_ms").dropna()


def test_three_phones_measured_at_once_carry_the_contexts_of_their_tiers(table: pd.DataFrame) -> None:
    rows = {device: part.iloc[0] for device, part in table.groupby("device")}

    assert set(rows) == {f"Virtual-{tier}-rack{number}" for number, tier in enumerate(TIERS)}
    assert set(table["device_kind"]) == {DeviceKind.VIRTUAL.value}
    assert table.groupby("device").size().nunique() == 1
    for number, tier in enumerate(TIERS):
        expected, row = load_device_config(tier).context, rows[f"Virtual-{tier}-rack{number}"]
        assert row["memory_gb"] == expected.memory_gb
        assert row["memory_bw_gbs"] == expected.memory_bw_gbs
        assert row["core_part"] == expected.core_part
        assert row["last_level_cache_mb"] == expected.last_level_cache_mb
        assert row["clock_freq_ghz"] == pytest.approx(expected.clock_freq_ghz, abs=0.011)
        assert row["cores"] == 1


def test_three_phones_on_one_machine_measure_the_same(table: pd.DataFrame) -> None:
    times = times_ms(table)

    assert len(times) >= 15
    for device in times:
        others = times.drop(columns=device).mean(axis=1)
        assert (times[device] / others).median() == pytest.approx(1, abs=0.1)


def test_a_phone_three_times_as_slow_takes_three_times_as_long(table: pd.DataFrame, tmp_path: Path) -> None:
    slow = times_ms(collect(("low",), tmp_path, "--slow", "3"))

    ratios = (slow.iloc[:, 0] / times_ms(table).mean(axis=1)).dropna()

    assert len(ratios) >= 15
    assert ratios.median() == pytest.approx(3, rel=0.1)
