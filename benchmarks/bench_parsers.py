"""How fast are logs read, beside grep, a loop over a regular expression, and pandas? On logs made from a seed, on one core.

    python benchmarks/bench_parsers.py                   # a million lines; peak memory on 0.2 GB
    python benchmarks/bench_parsers.py --gigabytes 5     # the same, and the peak memory on 5 GB

Each reader goes through the same file, which is in the page cache, and all take turns, several rounds; printed are megabytes
per second, in the median, and the ratio to grep that searches the same file. grep's time holds the start of its process, since
nobody searches without one. Peak memory is that of a process of its own which reads the file to its end. Needs Linux and
GNU grep.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from parsers.dump import DumpSettings, mapped
from parsers.logcat.columns import read_columns, write_parquet
from parsers.logcat.reader import read_logcat
from parsers.logcat.tag_search import tag_search

TAG = "AutoCoMET"
RARE, FREQUENT = 1_000, 20
"""One line in so many is the tag's."""
SEARCH_ROUNDS = 25
"""A search takes hundredths of a second, and a little noise is much of that."""
THREADTIME = r"(\d\d)-(\d\d) (\d\d:\d\d:\d\d\.\d{3}) +(\d+) +(\d+) ([VDIWEFAS]) (.*?) *: (.*)"
TAG_PARTS = (
    ("Activity", "Window", "Power", "Wifi", "Audio", "Camera", "Input", "Package", "Battery", "Sensor", "GC", "Auto"),
    ("Manager", "Service", "Flinger", "Controller", "Monitor", "d", ""),
    ("", "2", ".cpp", "Impl", "_hal"),
)
WORDS = (
    *("start", "activity", "took", "ms", "buffer", "uid=10037", "pid=2227", "token=Token{a64f992", "flags=0x1"),
    *("ready=true", "policy=3", "connected", "error:", "null", "scan", "result:", "AutoCo", "freed", "12%", "surface"),
    *("layer", "推論", "é", "state", "android.os.Handler.dispatchMessage(Handler.java:106)", "com.example.app/.Main"),
)

Reader = Callable[[Path], int]
"""Goes through a log, and returns how many lines it took."""


def write_log(path: Path, lines: int, tag_every: int, seed: int) -> None:
    """Write a log in ``threadtime`` form: varied tags and lengths, some text beyond ASCII, some messages with ``": "``."""
    draw = random.Random(seed)  # noqa: S311 - a log, not a secret
    tags = sorted({"".join(draw.choice(part) for part in TAG_PARTS) for _ in range(200)})
    clock_ms = 0
    with path.open("w", encoding="utf-8", newline="") as handle:
        for number in range(lines):
            clock_ms += draw.randrange(9)
            tag = TAG if number % tag_every == tag_every // 2 else draw.choice(tags)
            message = " ".join(draw.choices(WORDS, k=draw.randrange(1, 12)))
            pid, tid, priority = draw.randrange(300, 32_768), draw.randrange(300, 32_768), draw.choice("VDDDIIIWE")
            handle.write(f"{clock(clock_ms)} {pid:5d} {tid:5d} {priority} {tag:8}: {message}\n")


def clock(clock_ms: int) -> str:
    """Write a time of one month as logcat does."""
    seconds, ms = divmod(clock_ms, 1000)
    minutes, hours = seconds // 60, seconds // 3600
    return f"11-{1 + hours // 24 % 30:02d} {hours % 24:02d}:{minutes % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def grep(path: Path, *options: str) -> int:
    """Count the lines that hold a text as grep does, byte by byte."""
    command = [shutil.which("grep") or "grep", *options, str(path)]
    return int(subprocess.run(command, env={"LC_ALL": "C"}, capture_output=True, check=True).stdout)


def search(path: Path) -> int:
    """Count the records of the tag by our search."""
    with mapped(path) as data:
        return sum(1 for _ in tag_search(data, TAG))


def regular_expression(path: Path) -> int:
    """Count the lines that a regular expression matches, one by one."""
    match = re.compile(THREADTIME.encode()).match
    with path.open("rb") as handle:
        return sum(1 for line in handle if match(line))


def pandas_extract(path: Path) -> int:
    """Take all lines apart by ``Series.str.extract``; the columns remain text."""
    import pandas as pd  # noqa: PLC0415 - the processes whose memory is measured do not need it

    lines = pd.Series(path.read_text(encoding="utf-8").splitlines())
    return int(lines.str.extract(THREADTIME)[0].notna().sum())


def nothing(path: Path) -> int:
    """Read nothing: what the imports cost."""
    return int(not path.is_file())


def records(path: Path) -> int:
    """Read every line as a record, whatever form the log has."""
    with mapped(path) as data:
        return sum(1 for _ in read_logcat(data, DumpSettings()).records)


def columns(path: Path) -> int:
    """Read all lines into columns."""
    with mapped(path) as data:
        return sum(chunk.records.num_rows for chunk in read_columns(data))


def parquet(path: Path) -> int:
    """Write all lines as a table."""
    with mapped(path) as data:
        return write_parquet(data, path.with_suffix(".parquet")).records


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Readers of one log, who take turns."""

    title: str
    log: Path
    readers: Mapping[str, Reader]
    """The first is the one that the others are compared with."""
    rounds: int


def main() -> None:
    """Print speeds and peak memory."""
    options = parse_arguments()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory(prefix="parsers-", dir=options.folder) as name:
        folder = Path(name)
        for section in sections(folder, options.lines, options.seed, options.rounds):
            print_speeds(section, options.lines)
        print_peaks(folder, options.gigabytes)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the logs whose reading is timed")
    parser.add_argument("--gigabytes", type=float, default=0.2, help="size of the log whose readers' memory is watched")
    parser.add_argument("--rounds", type=int, default=5, help="how often each reader of all lines takes its turn")
    parser.add_argument("--folder", type=Path, help="where the logs are written for the while")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def sections(folder: Path, lines: int, seed: int, rounds: int) -> Iterator[Section]:
    """Write the logs, and say who reads them."""
    for tag_every in (RARE, FREQUENT):
        log = folder / f"one-in-{tag_every}.log"
        write_log(log, lines, tag_every, seed)
        readers = {f"grep -cF {TAG}": lambda path: grep(path, "-cF", TAG), "tag search": search}
        yield Section(title=f"lines of one tag, one in {tag_every:,}", log=log, readers=readers, rounds=SEARCH_ROUNDS)
    yield Section(
        title="all lines",
        log=log,
        readers={
            "grep -c ''": lambda path: grep(path, "-c", ""),
            "columns": columns,
            "columns to Parquet": parquet,
            "Python re, matched only": regular_expression,
            "pandas str.extract": pandas_extract,
            "records": records,
        },
        rounds=rounds,
    )


def print_speeds(section: Section, lines: int) -> None:
    """Let the readers take turns, and print their median speeds."""
    megabytes = section.log.stat().st_size / 1e6
    took_s: dict[str, list[float]] = {name: [] for name in section.readers}
    counts: dict[str, int] = {}
    for _ in range(section.rounds):
        for name, read in section.readers.items():
            began_s = time.perf_counter()
            counts[name] = read(section.log)
            took_s[name].append(time.perf_counter() - began_s)
    medians_s = {name: statistics.median(times) for name, times in took_s.items()}
    first_s = next(iter(medians_s.values()))
    print(f"\n{section.title}: {lines:,} lines, {megabytes:.1f} MB, one core, medians of {section.rounds}", flush=True)
    for name, median_s in medians_s.items():
        print(
            f"  {name:26} {megabytes / median_s:8,.1f} MB/s {first_s / median_s:8.3f} × grep {counts[name]:11,} lines"
        )


def print_peaks(folder: Path, gigabytes: float) -> None:
    """Let each reader that streams go through a large log in a process of its own, and print its peak memory."""
    large = folder / "large.log"
    repeat(folder / f"one-in-{RARE}.log", large, int(gigabytes * 1e9))
    print(f"\npeak memory on {large.stat().st_size / 1e9:.1f} GB")
    for name, read in {
        "nothing read": nothing,
        "tag search": search,
        "columns": columns,
        "columns to Parquet": parquet,
    }.items():
        with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as processes:
            lines, peak_mb = processes.submit(peak_memory_mb, read, large).result()
        print(f"  {name:26} {peak_mb:8,.0f} MB {lines:11,} lines", flush=True)


def repeat(source: Path, target: Path, size: int) -> None:
    """Write a log over and over, until it is as large as asked."""
    text = source.read_bytes()
    with target.open("wb") as handle:
        while handle.tell() < size:
            handle.write(text)


def peak_memory_mb(read: Reader, log: Path) -> tuple[int, float]:
    """Read a log; returns its lines, and the most memory that this process ever held, mapped pages included."""
    lines = read(log)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak_kb,) = re.findall(r"VmHWM:\s*([0-9]+) kB", status)
    return lines, int(peak_kb) * 1024 / 1e6


if __name__ == "__main__":
    main()
