"""What each of the phone's faults does: some to every process of the phone, some to its battery."""

from __future__ import annotations

from profiler.virtual_phone.description import PhoneDescription
from profiler.virtual_phone.faults import Fault, FaultName
from profiler.virtual_phone.parameters import Parameters
from profiler.virtual_phone.vitals import Vitals

ONCE = frozenset({FaultName.KILLED_CHILD, FaultName.BIT_FLIP, FaultName.CLOCK_BACK})
"""Done once per order; the others last until they are cleared, over reboots, too."""

_SLOWEST_CLOCK = 0.05


def apply_to_processes(name: FaultName, fault: Fault | None, parameters: Parameters, *, seed: int) -> None:
    """Do a fault that the phone's processes see, or undo it (``None``); other faults do nothing here.

    A wall clock that was set back stays there.
    """
    match name:
        case FaultName.STORAGE_FULL:
            parameters.fill_storage(full=fault is not None)
        case FaultName.THROTTLE:
            parameters.set_clock(part=max(_SLOWEST_CLOCK, fault.numbers[0]) if fault else 1.0)
        case FaultName.LOST_LOG_LINES:
            parameters.lose_log_lines(fault.numbers[0] if fault else 0.0, seed=seed)
        case FaultName.KILLED_CHILD:
            parameters.kill_next(armed=fault is not None)
        case FaultName.BIT_FLIP:
            parameters.flip_next(seed=max(1, seed) if fault else 0)
        case FaultName.CLOCK_BACK if fault:
            parameters.set_wall_clock_back(fault.numbers[0])


def apply_to_battery(name: FaultName, fault: Fault | None, vitals: Vitals, description: PhoneDescription) -> None:
    """Do a fault of battery or charger, or undo it (``None``); other faults do nothing here."""
    battery = description.battery
    match name:
        case FaultName.LOW_BATTERY:
            vitals.gauge.set_level(fault.numbers[0] / 100 if fault else battery.level)
        case FaultName.CURRENT_UNIT:
            vitals.gauge.show(unit="ma" if fault and fault.argument == "ma" else "ua" if fault else battery.unit)
        case FaultName.CURRENT_SIGN:
            positive = fault.numbers[0] > 0 if fault else battery.discharging_sign > 0
            vitals.gauge.show(discharging_sign=1 if positive else -1)
        case FaultName.CHARGING:
            vitals.charging = fault is not None
