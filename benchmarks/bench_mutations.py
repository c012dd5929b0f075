"""Does any damage to a dump get through a reader as anything but an answer or a ParsersError, quickly and in little memory?

    python benchmarks/bench_mutations.py --data FOLDER [--mutations 100000] [--kind NAME]... [--seed 0]

Every file under FOLDER (repeatable) whose kind can be told, and the project's own samples (``tests/samples``), is damaged
at random (mostly an excerpt of it, now and then the whole): bits flipped, pieces cut out, pieces of other dumps spliced in, lines doubled, digits made many. Each damaged
dump is read whole and must end in records or in a ParsersError, within LIMIT_S of processor time, and with at most
MEMORY_FACTOR times its size of memory beyond it (one in MEMORY_EVERY is measured with tracemalloc, which takes long). Small
dumps may use FLOOR_BYTES, which any of Python's own readers needs. The same bound is looked at on each kind's samples
repeated to LARGE_BYTES.

Printed per kind: dumps tried, how they ended, the slowest, the hungriest, and what went wrong; exit code 1 if anything did.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import re
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import numpy as np

from parsers.dump import HEAD_BYTES, DumpSettings, record_to_json
from parsers.errors import DumpError, ParsersError
from parsers.kinds import KINDS, kind_named, kind_of

LIMIT_S = 1.0
HANG_S = 20
MEMORY_FACTOR = 4
FLOOR_BYTES = 1 << 20
MEMORY_EVERY = 100
ALL_KINDS_EVERY = 20
LARGE_BYTES = 2 << 20
SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "samples"
LARGEST_SAMPLE = 1 << 20
CHUNK = 500
HEAD_KEPT, PIECE_KEPT, WHOLE_SHARE = 1024, 2048, 0.02

SETTINGS = (
    DumpSettings(name="mutant"),
    DumpSettings(name="mutant", join=True, capture_date=date(2026, 1, 2), timezone=ZoneInfo("Europe/Berlin")),
)


class HangError(BaseException):
    """A reader is far beyond its time; no reader may catch this."""


@dataclass(slots=True)
class Tally:
    """What a kind's mutants came to."""

    tried: int = 0
    records: int = 0
    rejects: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    hungriest: float = 0.0
    """Greatest memory over what is allowed."""
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take over another's figures."""
        self.tried += other.tried
        self.records += other.records
        self.rejects += other.rejects
        self.refused += other.refused
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.hungriest = max(self.hungriest, other.hungriest)
        self.wrong += other.wrong


def samples_of(folders: Sequence[Path]) -> dict[str, list[bytes]]:
    """Sort the files by their kind: the folder's name under SAMPLES, else how they begin."""
    found: dict[str, list[bytes]] = {kind.name: [] for kind in KINDS}
    for folder in (SAMPLES, *folders):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            data = path.read_bytes()[:LARGEST_SAMPLE]
            if path.parent.name in found and SAMPLES in path.parents:
                found[path.parent.name].append(data)
                continue
            try:
                found[kind_of(data, path).name].append(data)
            except DumpError:
                continue
    return found


def excerpt(data: bytes, random: np.random.Generator) -> bytes:
    """Take a dump whole, or mostly only its head and one piece of it, so that more damage can be tried."""
    if len(data) <= HEAD_KEPT + PIECE_KEPT or random.random() < WHOLE_SHARE:
        return data
    begin = int(random.integers(HEAD_KEPT, len(data)))
    return data[:HEAD_KEPT] + data[begin : begin + PIECE_KEPT]


def mutate(data: bytes, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    """Damage a dump in one to four ways."""
    for _ in range(int(random.integers(1, 5))):
        damage = DAMAGES[int(random.integers(len(DAMAGES)))]
        data = damage(data, others[int(random.integers(len(others)))], random)
    return data


def _flip(data: bytes, _: bytes, random: np.random.Generator) -> bytes:
    if not data:
        return data
    damaged = bytearray(data)
    for place in random.integers(len(damaged), size=int(random.integers(1, 17))):
        damaged[place] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def _span(data: bytes, random: np.random.Generator) -> tuple[int, int]:
    begin, end = sorted(int(place) for place in random.integers(len(data) + 1, size=2))
    return begin, min(end, begin + int(random.integers(1, 4096)))


def _cut(data: bytes, _: bytes, random: np.random.Generator) -> bytes:
    begin, end = _span(data, random)
    return data[:begin] + data[end:]


def _truncate(data: bytes, _: bytes, random: np.random.Generator) -> bytes:
    return data[: int(random.integers(len(data) + 1))]


def _splice(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    begin, end = _span(other, random)
    place = int(random.integers(len(data) + 1))
    return data[:place] + other[begin:end] + data[place:]


def _double(data: bytes, _: bytes, random: np.random.Generator) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    place = int(random.integers(len(lines)))
    return b"".join([*lines[:place], lines[place], *lines[place:]])


def _many_digits(data: bytes, _: bytes, random: np.random.Generator) -> bytes:
    numbers = list(re.finditer(rb"[0-9]+", data))
    if not numbers:
        return data
    number = numbers[int(random.integers(len(numbers)))]
    return data[: number.start()] + number[0][:4] * int(random.integers(2, 3000)) + data[number.end() :]


def _odd_number(data: bytes, _: bytes, random: np.random.Generator) -> bytes:
    numbers = list(re.finditer(rb"-?[0-9]+(?:\.[0-9]+)?", data))
    if not numbers:
        return data
    number = numbers[int(random.integers(len(numbers)))]
    odd = (b"nan", b"-1", b"1e999", b"0", b"\xd9\xa3", b"18446744073709551616", b"")[int(random.integers(7))]
    return data[: number.start()] + odd + data[number.end() :]


Damage = Callable[[bytes, bytes, np.random.Generator], bytes]
DAMAGES: tuple[Damage, ...] = (_flip, _cut, _truncate, _splice, _double, _many_digits, _odd_number)


def read_whole(kind_name: str, data: bytes, settings: DumpSettings, tally: Tally) -> None:
    """Ask for the kind, now and then all kinds, then read every record and write it as JSON, as the command does."""
    kind = kind_named(kind_name)
    for asked in KINDS if tally.tried % ALL_KINDS_EVERY == 0 else (kind,):
        asked.looks_like(data[:HEAD_BYTES], "mutant")
    try:
        dump = kind.read(data, settings)
        for record in dump.records:
            record_to_json(record)
            tally.records += 1
        tally.rejects += len(dump.rejects)
    except ParsersError:
        tally.refused += 1


def _hang(_: int, __: FrameType | None) -> None:
    raise HangError


def run_chunk(kind_name: str, files: Sequence[bytes], others: Sequence[bytes], seeds: range) -> Tally:
    """Try one mutant per seed."""
    signal.signal(signal.SIGALRM, _hang)
    tally = Tally()
    for seed in seeds:
        random = np.random.default_rng([seed, len(kind_name)])
        data = mutate(excerpt(files[int(random.integers(len(files)))], random), others, random)
        settings = SETTINGS[seed % len(SETTINGS)]
        tally.tried += 1
        _try_one(kind_name, data, settings, tally, what=f"mutant {seed}", look_at_memory=seed % MEMORY_EVERY == 0)
    return tally


def _try_one(
    kind_name: str, data: bytes, settings: DumpSettings, tally: Tally, *, what: str, look_at_memory: bool
) -> None:
    began_s = time.process_time()
    signal.alarm(HANG_S * (10 if look_at_memory else 1))
    try:
        if look_at_memory:
            peak = _peak_bytes(kind_name, data, settings, tally)
            used = max(0, peak - FLOOR_BYTES) / (MEMORY_FACTOR * max(1, len(data)))
            tally.hungriest = max(tally.hungriest, used)
            if used > 1:
                tally.wrong.append(f"{what}: {peak / max(1, len(data)):.1f} times its {len(data)} bytes of memory")
            return
        read_whole(kind_name, data, settings, tally)
        took_s = time.process_time() - began_s
        tally.slowest_s = max(tally.slowest_s, took_s)
        if took_s > LIMIT_S:
            tally.wrong.append(f"{what}: {took_s:.2f} s for {len(data)} bytes")
    except HangError:
        tally.wrong.append(f"{what}: not done after {HANG_S} s, {len(data)} bytes")
    except Exception as error:  # noqa: BLE001 - whatever gets through is what this looks for
        place = _innermost(error)
        tally.wrong.append(f"{what}: {type(error).__name__}: {str(error)[:100]} ({place})")
    finally:
        signal.alarm(0)
        tracemalloc.stop()


def _peak_bytes(kind_name: str, data: bytes, settings: DumpSettings, tally: Tally) -> int:
    """Give the most memory that reading takes; what is much is looked at again, as the interpreter enlarges tables of its own."""
    peaks = []
    for taken in (tally, Tally()):
        tracemalloc.start()
        read_whole(kind_name, data, settings, taken)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        if peaks[0] <= FLOOR_BYTES:
            break
    return min(peaks)


def _innermost(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "parsers" in code.co_filename:
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def run_large(kind_name: str, files: Sequence[bytes]) -> Tally:
    """Read the samples repeated until they are large: what grows faster than the file shows here."""
    signal.signal(signal.SIGALRM, _hang)
    tally = Tally()
    for data in files:
        if data:
            large = data * max(1, LARGE_BYTES // len(data))
            _try_one(kind_name, large, SETTINGS[0], tally, what=f"{len(data)} bytes repeated", look_at_memory=True)
    return tally


def chunks(count: int) -> Iterator[range]:
    """Cut the seeds into pieces of work."""
    for begin in range(0, count, CHUNK):
        yield range(begin, min(begin + CHUNK, count))


def run_kind(
    pool: concurrent.futures.ProcessPoolExecutor, name: str, files: Sequence[bytes], others: Sequence[bytes], count: int
) -> Tally:
    """Try a kind's mutants, and its samples made large."""
    tally = Tally()
    work = [pool.submit(run_chunk, name, files, others, seeds) for seeds in chunks(count)]
    for done in concurrent.futures.as_completed([*work, pool.submit(run_large, name, files)]):
        tally.add(done.result())
    return tally


def main() -> int:
    """Run from the command line."""
    options = argparse.ArgumentParser(description="Damage dumps at random and read them.")
    options.add_argument("--data", type=Path, action="append", default=[], help="folder of real dumps; repeatable")
    options.add_argument("--mutations", type=int, default=100_000, help="per kind")
    options.add_argument("--kind", action="append", default=[], help="only this kind; repeatable")
    options.add_argument("--jobs", type=int, default=2, help="processes")
    given = options.parse_args()
    found = samples_of(given.data)
    others = [data for files in found.values() for data in files]
    print(
        f"{'kind':22} {'files':>5} {'tried':>7} {'records':>9} {'rejects':>9} {'refused':>7} {'slowest':>8} {'memory':>7} wrong"
    )
    wrong = 0
    for name, files in found.items():
        if (given.kind and name not in given.kind) or not files:
            continue
        with concurrent.futures.ProcessPoolExecutor(given.jobs) as pool:
            tally = run_kind(pool, name, files, others, given.mutations)
        print(
            f"{name:22} {len(files):5} {tally.tried:7} {tally.records:9} {tally.rejects:9} {tally.refused:7}"
            f" {tally.slowest_s:6.2f} s {tally.hungriest * MEMORY_FACTOR:5.1f} x {len(tally.wrong)}",
            flush=True,
        )
        for sort, count in collections.Counter(re.sub(r"[0-9.]+", "#", line) for line in tally.wrong).most_common(5):
            example = next(line for line in tally.wrong if re.sub(r"[0-9.]+", "#", line) == sort)
            print(f"    {count} x {example}", flush=True)
        wrong += len(tally.wrong)
    untried = [name for name, files in found.items() if not files]
    if untried:
        print(f"no dump of these kinds: {', '.join(untried)}")
    print(f"wrong: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
