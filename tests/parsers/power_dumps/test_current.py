from __future__ import annotations

import pytest

from parsers.power_dumps.current import charge_of, temperature_of, voltage_v_of


@pytest.mark.parametrize(
    ("raw", "temperature"),
    [
        (None, (None, "")),
        (287, (28.7, "")),
        (-55, (-5.5, "")),
        (28_700, (None, "refused: temperature 28700 is no battery's in tenths of a degree Celsius")),
    ],
)
def test_a_temperature_is_in_tenths_of_a_degree_or_refused(raw: int | None, temperature: tuple) -> None:
    assert temperature_of(raw) == temperature


@pytest.mark.parametrize(("raw", "voltage_v"), [(None, None), (4012, 4.012), (4_012_000, 4.012), (12, None), (0, None)])
def test_a_voltage_is_one_that_a_battery_has_in_mv_or_uv(raw: int | None, voltage_v: float | None) -> None:
    assert voltage_v_of(raw) == (None if voltage_v is None else pytest.approx(voltage_v))


@pytest.mark.parametrize(
    ("raw", "level_percent", "charge_mah"),
    [
        (None, 63.0, None),
        (2_512_000, None, 2512.0),
        (2512, 63.0, 2512.0),
        (2512, None, None),
        (0, 63.0, None),
    ],
)
def test_a_charge_counter_is_told_by_what_a_full_battery_would_hold(
    raw: int | None, level_percent: float | None, charge_mah: float | None
) -> None:
    assert charge_of(raw, level_percent)[0] == charge_mah
