from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path

import pytest

from profiler.elf import ElfFile, Machine, read_elf
from profiler.runner_build import run_tool

ZIG = (sys.executable, "-m", "ziglang")
SOURCE = "int need(int);\nint offer(int x) { return need(x) + 1; }\n"


def library(folder: Path, target: str, *options: str, source: str = SOURCE) -> bytes:
    """A shared library that needs one symbol, and another library that has it."""
    (folder / "need.c").write_text("int need(int x) { return x; }\n")
    (folder / "offer.c").write_text(source)
    for name in ("need", "offer"):
        run_tool([*ZIG, "cc", "-target", target, "-O2", "-fPIC", "-c", f"{name}.c", "-o", f"{name}.o"], folder=folder)
    shared = [*ZIG, "ld.lld", "-shared", "--hash-style=both"]
    run_tool([*shared, "-soname", "libneed.so", "need.o", "-o", "libneed.so"], folder=folder)
    run_tool([*shared, *options, "offer.o", "libneed.so", "-o", "liboffer.so"], folder=folder)
    return (folder / "liboffer.so").read_bytes()


@pytest.mark.parametrize(
    ("target", "machine", "bits"),
    [("x86_64-linux-gnu", Machine.X86_64, 64), ("x86-linux-gnu", Machine.X86, 32)],
)
def test_a_library_says_for_what_it_is_and_what_it_needs(
    tmp_path: Path, target: str, machine: Machine, bits: int
) -> None:
    elf = read_elf(library(tmp_path, target, "-z", "max-page-size=16384"))

    assert elf == ElfFile(
        bits=bits,
        machine=machine,
        flags=0,
        position_independent=True,
        interpreter="",
        needed=("libneed.so",),
        load_alignments=elf.load_alignments,
        has_tls=False,
        imports=frozenset({"need"}),
    )
    assert set(elf.load_alignments) == {16384}


def test_thread_local_variables_are_seen(tmp_path: Path) -> None:
    source = "_Thread_local int each; int *offer(void) { return &each; }\n"

    elf = read_elf(library(tmp_path, "x86_64-linux-gnu", source=source))

    assert elf.has_tls


def test_this_python_is_a_program_with_an_interpreter() -> None:
    elf = read_elf(Path(sys.executable).read_bytes())

    assert elf.interpreter.startswith("/lib")
    assert "libc.so.6" in elf.needed


def test_a_file_cut_off_anywhere_is_refused_or_read_but_nothing_else(tmp_path: Path) -> None:
    whole = library(tmp_path, "x86_64-linux-gnu")
    for length in range(64, len(whole), 7):
        with contextlib.suppress(ValueError):
            assert read_elf(whole[:length]).bits == 64


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"\x7fELF\2\2\1" + bytes(64), b"\x7fELF\3\1\1" + bytes(64)])
def test_what_is_no_elf_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no little-endian ELF file"):
        read_elf(data)


def test_an_address_that_is_not_loaded_is_refused() -> None:
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    dynamic = struct.pack("<IIQQQQQQ", 2, 4, 120, 120, 120, 32, 32, 8)
    entries = struct.pack("<qQqQ", 5, 0x4000, 0, 0)

    with pytest.raises(ValueError, match="loads nothing at address 0x4000"):
        read_elf(header + dynamic + entries)
