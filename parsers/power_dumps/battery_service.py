"""``dumpsys battery``: one block, or many in a row, as ``BatteryService.dumpInternal`` of Android 9 to 16 prints them.

``Charge counter`` is in µAh, ``voltage`` in mV, ``temperature`` in tenths of a degree, and the charging maxima in µA and µV,
as the health HAL gives them. ``current now`` is no part of Android's own text: makers add it, and so does
``cmd battery get -f current_now`` behind a block; its unit and sign are the maker's. Other names that makers add are kept as
they stand. Of a name that comes twice the first counts, and the other is kept as an extra.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects, first_lines, read_lines
from parsers.dump_numbers import whole
from parsers.power_dumps.battery_report import HEALTHS, STATUSES, Block, dump_of
from parsers.power_dumps.recording import boottime_ns_of

_HEADER = "Current Battery Service state:"
_SERVICE = re.compile(r"DUMP OF SERVICE (?:HIGH |CRITICAL |NORMAL )?battery:")
_TRUTHS = {"true": 1, "false": 0}

_TRUTH_NAMES = {
    "ac powered": "ac",
    "usb powered": "usb",
    "wireless powered": "wireless",
    "dock powered": "dock",
    "present": "present",
}
_NUMBER_NAMES = {
    "max charging current": "max_current",
    "max charging voltage": "max_voltage",
    "charge counter": "charge_counter",
    "status": "status",
    "health": "health",
    "level": "level",
    "scale": "scale",
    "voltage": "voltage",
    "temperature": "temperature",
    "current now": "current_now",
    "current_now": "current_now",
    "current avg": "current_average",
    "cycle count": "cycle_count",
}
_KNOWN: Mapping[str, Container[int]] = {"status": STATUSES, "health": HEALTHS}


def _blocks_of(data: Buffer, rejects: Rejects) -> Iterator[Block]:
    """Read a dump's blocks; a block begins with its header, or with the line of a recording that gives its time."""
    block: Block | None = None
    stamp: tuple[int, int] | None = None
    for line in read_lines(data, rejects):
        text = line.text.strip()
        boottime_ns = boottime_ns_of(text)
        if boottime_ns is not None or text == _HEADER:
            if block is not None:
                yield block
            block = None
            if boottime_ns is not None:
                stamp = line.offset, boottime_ns
                continue
            block, stamp = _new_block(line.offset, stamp), None
        elif text and not _SERVICE.fullmatch(text):
            if block is None and _is_entry(text):
                block, stamp = _new_block(line.offset, stamp), None
            if block is None or not _take(text, block):
                rejects.add(line, "no entry of dumpsys battery")
    if block is not None:
        yield block


def _new_block(offset: int, stamp: tuple[int, int] | None) -> Block:
    return Block(offset=offset) if stamp is None else Block(offset=stamp[0], boottime_ns=stamp[1])


def _is_entry(text: str) -> bool:
    """A block without its header begins with any of Android's own names."""
    name, colon, _ = text.partition(":")
    return bool(colon) and name.strip().lower() in _TRUTH_NAMES | _NUMBER_NAMES


def _take(text: str, block: Block) -> bool:
    """Take one line into the block; false where it cannot be read."""
    if text.startswith("(") and "UPDATES STOPPED" in text:
        block.stopped = True
        return True
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name:
        return False
    key = name.lower()
    if key == "technology" and block.technology is None:
        block.technology = value
        return True
    short = _TRUTH_NAMES.get(key) or _NUMBER_NAMES.get(key)
    if short is None or short in block.numbers:
        block.extras.append((name, value))
        return True
    number = _TRUTHS.get(value) if key in _TRUTH_NAMES else whole(value)
    if number is None or (short in _KNOWN and number not in _KNOWN[short]):
        return False
    block.numbers[short] = number
    return True


def _looks_like(head: bytes, _name: str) -> bool:
    texts = first_lines(head, 4)
    return _HEADER in texts and not any(text.startswith("=") for text in texts)


def _read(data: Buffer, _settings: DumpSettings) -> Dump:
    return dump_of(data, _blocks_of, "dumpsys battery")


KIND = Kind(name="battery", meaning="Android: dumpsys battery, once or recorded", looks_like=_looks_like, read=_read)
