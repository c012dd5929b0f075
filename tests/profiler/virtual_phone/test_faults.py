from __future__ import annotations

import pytest

from profiler.errors import VirtualPhoneError
from profiler.virtual_phone.faults import FAULT_KINDS, Fault, FaultName, parse_fault


def test_every_fault_says_how_it_is_ordered() -> None:
    assert set(FAULT_KINDS) == set(FaultName)


@pytest.mark.parametrize(
    ("order", "fault", "numbers"),
    [
        ("offline", Fault(name=FaultName.OFFLINE), ()),
        ("gone=4096", Fault(name=FaultName.GONE, argument="4096"), (4096.0,)),
        ("gone 4096:0.5", Fault(name=FaultName.GONE, argument="4096:0.5"), (4096.0, 0.5)),
        ("throttle=0.6", Fault(name=FaultName.THROTTLE, argument="0.6"), (0.6,)),
        ("current-unit MA", Fault(name=FaultName.CURRENT_UNIT, argument="ma"), ()),
        (" current-sign=-1\n", Fault(name=FaultName.CURRENT_SIGN, argument="-1"), (-1.0,)),
    ],
)
def test_an_order_is_read_with_its_argument(order: str, fault: Fault, numbers: tuple[float, ...]) -> None:
    read = parse_fault(order)

    assert (read, read.numbers) == (fault, numbers)


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        ("flat-tyre", "No fault 'flat-tyre'. There are: offline, unauthorized, recovery, gone,"),
        ("", "No fault ''"),
        ("offline=5", "It is written offline, without an argument"),
        ("gone", r"It is written gone=BYTES\[:SECONDS\]"),
        ("throttle=1.5", "It is written throttle=FACTOR"),
        ("low-battery=-3", "It is written low-battery=PERCENT"),
        ("current-sign=0", r"It is written current-sign=-1\|1"),
    ],
)
def test_an_order_that_is_not_understood_is_told_how_it_is_written(order: str, complaint: str) -> None:
    with pytest.raises(VirtualPhoneError, match=complaint):
        parse_fault(order)


def test_an_order_prints_as_it_is_written() -> None:
    assert [str(parse_fault(order)) for order in ("gone 10:2", "charging")] == ["gone=10:2", "charging"]
