"""``dumpsys batteryproperties``: what ``BatteryMonitor::dumpState`` of healthd prints, Android 5 to 16.

Its lines hold several names each: ``ac: 0 usb: 1 …``, ``status: 3 health: 2 present: 1``, ``level: 63 voltage: 4012 temp: 287``.
Voltage is in mV and temperature in tenths of a degree. The current stands there twice: as read from the driver now, and as
the service has kept it; older versions print the new one first, newer ones print each under a header. Its unit is the driver's.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, first_lines, read_lines
from parsers.dump_numbers import whole
from parsers.power_dumps.battery_report import HEALTHS, STATUSES, Block, dump_of

_PAIR = re.compile(r"([A-Za-z][A-Za-z_ ]{0,30}): *(\S{1,40})(?: +|$)")
_HEADERS = {"Cached HealthInfo:": "cached", "Real-time Values:": "now"}
_NAMES = {
    "ac": "ac",
    "usb": "usb",
    "wireless": "wireless",
    "dock": "dock",
    "current_max": "max_current",
    "voltage_max": "max_voltage",
    "status": "status",
    "health": "health",
    "present": "present",
    "level": "level",
    "voltage": "voltage",
    "temp": "temperature",
    "current now": "current_now",
    "current avg": "current_average",
    "charge counter": "charge_counter",
    "cycle count": "cycle_count",
    "full charge": "full_charge",
}
_KNOWN: Mapping[str, Container[int]] = {"status": STATUSES, "health": HEALTHS}


def _blocks_of(data: Buffer, rejects: Rejects) -> Iterator[Block]:
    """Read a dump's blocks; one begins with its chargers, or with the header above them."""
    block: Block | None = None
    part = ""
    for line in read_lines(data, rejects):
        text = line.text.strip()
        if text in _HEADERS:
            part = _HEADERS[text]
            if part == "cached" and block is not None:
                yield block
                block = None
            continue
        if not text:
            continue
        pairs = _pairs(text)
        if pairs and pairs[0][0] == "ac" and block is not None:
            yield block
            block = None
        if block is None and pairs and pairs[0][0].lower() in _NAMES and whole(pairs[0][1]) is not None:
            block = Block(offset=line.offset)
        if block is None or pairs is None or not _take(pairs, part, block):
            rejects.add(line, "no entry of dumpsys batteryproperties")
    if block is not None:
        yield block


def _pairs(text: str) -> list[tuple[str, str]] | None:
    """Take a line apart into names and values; ``None`` where it holds anything else."""
    pairs, position = [], 0
    while position < len(text):
        found = _PAIR.match(text, position)
        if found is None:
            return None
        pairs.append((found[1], found[2]))
        position = found.end()
    return pairs


def _take(pairs: list[tuple[str, str]], part: str, block: Block) -> bool:
    """Take a line's pairs into the block; false where one that is known cannot be read."""
    complete = True
    for name, value in pairs:
        short = _NAMES.get(name.lower())
        if short == "current_now" and (part == "cached" or short in block.numbers):
            short = "current_cached"
        if short is None or short in block.numbers:
            block.extras.append((name, value))
            continue
        number = whole(value)
        if number is None or (short in _KNOWN and number not in _KNOWN[short]):
            complete = False
        else:
            block.numbers[short] = number
    return complete


def _looks_like(head: bytes, _name: str) -> bool:
    texts = first_lines(head, 3)
    return any(text.startswith("ac: ") and " usb: " in text for text in texts)


def _read(data: Buffer, _settings: DumpSettings) -> Dump:
    return dump_of(data, _blocks_of, "dumpsys batteryproperties")


KIND = Kind(
    name="batteryproperties",
    meaning="Android: dumpsys batteryproperties, the health service's own text",
    looks_like=_looks_like,
    read=_read,
)
