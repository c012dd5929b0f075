from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parsers.energy import estimate_energy
from parsers.errors import EnergyRefusedError
from parsers.odpm import rails_trace
from parsers.power_samples import Rail, RailSamples

SECOND = 1_000_000_000


def meter(windows, *, every_s: float = 0.5, renewed_every: int = 2) -> RailSamples:
    """A CPU rail that takes 300 mW at rest and 900 mW more in the loop, a memory rail, and a display that does neither."""
    moments = windows.loop_from_ns + (np.arange(-20, 60, every_s) * SECOND).astype(np.int64)
    time_s = (moments - windows.loop_from_ns) / SECOND
    time_s = np.repeat(time_s[::renewed_every], renewed_every)[: len(time_s)]  # the meter's own pace
    loop_s = np.clip(time_s, 0, 40)
    return RailSamples(
        boottime_ns=moments,
        rails=(
            Rail(name="S4M_VDD_CPUCL0", subsystem="CPU(LITTLE)", energy_mj=1e6 + 300 * (time_s + 20) + 900 * loop_s),
            Rail(name="S8S_VDD2L", subsystem="DDR", energy_mj=5e5 + 100 * (time_s + 20) + 100 * loop_s),
            Rail(name="VSYS_PWR_DISPLAY", subsystem="Display", energy_mj=9e5 + 2000 * (time_s + 20)),
        ),
    )


def test_energy_of_the_chip_s_rails_is_what_they_counted_in_the_loop_less_idle(phone) -> None:
    trace = rails_trace(meter(phone.windows), phone.windows)

    energy = estimate_energy(trace, phone.windows)

    assert energy.energy_mj == pytest.approx(1000 * 40 / 1000, rel=1e-3)
    assert energy.power_gross_mw == pytest.approx(1400, rel=1e-3)
    assert energy.source == "odpm"
    assert energy.evidence == "mWs of S4M_VDD_CPUCL0, S8S_VDD2L"


def test_a_meter_s_own_pace_is_what_its_counters_show(phone) -> None:
    trace = rails_trace(meter(phone.windows, every_s=0.5, renewed_every=4), phone.windows)

    assert trace.update_period_s == pytest.approx(2.0)


def test_a_phone_whose_rails_feed_no_processor_is_refused_with_their_names(phone) -> None:
    samples = meter(phone.windows)

    with pytest.raises(EnergyRefusedError, match="VSYS_PWR_DISPLAY"):
        rails_trace(replace(samples, rails=samples.rails[2:]), phone.windows)


def test_a_counter_that_falls_is_refused(phone) -> None:
    samples = meter(phone.windows)
    fallen = samples.rails[0].energy_mj.copy()
    fallen[80:] -= 1e6

    with pytest.raises(EnergyRefusedError, match="reboots"):
        rails_trace(replace(samples, rails=(replace(samples.rails[0], energy_mj=fallen),)), phone.windows)


def test_a_meter_that_hardly_moves_is_refused(phone) -> None:
    with pytest.raises(EnergyRefusedError, match="renewed only 4 times"):
        rails_trace(meter(phone.windows, renewed_every=50), phone.windows)


def test_a_rail_that_has_counted_far_moves_in_the_steps_of_the_hal_s_float(phone) -> None:
    far = rails_trace(meter(phone.windows), phone.windows)
    near = [replace(rail, energy_mj=rail.energy_mj - rail.energy_mj[0]) for rail in meter(phone.windows).rails]

    # Floats near 1.06e9 and 5.1e8 µWs are 64 and 32 µWs apart; the text's two decimals are 10 µWs each. One update a second.
    assert far.quantum_mw == pytest.approx(0.064 + 0.032)
    assert rails_trace(replace(meter(phone.windows), rails=tuple(near)), phone.windows).quantum_mw == pytest.approx(
        0.02
    )
