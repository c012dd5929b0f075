"""Build the C runner for Android's four ABIs, from the sources that this machine's runner is made of.

With an NDK at ``ANDROID_NDK_HOME`` its clang does everything. Without one, ``ziglang`` compiles and links, and what an
NDK would bring stands in this package: ``runner/android/bionic.h`` for the headers, ``runner/android/start.c`` for the
first instructions, and ``bionic_symbols.py`` for the libraries, of which stubs are made to link against. That is enough
because the runner is plain C without thread-local variables or constructors.

Either way the result is looked at before anybody gets it: a phone would refuse a program that asks for a symbol which
Android 7.0 does not have, and its message would be far from the cause.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from profiler.abi import Abi
from profiler.bionic_symbols import ARM_LIBC, LIBC, LIBDL
from profiler.elf import ElfFile, read_elf
from profiler.errors import RunnerBuildError
from profiler.runner_build import FLAGS, building, cache_folder, fingerprint, run_tool, runner_sha256, sources, zig

API = 24
PAGE_BYTES = 16384
"""Segments are aligned to this: Android 15 has kernels whose pages are 16 KiB, and smaller pages divide it."""

_OWN = Path(__file__).parent / "runner" / "android"
_COMPILERS_HEADERS = frozenset({"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "limits.h", "float.h"})
_CODE = ("-fPIC", "-ffunction-sections", "-fno-stack-protector")
_LINKING = ("-pie", "--hash-style=both", "-z", f"max-page-size={PAGE_BYTES}", "--gc-sections", "-s")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What the tools call an ABI."""

    zig: str
    ndk: str
    kernel: str
    """The folder of the kernel's headers in Zig."""
    flags: tuple[str, ...] = ()


_TARGETS = {
    Abi.ARM64: _Target(zig="aarch64-linux-android", ndk="aarch64-linux-android", kernel="aarch64"),
    Abi.ARM: _Target(
        zig="arm-linux-androideabi", ndk="armv7a-linux-androideabi", kernel="arm", flags=("-mfloat-abi=softfp",)
    ),
    Abi.X86_64: _Target(zig="x86_64-linux-android", ndk="x86_64-linux-android", kernel="x86"),
    Abi.X86: _Target(zig="x86-linux-android", ndk="i686-linux-android", kernel="x86"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AndroidRunner:
    """A runner that can be pushed to a phone."""

    abi: Abi
    path: Path
    sha256: str
    compiler: str
    """What built it, in words."""


def android_runner(abi: Abi) -> AndroidRunner:
    """Return the runner for phones of an ABI, building it where the cache does not have it.

    Raises:
        RunnerBuildError: no compiler, a compiler error, a symbol that Android 7.0 lacks, or a cache that cannot be
            written.
    """
    ndk = _ndk()
    tool = ndk or zig()
    if tool is None:
        raise RunnerBuildError(
            "No compiler for Android. Install one: pip install ziglang (or set ANDROID_NDK_HOME to an NDK)"
        )
    command, version = tool
    compiler = f"{'NDK' if ndk else 'ziglang'} {version}"
    recipe = (*sources(), *sorted(_OWN.glob("*.[ch]")), Path(__file__), Path(__file__).with_name("bionic_symbols.py"))
    runner = cache_folder("runner") / fingerprint((abi, compiler, *command), recipe) / "runner"
    if not runner.exists():
        with building(runner) as binary:
            (_build_with_ndk if ndk else _build_with_zig)(abi, command, binary)
            check_android(read_elf(binary.read_bytes()), abi)
    return AndroidRunner(abi=abi, path=runner, sha256=runner_sha256(runner), compiler=compiler)


def check_android(elf: ElfFile, abi: Abi) -> None:
    """Refuse a program that phones of an ABI would not start.

    Raises:
        RunnerBuildError: says what is wrong with it.
    """
    if (elf.machine, elf.interpreter) != (abi.machine, _linker(abi)) or not elf.position_independent:
        raise RunnerBuildError(f"The runner is no position-independent program for {abi}, but {elf}.")
    if any(alignment % PAGE_BYTES for alignment in elf.load_alignments):
        raise RunnerBuildError(f"The runner's segments are aligned to {elf.load_alignments}, not to {PAGE_BYTES}.")
    if elf.has_tls:
        raise RunnerBuildError(f"The runner has thread-local variables; Android {API} loads none. Do without them.")
    _refuse_unknown(elf.imports - _offered(abi))


def _refuse_unknown(symbols: frozenset[str]) -> None:
    if symbols:
        raise RunnerBuildError(
            f"The runner calls {', '.join(sorted(symbols))}, not known to be in Android's C library at API {API}. Look in "
            "bionic's libc.map.txt: where it was introduced by then, add it to profiler/bionic_symbols.py (and declare it "
            "in profiler/runner/android/bionic.h); else do without it."
        )


def _linker(abi: Abi) -> str:
    """Where Android's dynamic linker lies on the phone."""
    return "/system/bin/linker64" if abi.bits == 64 else "/system/bin/linker"


def _offered(abi: Abi) -> frozenset[str]:
    return LIBC | LIBDL | (ARM_LIBC if abi is Abi.ARM else frozenset())


def _ndk() -> tuple[tuple[str, ...], str] | None:
    """Return how the NDK's compiler is started, and its version, where the environment names an NDK."""
    home = os.environ.get("ANDROID_NDK_HOME")
    if not home:
        return None
    clang = Path(home) / "toolchains" / "llvm" / "prebuilt" / "linux-x86_64" / "bin" / "clang"
    properties = Path(home) / "source.properties"
    if not clang.is_file() or not properties.is_file():
        raise RunnerBuildError(f"ANDROID_NDK_HOME is {home}, but there is no NDK for Linux. Correct or unset it.")
    revision = re.search(r"Pkg\.Revision *= *(\S+)", properties.read_text("utf-8", "replace"))
    return (str(clang),), revision[1] if revision else "of an unknown revision"


def _build_with_ndk(abi: Abi, clang: Sequence[str], binary: Path) -> None:
    target = _TARGETS[abi]
    flags = (f"--target={target.ndk}{API}", *target.flags, *FLAGS, *_CODE, "-pie", f"-Wl,{','.join(_LINKING)}")
    run_tool([*clang, *flags, *map(str, _units()), "-o", str(binary), "-ldl"])


def _build_with_zig(abi: Abi, zig_start: Sequence[str], binary: Path) -> None:
    """Compile in the folder of ``binary``, make the libraries to link against there, and link.

    Symbols that nobody offers are let through here: :func:`check_android` says more of them than a linker.
    """
    target, folder = _TARGETS[abi], binary.parent
    zig_target = ("-target", f"{target.zig}.{API}")
    flags = ("-cflags", *FLAGS, *_CODE, *target.flags, *_headers(target, folder), "--")
    library = ("build-lib", *zig_target, "-O", "ReleaseFast", "-fPIC", "-fcompiler-rt", "--name", "runner")
    run_tool([*zig_start, *library, *flags, *map(str, _units()), str(_OWN / "start.c")], folder=folder)
    for name, symbols in (("libc", _offered(abi) - LIBDL), ("libdl", LIBDL)):
        (folder / f"{name}.s").write_text("".join(f".globl {s}\n.type {s}, %function\n{s}:\n" for s in sorted(symbols)))
        run_tool([*zig_start, "cc", *zig_target, "-c", f"{name}.s"], folder=folder)
        stub = ("-shared", "-soname", f"{name}.so", f"{name}.o", "-o", f"{name}.so")
        run_tool([*zig_start, "ld.lld", *stub], folder=folder)
    options = (*_LINKING, "--dynamic-linker", _linker(abi), "--unresolved-symbols=ignore-all")
    libraries = ("libc.so", "libdl.so", "librunner.a")
    run_tool([*zig_start, "ld.lld", *options, "-o", binary.name, *libraries], folder=folder)


def _headers(target: _Target, folder: Path) -> list[str]:
    """Make every system header that the sources include a name for ``bionic.h``; the kernel's own come with Zig."""
    include = folder / "include"
    texts = [source.read_text("utf-8") for source in sources()]
    names = {name for text in texts for name in re.findall(r"#include <([\w/.]+)>", text)}
    for name in names - _COMPILERS_HEADERS:
        header = include / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text('#include "bionic.h"\n', "utf-8")
    kernel = _zig_folder() / "lib" / "libc" / "include"
    folders = (include, _OWN, kernel / f"{target.kernel}-linux-any", kernel / "any-linux-any")
    return [word for path in folders for word in ("-isystem", str(path))]


def _units() -> list[Path]:
    return [source for source in sources() if source.suffix == ".c"]


def _zig_folder() -> Path:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise RunnerBuildError("ziglang is not installed. Install it: pip install ziglang")
    return Path(spec.origin).parent
