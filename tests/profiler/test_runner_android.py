"""The runner for phones. No phone and no bionic is here: what a phone checks before it starts a program is checked."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from profiler import runner_android, runner_build
from profiler.abi import Abi
from profiler.bionic_symbols import ARM_LIBC, LIBC, LIBDL
from profiler.elf import ElfFile, Machine, read_elf
from profiler.errors import RunnerBuildError
from profiler.runner_android import android_runner, check_android

FLAGS_OF_SOFT_FLOAT_ARM = 0x05000200  # EABI version 5, floats travel in core registers


@pytest.fixture(autouse=True)
def compilers_own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Zig's cache where it is while a test moves ours, and no NDK of the machine's in the way."""
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(Path.home() / ".cache" / "zig"))
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)


@pytest.mark.parametrize(
    ("abi", "machine", "bits", "flags", "interpreter"),
    [
        (Abi.ARM64, Machine.AARCH64, 64, 0, "/system/bin/linker64"),
        (Abi.ARM, Machine.ARM, 32, FLAGS_OF_SOFT_FLOAT_ARM, "/system/bin/linker"),
        (Abi.X86_64, Machine.X86_64, 64, 0, "/system/bin/linker64"),
        (Abi.X86, Machine.X86, 32, 0, "/system/bin/linker"),
    ],
)
def test_the_runner_is_what_android_loads(abi: Abi, machine: Machine, bits: int, flags: int, interpreter: str) -> None:
    elf = read_elf(android_runner(abi).path.read_bytes())

    assert elf == ElfFile(
        bits=bits,
        machine=machine,
        flags=flags,
        position_independent=True,
        interpreter=interpreter,
        needed=("libc.so", "libdl.so"),
        load_alignments=(16384,) * len(elf.load_alignments),
        has_tls=False,
        imports=elf.imports & (LIBC | LIBDL | ARM_LIBC),
    )
    assert elf.imports >= {"__libc_init", "__errno", "fork", "dlopen", "sched_setaffinity"}


def test_a_build_does_not_depend_on_where_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in ("a", "bb"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        found.append(android_runner(Abi.ARM64))

    assert found[0].sha256 == found[1].sha256
    assert replace(found[0], path=found[1].path) == found[1]
    assert [path.name for path in found[0].path.parent.iterdir()] == ["runner"]


def with_a_call(folder: Path, declaration: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sources call one function more."""
    copies = [Path(shutil.copy(source, folder)) for source in runner_build.sources()]
    source = folder / "ort.c"
    more = f"__attribute__((used, retain)) long more(void);\nlong more(void) {{ return {call}; }}\n"
    source.write_text(f"{source.read_text()}\n{declaration}\n{more}")
    monkeypatch.setattr(runner_android, "sources", lambda: copies)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))


def test_a_symbol_that_android_7_lacks_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_call(tmp_path, "char *nl_langinfo(int);", "nl_langinfo(14)[0]", monkeypatch)

    with pytest.raises(RunnerBuildError, match=r"calls nl_langinfo, not known .* API 24.*bionic_symbols\.py"):
        android_runner(Abi.ARM64)

    assert list(tmp_path.rglob("cache/autocomet/runner/*/runner")) == []


def test_arithmetic_that_32_bit_processors_lack_is_linked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quotients = "(long)(first / second + first % second + (long long)(double)first)"
    with_a_call(
        tmp_path, "extern volatile long long first, second; volatile long long first, second;", quotients, monkeypatch
    )

    for abi in (Abi.ARM, Abi.X86):
        assert read_elf(android_runner(abi).path.read_bytes()).imports <= LIBC | LIBDL | ARM_LIBC


@pytest.fixture(scope="module")
def good() -> ElfFile:
    return read_elf(android_runner(Abi.ARM64).path.read_bytes())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"machine": Machine.ARM}, "no position-independent program for arm64-v8a"),
        ({"interpreter": "/system/bin/linker"}, "no position-independent program for arm64-v8a"),
        ({"position_independent": False}, "no position-independent program for arm64-v8a"),
        ({"load_alignments": (16384, 4096)}, r"aligned to \(16384, 4096\), not to 16384"),
        ({"has_tls": True}, "has thread-local variables"),
        ({"imports": frozenset({"stat", "__aeabi_memcpy"})}, "calls __aeabi_memcpy, not known"),
    ],
)
def test_what_a_phone_would_refuse_is_refused_here(good: ElfFile, changes: dict[str, object], reason: str) -> None:
    check_android(good, Abi.ARM64)

    with pytest.raises(RunnerBuildError, match=reason):
        check_android(replace(good, **changes), Abi.ARM64)


def test_every_function_that_the_header_declares_is_known_to_be_in_android_7() -> None:
    header = Path(runner_android.__file__).parent / "runner" / "android" / "bionic.h"
    declared = set(re.findall(r"^(?!typedef|enum|_Static)[\w ]+[ *](\w+)\(.*;", header.read_text(), re.MULTILINE))

    assert len(declared) > 80
    assert declared - LIBC - LIBDL == set()


# -- an NDK ----------------------------------------------------------------------------------------------------------


def ndk_with(folder: Path, clang: str) -> Path:
    """A folder like an NDK's, whose clang is a script."""
    program = folder / "toolchains" / "llvm" / "prebuilt" / "linux-x86_64" / "bin" / "clang"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\n{clang}")
    program.chmod(0o755)
    (folder / "source.properties").write_text("Pkg.Desc = Android NDK\nPkg.Revision = 27.2.12479018\n")
    return folder


def test_an_ndk_is_preferred_and_told_the_abi_the_level_and_the_page_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = android_runner(Abi.X86).path
    copy = (
        "import shutil, sys, pathlib\n"
        f"pathlib.Path({str(tmp_path / 'words')!r}).write_text('\\n'.join(sys.argv[1:]))\n"
        f"shutil.copy({str(built)!r}, sys.argv[sys.argv.index('-o') + 1])\n"
    )
    monkeypatch.setenv("ANDROID_NDK_HOME", str(ndk_with(tmp_path / "ndk", copy)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    runner = android_runner(Abi.X86)

    assert runner.compiler == "NDK 27.2.12479018"
    assert runner.path.is_relative_to(tmp_path / "cache")
    words = (tmp_path / "words").read_text().splitlines()
    assert words[0] == "--target=i686-linux-android24"
    assert {"-pie", "-Wl,-pie,--hash-style=both,-z,max-page-size=16384,--gc-sections,-s"} <= set(words)
    assert [Path(word).name for word in words if word.endswith(".c")] == [
        source.name for source in runner_build.sources() if source.suffix == ".c"
    ]


def test_an_ndk_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))

    with pytest.raises(RunnerBuildError, match=r"ANDROID_NDK_HOME is .*, but there is no NDK for Linux"):
        android_runner(Abi.ARM64)


def test_without_any_compiler_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(RunnerBuildError, match="pip install ziglang"):
        android_runner(Abi.ARM64)
