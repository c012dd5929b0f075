"""Where the phones' ONNX Runtime comes from. The archives here are small; npm is a script that plays npm."""

from __future__ import annotations

import hashlib
import io
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from profiler import runtime as runtime_module
from profiler.abi import Abi
from profiler.elf import Machine
from profiler.errors import RunnerBuildError
from profiler.runtime import NPM_PACKAGE, AndroidRuntime, android_runtime


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "autocomet" / "runtime"


def library(machine: Machine = Machine.AARCH64, version: str = "1.29.0") -> bytes:
    """The least that passes for an ONNX Runtime: an ELF header and the name of its symbols' version."""
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, machine, 1, 0, 0, 0, 0, 64, 56, 0, 0, 0, 0)
    return header + b"\0libonnxruntime.so\0VERS_" + version.encode() + b"\0OrtGetApiBase\0"


def aar(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def official(folder: Path) -> Path:
    return aar(
        folder / "onnxruntime-android-1.29.0.aar",
        {
            "AndroidManifest.xml": b"<manifest/>",
            "jni/arm64-v8a/libonnxruntime.so": library(),
            "jni/arm64-v8a/libonnxruntime4j_jni.so": b"java",
            "jni/x86_64/libonnxruntime.so": library(Machine.X86_64),
        },
    )


def test_the_one_library_is_taken_out_of_the_users_aar_and_kept(tmp_path: Path, own_cache: Path) -> None:
    archive = official(tmp_path)

    first = android_runtime(Abi.ARM64, archive)
    again = android_runtime(Abi.ARM64, archive)

    assert first == again
    assert first == AndroidRuntime(
        abi=Abi.ARM64,
        path=own_cache / hashlib.sha256(archive.read_bytes()).hexdigest() / "arm64-v8a" / "libonnxruntime.so",
        version="1.29.0",
        sha256=hashlib.sha256(library()).hexdigest(),
        source=str(archive),
    )
    assert first.path.read_bytes() == library()
    assert [path for path in own_cache.rglob("*") if path.is_file()] == [first.path]


def test_a_library_alone_is_taken_where_it_lies(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "libonnxruntime.so"
    path.write_bytes(library(version="1.17.3"))

    found = android_runtime(Abi.ARM64, path)

    assert (found.path, found.version) == (path, "1.17.3")
    assert not own_cache.exists()


def test_an_abi_that_the_aar_lacks_is_told_with_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(RunnerBuildError, match=r"no ONNX Runtime for armeabi-v7a; it has arm64-v8a, x86_64\."):
        android_runtime(Abi.ARM, official(tmp_path))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (library(Machine.X86_64), r"built for another processor than arm64-v8a \(ELF machine 62, not 183\)"),
        (library().replace(b"VERS_", b"LIBC_"), "is no ONNX Runtime"),
        (b"MZ something else", "neither an AAR nor a library: this is no little-endian ELF file"),
    ],
)
def test_what_is_no_runtime_for_the_phone_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "libonnxruntime.so"
    path.write_bytes(data)

    with pytest.raises(RunnerBuildError, match=reason):
        android_runtime(Abi.ARM64, path)


def test_a_file_that_is_not_there_is_named_with_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(RunnerBuildError, match=r"There is no file .*absent\.aar\. Download .* --runtime FILE\.aar"):
        android_runtime(Abi.ARM64, tmp_path / "absent.aar")


def test_a_damaged_aar_is_told_and_leaves_nothing(tmp_path: Path, own_cache: Path) -> None:
    archive = official(tmp_path)
    data = bytearray(archive.read_bytes())
    data[data.index(b"jni/arm64-v8a/libonnxruntime.so") + 40] ^= 0xFF
    archive.write_bytes(data)

    with pytest.raises(RunnerBuildError, match=r"The archive .* is damaged: .*Download it again"):
        android_runtime(Abi.ARM64, archive)

    assert [path for path in own_cache.rglob("*") if path.is_file()] == []


def test_a_library_of_unlikely_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setattr(runtime_module, "_LARGEST_LIBRARY", 1 << 20)
    archive = aar(tmp_path / "bomb.aar", {"jni/x86/libonnxruntime.so": bytes(3 << 20)})

    with pytest.raises(RunnerBuildError, match="is larger than 1 MiB"):
        android_runtime(Abi.X86, archive)

    assert [path for path in own_cache.rglob("*") if path.is_file()] == []


# -- npm -------------------------------------------------------------------------------------------------------------


def package(folder: Path) -> Path:
    """The repack as npm hands it out: the AAR, and a member that would lie elsewhere if it were unpacked."""
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        members = {"../../outside": b"no", "package/Plugins/Android/onnxruntime.aar": official(folder).read_bytes()}
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def play_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program called npm where programs are looked for, and nothing else there."""
    program = folder / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport pathlib, shutil, sys\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def test_without_an_aar_the_repack_is_fetched_once_and_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    tarball, calls = package(tmp_path), tmp_path / "calls"
    script = f"open({str(calls)!r}, 'a').write(' '.join(sys.argv[1:3]) + '\\n'); shutil.copy({str(tarball)!r}, '.')"
    play_npm(tmp_path, script, monkeypatch)
    monkeypatch.setattr(runtime_module, "NPM_SHA256", hashlib.sha256(tarball.read_bytes()).hexdigest())

    found = [android_runtime(abi) for abi in (Abi.ARM64, Abi.X86_64, Abi.ARM64)]

    assert found[0] == found[2]
    assert found[0].source == f"third-party repack {NPM_PACKAGE}, from npm"
    assert found[1].path.read_bytes() == library(Machine.X86_64)
    assert calls.read_text() == f"pack {NPM_PACKAGE}\n"
    assert {path.name for path in own_cache.rglob("*") if path.is_file()} == {"onnxruntime.aar", "libonnxruntime.so"}
    assert not list(tmp_path.rglob("outside"))


def test_another_package_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    play_npm(tmp_path, f"shutil.copy({str(package(tmp_path))!r}, '.')", monkeypatch)

    with pytest.raises(RunnerBuildError, match=r"from npm has SHA-256 \w{64}, not \w{64}\. Download"):
        android_runtime(Abi.ARM64)

    assert [path for path in own_cache.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("script", ["sys.exit(1)", "pass"])
def test_a_registry_out_of_reach_says_what_to_do_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    play_npm(tmp_path, script, monkeypatch)

    with pytest.raises(RunnerBuildError, match=r"registry is out of reach\. Download .* --runtime FILE\.aar"):
        android_runtime(Abi.ARM64)


def test_without_npm_the_message_says_what_to_do_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RunnerBuildError, match=r"npm is not installed.* --runtime FILE\.aar"):
        android_runtime(Abi.ARM64)
