"""No damage to a dump gets through its reader as anything but records, rejects or a ParsersError."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from parsers.dump import HEAD_BYTES, DumpSettings, Kind, record_to_json
from parsers.errors import ParsersError
from parsers.facts import cpuinfo, getprop, meminfo
from parsers.memory_dumps import dumpsys_meminfo, proc_status, smaps

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
KINDS = (
    dumpsys_meminfo.KIND,
    proc_status.KIND,
    *smaps.KINDS,
    getprop.KIND,
    cpuinfo.KIND,
    meminfo.KIND,
)
MUTANTS = 100
"""Of each sample."""


def samples(kind: Kind) -> list[bytes]:
    return [path.read_bytes() for path in sorted((SAMPLES / kind.name).iterdir())]


def mutant(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Damage a dump in one to four ways."""
    for _ in range(dice.randint(1, 4)):
        begin, end = sorted(dice.choices(range(len(data) + 1), k=2))
        match dice.randrange(5):
            case 0:
                data = (
                    data[:begin]
                    + bytes(byte ^ 1 << dice.randrange(8) for byte in data[begin : begin + 3])
                    + data[begin + 3 :]
                )
            case 1:
                data = data[:begin] + data[end:]
            case 2:
                data = data[:begin] + other[begin:end] + data[begin:]
            case 3:
                lines = data.splitlines(keepends=True)
                place = dice.randrange(len(lines) + 1)
                data = b"".join([*lines[:place], *lines[max(place - 1, 0) :]])
            case _:
                data = data[:begin] + b"9" * dice.choice((1, 20, 5_000)) + data[begin:]
    return data


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_sample_is_of_its_kind_alone_and_read_without_a_reject(kind: Kind) -> None:
    for data in samples(kind):
        assert [one.name for one in KINDS if one.looks_like(data[:HEAD_BYTES], "")] == [kind.name]
        dump = kind.read(data, DumpSettings())
        assert list(dump.records)
        assert list(dump.rejects) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_damaged_dump_ends_in_records_rejects_or_an_error_of_ours(kind: Kind) -> None:
    dice = random.Random(kind.name)  # noqa: S311 - damage, not cryptography
    others = [data for one in KINDS for data in samples(one)]
    ends = {"read": 0, "refused": 0}
    for data in samples(kind) * MUTANTS:
        damaged = mutant(data, dice.choice(others), dice)
        for one in KINDS:
            one.looks_like(damaged[:HEAD_BYTES], "")
        try:
            dump = kind.read(damaged, DumpSettings())
            offsets = [record_to_json(record)["offset"] for record in dump.records]
            assert all(damaged[reject.offset :].startswith(reject.text) for reject in dump.rejects)
            assert offsets == sorted(offsets)
            ends["read"] += 1
        except ParsersError:
            ends["refused"] += 1

    assert ends["read"] > 0
    assert sum(ends.values()) == len(samples(kind)) * MUTANTS
