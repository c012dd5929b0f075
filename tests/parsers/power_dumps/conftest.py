from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from parsers.dump import DumpSettings, Kind
from parsers.errors import ParsersError


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flip a bit, cut, double or splice a few pieces."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(broken) + 1)
        end = min(len(broken), begin + chance.randint(0, 60))
        match chance.randrange(4):
            case 0 if begin < len(broken):
                broken[begin] ^= 1 << chance.randrange(8)
            case 1:
                del broken[begin:end]
            case 2:
                broken[begin:begin] = broken[begin:end]
            case _:
                place = chance.randrange(len(broken) + 1)
                broken[place:place] = broken[begin:end] + bytes([chance.randrange(256)])
    return bytes(broken)


def survivors(kind: Kind, whole: bytes, count: int) -> Iterator[tuple[bytes, list]]:
    chance = random.Random(4)  # noqa: S311 - a seed, no secret
    for _ in range(count):
        data = mutated(whole, chance)
        kind.looks_like(data, "dump.txt")
        try:
            dump = kind.read(data, DumpSettings())
            records = list(dump.records)
        except ParsersError:
            continue
        assert all(0 <= piece.offset < len(data) for piece in (*records, *dump.rejects))
        yield data, records


@pytest.fixture
def read_mutations() -> Callable[[Kind, bytes], int]:
    """Read 300 broken forms of a dump, and count those that are still one; anything but our errors fails the test."""
    return lambda kind, whole: sum(1 for _ in survivors(kind, whole, 300))
