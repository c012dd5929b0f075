"""The two archives of a batch: what it needs, on the way to the phone, and what it has measured, on the way back.

Plain tar, in the one form that Android 7's tar reads. What comes back is untrusted: only regular files of finished runs and
the phone's log are taken, under names that stay in their folder, and no more of them than a batch can make.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from parsers.jobs import RUN_LOGCAT
from profiler.device import BatchOrder
from profiler.errors import TransferError

MOST_BYTES = 4 << 30
"""Of one batch's results."""
MOST_FILES = 100_000

_BLOCK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_RUN = re.compile(r"run-\d+")


def pack_bundle(order: BatchOrder, gate: str) -> Iterator[bytes]:
    """Yield an archive of ``plan.txt``, ``gate.sh`` and ``models/<sha256>.onnx``, a piece at a time.

    Raises:
        ValueError: a model is not named by its hexadecimal SHA-256.
    """
    yield from _member("plan.txt", order.plan)
    yield from _member("gate.sh", gate.encode())
    for sha256, model in order.models.items():
        if not _DIGEST.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256 of a model")
        yield from _member(f"models/{sha256}.onnx", model)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _member(name: str, data: bytes) -> Iterator[bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    yield header.tobuf(tarfile.USTAR_FORMAT)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)


def unpack_results(archive: BinaryIO, into: Path) -> None:
    """Unpack ``out/<job>/run-<n>/<file>`` of an archive as ``into/<job>/run-<n>/<file>``; all of it, or nothing.

    The phone's log of the batch, ``out/logcat.txt``, comes along where there is one.

    Args:
        archive: an uncompressed tar, positioned at its start.
        into: must not exist; folders above it must.

    Raises:
        OSError: this machine cannot write it.
        TransferError: the archive is none, or holds what no batch makes.
    """
    part = into.with_name(f".{into.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        try:
            with tarfile.open(fileobj=archive, mode="r:") as members:
                _extract(members, part)
        except tarfile.TarError as exc:
            raise TransferError(f"The phone's results are no tar archive: {exc}.") from exc
        part.rename(into)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _extract(members: tarfile.TarFile, part: Path) -> None:
    files = size = 0
    for member in members:
        if member.isdir():
            continue
        target = _target(member)
        files, size = files + 1, size + member.size
        if target is None or files > MOST_FILES or size > MOST_BYTES or (part / target).exists():
            raise TransferError(f"The phone's results hold {member.name[:200]!r}, which no batch makes.")
        (part / target.parent).mkdir(parents=True, exist_ok=True)
        source = members.extractfile(member)
        if source is None:
            raise TransferError(f"The phone's results hold {member.name[:200]!r} without content.")
        with source, (part / target).open("xb") as file:
            shutil.copyfileobj(source, file, _BLOCK)


def _target(member: tarfile.TarInfo) -> PurePosixPath | None:
    """Return ``job/run-n/file`` or ``logcat.txt``; ``None`` for what is neither a run's regular file nor the log."""
    match member.name.removeprefix("./").split("/"):
        case ["out", name] if member.isreg() and name == RUN_LOGCAT:
            return PurePosixPath(name)
        case ["out", job, run, name] if member.isreg() and _RUN.fullmatch(run):
            if _NAME.fullmatch(job) and _NAME.fullmatch(name):
                return PurePosixPath(job, run, name)
    return None
