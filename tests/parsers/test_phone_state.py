from __future__ import annotations

import pytest

from parsers.phone_state import PhoneState, read_phone_state


def test_a_phone_tells_battery_temperature_and_thermal_status_among_other_things() -> None:
    told = {"level": "57", "temperature_dc": "312", "thermal": "0", "status": "not_charging", "plugged": "USB"}

    assert read_phone_state(told) == PhoneState(battery_percent=57.0, temperature_c=31.2, thermal_status=0)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, PhoneState()),
        ({"level": "", "temperature_dc": "warm", "thermal": "1.5"}, PhoneState()),
        ({"level": "101", "thermal": "-1"}, PhoneState()),
        ({"level": "0", "temperature_dc": "-125"}, PhoneState(battery_percent=0.0, temperature_c=-12.5)),
    ],
)
def test_what_a_phone_does_not_tell_is_none(told: dict[str, str], state: PhoneState) -> None:
    assert read_phone_state(told) == state
