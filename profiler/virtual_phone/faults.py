"""The faults that a virtual phone has on order, and how an order is written.

An order is ``NAME`` or ``NAME=ARGUMENT`` on the command line, ``fault NAME ARGUMENT`` on the program's standard input. The
*wire*'s faults are done by the daemon, which is all that a host sees of them; the *phone*'s by the handset. A reboot is both:
the daemon hangs up, the handset boots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from profiler.errors import VirtualPhoneError


class FaultName(StrEnum):
    """What can be ordered."""

    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"
    RECOVERY = "recovery"
    GONE = "gone"
    REBOOT = "reboot"
    STORAGE_FULL = "storage-full"
    THROTTLE = "throttle"
    LOW_BATTERY = "low-battery"
    LOST_LOG_LINES = "lost-log-lines"
    KILLED_CHILD = "killed-child"
    BIT_FLIP = "bit-flip"
    CLOCK_BACK = "clock-back"
    CURRENT_UNIT = "current-unit"
    CURRENT_SIGN = "current-sign"
    CHARGING = "charging"


WIRE_FAULTS = frozenset(
    {FaultName.OFFLINE, FaultName.UNAUTHORIZED, FaultName.RECOVERY, FaultName.GONE, FaultName.REBOOT}
)
"""What the daemon does itself; every other order is passed on to the handset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """How one fault is ordered."""

    meaning: str
    argument: str = ""
    """What follows the name, for people; empty where nothing may."""
    pattern: str = ""
    """A regular expression for the whole argument."""
    lowest: float = 0.0
    highest: float = float("inf")
    """The range of every number in the argument."""


_NUMBER = r"\d+(?:\.\d+)?"

FAULT_KINDS: dict[FaultName, FaultKind] = {
    FaultName.OFFLINE: FaultKind(meaning="the phone takes connections and says nothing"),
    FaultName.UNAUTHORIZED: FaultKind(meaning="nobody has allowed debugging on the phone's screen"),
    FaultName.RECOVERY: FaultKind(meaning="the phone is in recovery"),
    FaultName.GONE: FaultKind(
        meaning="the cable is pulled after so many more bytes to the host, and plugged in again (default 3 s later)",
        argument="BYTES[:SECONDS]",
        pattern=rf"\d+(?::{_NUMBER})?",
    ),
    FaultName.REBOOT: FaultKind(meaning="the phone restarts now"),
    FaultName.STORAGE_FULL: FaultKind(meaning="no room is left on the phone"),
    FaultName.THROTTLE: FaultKind(
        meaning="the clock falls to this part of itself", argument="FACTOR", pattern=_NUMBER, highest=1.0
    ),
    FaultName.LOW_BATTERY: FaultKind(
        meaning="the battery is at this level", argument="PERCENT", pattern=_NUMBER, highest=100.0
    ),
    FaultName.LOST_LOG_LINES: FaultKind(
        meaning="logcat drops this part of its lines", argument="FRACTION", pattern=_NUMBER, highest=1.0
    ),
    FaultName.KILLED_CHILD: FaultKind(meaning="the next process that measures is killed"),
    FaultName.BIT_FLIP: FaultKind(meaning="one bit of the next result is flipped"),
    FaultName.CLOCK_BACK: FaultKind(meaning="the wall clock is set back so far", argument="SECONDS", pattern=_NUMBER),
    FaultName.CURRENT_UNIT: FaultKind(
        meaning="the battery's current is in this unit", argument="ma|ua", pattern="ma|ua"
    ),
    FaultName.CURRENT_SIGN: FaultKind(
        meaning="the sign of the current while the battery drains",
        argument="-1|1",
        pattern="-1|1",
        lowest=-1.0,
        highest=1.0,
    ),
    FaultName.CHARGING: FaultKind(meaning="the phone charges"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One order; made by :func:`parse_fault`, so that its argument is right."""

    name: FaultName
    argument: str = ""

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers of the argument: two where it is ``BYTES:SECONDS``, none where it is a word or absent."""
        return tuple(float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", self.argument))

    def __str__(self) -> str:
        return f"{self.name}={self.argument}" if self.argument else str(self.name)


def parse_name(text: str) -> FaultName:
    """Read a fault's name.

    Raises:
        VirtualPhoneError: there is no such fault.
    """
    try:
        return FaultName(text)
    except ValueError:
        raise VirtualPhoneError(f"No fault {text!r}. There are: {', '.join(FaultName)}.") from None


def parse_fault(text: str) -> Fault:
    """Read an order: ``NAME``, ``NAME=ARGUMENT`` or ``NAME ARGUMENT``.

    Raises:
        VirtualPhoneError: no such fault, or not its argument.
    """
    word, _, argument = text.strip().replace("=", " ", 1).partition(" ")
    name = parse_name(word)
    kind = FAULT_KINDS[name]
    fault = Fault(name=name, argument=argument.strip().lower())
    fits = re.fullmatch(kind.pattern, fault.argument) is not None
    if not fits or not all(kind.lowest <= number <= kind.highest for number in fault.numbers):
        form = f"{name}={kind.argument}" if kind.argument else f"{name}, without an argument"
        raise VirtualPhoneError(f"Fault {text.strip()!r} is not understood. It is written {form}: {kind.meaning}.")
    return fault
