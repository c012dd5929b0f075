"""The first process of a virtual phone: it makes the phone's file systems its world, then waits for the power-off.

Started by the handset as ``unshare --user --mount --pid --uts ... boot.py ROOT SOCKET [TURN]``, so it is process 1 of the
phone. It says ``ready`` on the socket (the kernel adds its process id as the machine sees it) or why it cannot go on. When the
other end of the socket is closed, or it is killed, the kernel ends every process of the phone and its mounts are gone.

Knows the standard library only, and needs none of it after the old root is gone: nothing is imported late.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    16384,
    1 << 18,
)
MNT_DETACH = 2
TURN_FILE = "dev/turn"

_MACHINE_FOLDERS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "etc/alternatives")
_MACHINE_FILES = ("etc/ld.so.cache",)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Make the phone, say so, and wait."""
    root, channel = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    try:
        build_world(root, turn=sys.argv[3] if len(sys.argv) > 3 else None)
    except OSError as exc:
        channel.sendall(f"{exc.strerror}: {exc.filename}".encode())
        sys.exit(1)
    signal.signal(signal.SIGCHLD, reap)
    channel.sendall(b"ready")
    select.select([channel], [], [])  # readable when the handset lets go


def reap(*_: object) -> None:
    """Take the exit codes of the processes whose parents are gone."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def build_world(root: Path, *, turn: str | None) -> None:
    """Mount what the phone needs under ``root``, and make that the root.

    Raises:
        OSError: the kernel refuses a mount; ``filename`` says which.
    """
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount(str(root), str(root), None, MS_BIND)
    for name in _MACHINE_FOLDERS:
        lend_folder(Path("/") / name, root / name)
    for name in _MACHINE_FILES:
        if (Path("/") / name).exists():
            lend_file(f"/{name}", root / name)
            remount_read_only(root / name)
    for device in _DEVICES:
        lend_file(f"/dev/{device}", root / "dev" / device)
    mount_new("devpts", root / "dev/pts", "newinstance,ptmxmode=0666")
    mount_new("tmpfs", root / "dev/shm", "mode=1777,size=64m")
    if turn is not None:
        lend_file(turn, root / TURN_FILE)
    mount_proc(root / "proc")
    socket.sethostname("localhost")
    os.chdir(root)
    _call("pivot_root", b".", b".", path=str(root))
    _call("umount2", b".", MNT_DETACH, path="the machine's root")
    os.chdir("/")


def lend_folder(source: Path, target: Path) -> None:
    """Show one of the machine's folders in the phone, read-only; a link (``/bin`` to ``usr/bin``) is made again."""
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        mount(str(source), str(target), None, MS_BIND | MS_REC)
        remount_read_only(target)


def lend_file(source: str, target: Path) -> None:
    """Show one of the machine's files in the phone."""
    target.touch()
    mount(source, str(target), None, MS_BIND)


def remount_read_only(target: Path) -> None:
    """Forbid writing; a mount keeps the restrictions that the machine put on it, as the kernel refuses to drop any."""
    kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount(None, str(target), None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def mount_new(kind: str, target: Path, options: str) -> None:
    """Mount a file system of the phone's own."""
    target.mkdir(exist_ok=True)
    mount(kind, str(target), kind, MS_NOSUID | MS_NOEXEC, options)


def mount_proc(proc: Path) -> None:
    """Mount the phone's own processes, with the files that lie in ``proc`` already in the place of the kernel's."""
    own = {path.relative_to(proc): os.open(path, os.O_PATH) for path in proc.rglob("*") if path.is_file()}
    mount("proc", str(proc), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path, descriptor in own.items():
        mount(f"/proc/self/fd/{descriptor}", str(proc / path), None, MS_BIND)
        os.close(descriptor)


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """Mount, as the system call does.

    Raises:
        OSError: as the kernel says, with the target as ``filename``.
    """
    words = [word.encode() if word is not None else None for word in (source, target, kind, options)]
    _call("mount", *words[:3], ctypes.c_ulong(flags), words[3], path=target)


def _call(name: str, *arguments: bytes | int | ctypes.c_ulong | None, path: str) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}", path)


if __name__ == "__main__":
    main()
