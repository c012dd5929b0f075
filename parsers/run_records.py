"""Numbered, checksummed records out of a log: all of them as they were written, or what shows that they are not.

A message is ``<number> <job> <run> <record> key=value ...`` with values percent-escaped. The last one carries a checksum
over all of them. What the records say is the business of :mod:`parsers.runlog`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

from parsers.dump import Buffer
from parsers.errors import RunLogError
from parsers.logcat.record import LogRecord, RecordFlag
from parsers.logcat.tag_search import tag_search

TAG = "AutoCoMET"

_NUMBER = re.compile(r"[0-9]{1,7}")
_INTEGER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message of the runner."""

    number: int
    job: str
    run: int
    name: str
    values: Mapping[str, str]
    message: str

    def text(self, key: str) -> str:
        """Give a value; raises RunLogError where it is absent."""
        if key not in self.values:
            self.contradict(f"no {key}")
        return self.values[key]

    def integer(self, key: str) -> int:
        """Give a whole number; raises RunLogError where there is none."""
        text = self.text(key)
        if not _INTEGER.fullmatch(text):
            self.contradict(f"{key}={text}, which is no integer")
        return int(text)

    def integer_or_none(self, key: str) -> int | None:
        """Give a whole number, ``None`` where the key is absent; raises RunLogError where it is no number."""
        return self.integer(key) if key in self.values else None

    def contradict(self, what: str) -> NoReturn:
        """Say that the record cannot be taken as it stands; raises RunLogError."""
        raise RunLogError(
            f"Run {self.job} {self.run}, line {self.number} ({self.name}): {what}. Measure this run again."
        )


def read_records(data: bytes) -> list[Record]:
    """Read the runner's records of a log in ``threadtime`` form, in the order of their numbers.

    Lines with another tag are passed over; equal lines count once.
    """
    records = {record.message: record for _, record in runner_lines(data)}
    return sorted(records.values(), key=lambda record: record.number)


def runner_lines(data: Buffer) -> Iterator[tuple[LogRecord, Record]]:
    """Yield the whole lines of a log that are the runner's, and what each says, in the order of the log."""
    for line in tag_search(data, TAG):
        if RecordFlag.UNTERMINATED not in line.flags:
            record = _record(line.message)
            if record is not None:
                yield line, record


def _record(message: str) -> Record | None:
    """Read a message; ``None`` where it is none of the runner's, which the numbering will show."""
    number, _, rest = message.partition(" ")
    words = rest.split(" ")
    if len(words) < 3 or not _NUMBER.fullmatch(number) or not _NUMBER.fullmatch(words[1]):
        return None
    pairs = [word.partition("=") for word in words[3:]]
    values = {key: unquote(value) for key, _, value in pairs}
    return Record(number=int(number), job=words[0], run=int(words[1]), name=words[2], values=values, message=message)


def damage_of(records: Sequence[Record]) -> str:
    """Say what shows that these are not all the records as they were written; an empty text where nothing does."""
    if not records:
        return "no record of the runner"
    numbers = [record.number for record in records]
    missing = missing_numbers(records)
    runs = sorted({f"{record.job} {record.run}" for record in records})
    signs = (
        (len(runs) > 1, f"lines of several runs: {', '.join(runs)}"),
        (bool(missing), f"{len(missing)} lines missing, the first of them number {missing[0] if missing else 0}"),
        (len(numbers) != len(set(numbers)), "several lines have the same number"),
        (records[0].name != "start", "no start marker"),
        (records[-1].name != "end", f"no end marker behind line {numbers[-1]}"),
        (not _checksum_fits(records), "the checksum does not fit: lines were altered"),
    )
    return next((sign for seen, sign in signs if seen), "")


def missing_numbers(records: Sequence[Record]) -> tuple[int, ...]:
    """List the numbers that are missing below the highest one."""
    numbers = {record.number for record in records}
    return tuple(number for number in range(1, max(numbers, default=0)) if number not in numbers)


def _checksum_fits(records: Sequence[Record]) -> bool:
    """Check the CRC-32 that the last message ends with, over all messages up to itself."""
    covered, _, checksum = records[-1].message.rpartition(" crc=")
    text = "".join([*(record.message for record in records[:-1]), covered])
    return checksum == f"{zlib.crc32(text.encode(errors='surrogateescape')):08x}"


def only_record(records: Sequence[Record], name: str) -> Record | None:
    """Find the record of that name; raises RunLogError where there are two."""
    found = [record for record in records if record.name == name]
    if len(found) > 1:
        found[1].contradict(f"a second {name} record")
    return found[0] if found else None
