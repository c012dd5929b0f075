"""ONNX Runtime for phones: the ``libonnxruntime.so`` that the runner opens there, and where it comes from.

The one to prefer is the official ``onnxruntime-android`` AAR, which the user names. Without one, a third party's repack
of it is fetched from npm, because no other registry has it; its checksum is pinned, and whoever uses it is told. What
comes out is looked at: a library for another processor would fail on the phone, far from the cause.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from profiler.abi import Abi
from profiler.elf import read_elf
from profiler.errors import RunnerBuildError
from profiler.runner_build import building, cache_folder

NPM_PACKAGE = "com.github.asus4.onnxruntime@0.4.9"
NPM_SHA256 = "e59788788818fdde1b2e522e766a21ba0f7d8391de55737abf81e32cc801785d"
_NPM_AAR = "package/Plugins/Android/onnxruntime.aar"
_NPM_TIMEOUT_S = 1800
_LARGEST_LIBRARY = 512 << 20
_LARGEST_AAR = 1 << 30
_BY_HAND = (
    "Download the AAR of com.microsoft.onnxruntime:onnxruntime-android from Maven Central by hand, and name it with "
    "--runtime FILE.aar."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AndroidRuntime:
    """A runtime library that can be pushed to a phone."""

    abi: Abi
    path: Path
    version: str
    sha256: str
    source: str
    """Where it came from, in words."""


def android_runtime(abi: Abi, runtime: Path | None = None) -> AndroidRuntime:
    """Find the runtime for phones of an ABI.

    Args:
        abi: the phone's.
        runtime: an AAR with ``jni/<abi>/libonnxruntime.so`` in it, or that library itself; ``None`` is the repack from
            npm, fetched where the cache does not have it (150 MB).

    Raises:
        RunnerBuildError: no such file, no library of that ABI in it, npm or its registry out of reach, a checksum that
            does not match, or a cache folder that cannot be written.
    """
    if runtime is None:
        return _look_at(abi, _from_aar(abi, _npm_aar()), f"third-party repack {NPM_PACKAGE}, from npm")
    if not runtime.is_file():
        raise RunnerBuildError(f"There is no file {runtime}. {_BY_HAND}")
    library = _from_aar(abi, runtime) if zipfile.is_zipfile(runtime) else runtime
    return _look_at(abi, library, str(runtime))


def _look_at(abi: Abi, library: Path, source: str) -> AndroidRuntime:
    data = library.read_bytes()
    try:
        elf = read_elf(data)
    except ValueError as exc:
        raise RunnerBuildError(f"{library} is neither an AAR nor a library: {exc}. {_BY_HAND}") from exc
    if elf.machine != abi.machine:
        raise RunnerBuildError(
            f"{library} is built for another processor than {abi} (ELF machine {elf.machine}, not {abi.machine:d})."
        )
    version = re.search(rb"\0VERS_(\d+\.\d+\.\d+)\0", data)  # the version of its exported symbols
    if version is None:
        raise RunnerBuildError(f"{library} is no ONNX Runtime: it has no version of it. {_BY_HAND}")
    return AndroidRuntime(
        abi=abi, path=library, version=version[1].decode(), sha256=hashlib.sha256(data).hexdigest(), source=source
    )


def _from_aar(abi: Abi, aar: Path) -> Path:
    """Unpack the one library into the cache, under the checksum of the AAR."""
    target = cache_folder("runtime") / _sha256(aar) / abi / "libonnxruntime.so"
    if target.exists():
        return target
    try:
        with zipfile.ZipFile(aar) as archive:
            names = {info.filename: info for info in archive.infolist()}
            info = names.get(f"jni/{abi}/libonnxruntime.so")
            if info is None:
                there = [other for other in Abi if f"jni/{other}/libonnxruntime.so" in names]
                raise RunnerBuildError(f"{aar} has no ONNX Runtime for {abi}; it has {', '.join(there) or 'none'}.")
            with archive.open(info) as member, building(target) as scratch:
                _copy(member, scratch, _LARGEST_LIBRARY)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise RunnerBuildError(f"The archive {aar} is damaged: {exc}. Download it again.") from exc
    return target


def _npm_aar() -> Path:
    """Fetch the repack's AAR, where the cache does not have it."""
    target = cache_folder("runtime") / NPM_SHA256 / "onnxruntime.aar"
    if target.exists():
        return target
    with building(target) as scratch, tempfile.TemporaryDirectory(dir=scratch.parent) as folder:
        tarball = _npm_pack(Path(folder))
        found = _sha256(tarball)
        if found != NPM_SHA256:
            raise RunnerBuildError(f"{NPM_PACKAGE} from npm has SHA-256 {found}, not {NPM_SHA256}. {_BY_HAND}")
        with tarfile.open(tarball, "r|gz") as archive:
            member = next(entry for entry in archive if entry.name == _NPM_AAR)
            data = archive.extractfile(member)
            if data is None:
                raise RunnerBuildError(f"{_NPM_AAR} in {NPM_PACKAGE} is no file. {_BY_HAND}")
            _copy(data, scratch, _LARGEST_AAR)
    return target


def _npm_pack(folder: Path) -> Path:
    """Let npm put the package's archive into ``folder``."""
    npm = shutil.which("npm")
    if npm is None:
        raise RunnerBuildError(f"npm is not installed, which would fetch {NPM_PACKAGE}. Install it, or: {_BY_HAND}")
    command = [npm, "pack", NPM_PACKAGE, "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=60000", "--silent"]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_NPM_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RunnerBuildError(f"npm did not fetch {NPM_PACKAGE}: {exc}. {_BY_HAND}") from exc
    tarballs = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        raise RunnerBuildError(
            f"npm cannot fetch {NPM_PACKAGE} (exit code {done.returncode}): its registry is out of reach. {_BY_HAND}"
        )
    return tarballs[0]


def _copy(source: IO[bytes], target: Path, most: int) -> None:
    """Write what ``source`` gives, in pieces, and refuse more than ``most`` bytes."""
    with target.open("wb") as out:
        while piece := source.read(1 << 20):
            if out.tell() + len(piece) > most:
                raise RunnerBuildError(f"{target.name} is larger than {most >> 20} MiB: this is no ONNX Runtime.")
            out.write(piece)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
