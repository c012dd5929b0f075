#!/usr/bin/env python3
"""Set up this checkout: ``.venv`` with the tested versions of everything, and the runner for this machine.

``make demo`` and ``make test`` call it first; once the environment stands it answers at once. What it promises:

* *Nothing half-made is used.* The last thing written is a stamp, ``.venv/complete-HASH``, named by the hash of all
  that the environment is made from: the settings, the pinned versions, this script, the Python, and where the checkout
  lies (a virtual environment cannot be moved). Without that stamp the folder is thrown away and made anew. So an
  install that was killed is redone, and a checkout that was moved or updated gets the environment it asks for.
* *Two at once are safe.* One lock, ``.venv.lock``, is held throughout. pip inherits it: where this script is killed
  and its pip lives on, the next set-up waits for that pip before it clears the folder under it.

It knows only the standard library, and nothing newer than Python 3.7 before it has looked at the version, so that an
old Python gets a sentence instead of a syntax error. What a layer, a model or a search is, it does not know.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
DISK_NEEDED_GB = 3.5
LOG_LINES_SHOWN = 15


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    print(text, flush=True)


def check_python(version: Sequence[int]) -> None:
    """Refuse a Python older than the packages need.

    Raises:
        SetupError: ``version`` is below :data:`OLDEST_PYTHON`.
    """
    if tuple(version[:2]) < OLDEST_PYTHON:
        have, need = (".".join(map(str, numbers)) for numbers in (version, OLDEST_PYTHON))
        raise SetupError(
            f"this is Python {have}, AutoCoMET needs {need} or newer. Install one and name it: make PYTHON=python{need} …"
        )


def check_modules(names: Sequence[str] = ("ensurepip", "ssl")) -> None:
    """Refuse a Python without the parts that a virtual environment needs; Debian packs ``ensurepip`` separately.

    Raises:
        SetupError: one of the modules ``names`` is not there.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise SetupError(
                f"{sys.executable} has no module {name!r}, which a virtual environment needs. "
                "On Debian or Ubuntu: apt install python3-venv"
            )


def check_disk(folder: Path, needed_gb: float = DISK_NEEDED_GB) -> None:
    """Refuse to start an install that cannot end.

    Raises:
        SetupError: ``folder``'s disk has less than ``needed_gb`` free.
    """
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < needed_gb:
        raise SetupError(f"{folder} has {free_gb:.1f} GB free, the environment needs {needed_gb:.1f}. Make room first.")


@contextlib.contextmanager
def locked(lock: Path, what: str) -> Iterator[int]:
    """Hold ``lock`` until the block ends; say so, once, when somebody else has it and we wait.

    Yields the open file's descriptor: a child that inherits it keeps the lock for as long as it lives.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another {what} is at work in this checkout: waiting for it to end.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def stamp(root: Path) -> Path:
    """Name the file that says: the environment of ``root`` is whole, and made from what ``root`` holds now."""
    digest = hashlib.sha256()
    parts = [root.as_posix(), sys.version, sys.base_prefix, platform.machine(), what_is_installed(root)]
    parts += [(root / name).read_text(encoding="utf-8") for name in ("constraints.txt", "tools/environment.py")]
    for part in map(str.encode, parts):
        digest.update(b"%d:" % len(part) + part)
    return root / ".venv" / f"complete-{digest.hexdigest()[:16]}"


def what_is_installed(root: Path) -> str:
    """Read the part of ``pyproject.toml`` that an install depends on: all but the checkers' settings."""
    import tomllib  # noqa: PLC0415 - new in Python 3.11, and the version is known by now

    try:
        read = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"pyproject.toml is not TOML: {error}") from error
    return json.dumps([read.get("build-system"), read.get("project"), read.get("tool", {}).get("setuptools")])


def ensure(root: Path, build: Callable[[Path, int], None]) -> None:
    """Make the environment of ``root`` with ``build`` unless a whole one stands; the caller holds no lock.

    ``build`` gets ``root``, in which no ``.venv`` stands, and the lock's descriptor for its children to inherit.
    """
    with locked(root / ".venv.lock", "set-up") as lock:
        whole = stamp(root)
        if whole.exists():
            return
        discard(root / ".venv")
        build(root, lock)
        whole.touch()


def discard(folder: Path) -> None:
    """Delete an environment, its stamps first: killed half-way it must not look whole to an older version's hash."""
    for old in folder.glob("complete-*"):
        old.unlink()
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        say(f"Removing {folder}, which is unfinished or made for other settings …")
        shutil.rmtree(folder)


def build_environment(root: Path, lock: int) -> None:
    """Make ``.venv`` and install the project into it, editable, with the versions of ``constraints.txt``."""
    check_disk(root)
    began_s = time.monotonic()
    say(f"Setting up {root / '.venv'} with Python {platform.python_version()}; a few minutes, once.")
    venv.EnvBuilder(symlinks=True).create(root / ".venv")
    run_quietly(root, lock, "pip, from Python's own copy", "-m", "ensurepip", "--upgrade", "--default-pip")
    # torch alone and first: pinned exactly, pip takes the build that it is configured for; a range could end in a
    # newer release with gigabytes of GPU libraries. setuptools is pinned too, so it builds the project unisolated.
    install = ("-m", "pip", "install", "--no-input", "--progress-bar", "off", "-c", "constraints.txt")
    run_quietly(root, lock, "PyTorch, the largest part", *install, "torch", "setuptools")
    run_quietly(root, lock, "the other packages and this project", *install, "--no-build-isolation", "-e", ".[dev]")
    say(f"The environment stands ({time.monotonic() - began_s:.0f} s).")


def run_quietly(root: Path, lock: int, what: str, *arguments: str) -> None:
    """Install ``what`` by running ``.venv``'s Python with ``arguments``; where it fails, show the end of what it said.

    Raises:
        SetupError: the command failed.
    """
    say(f"  installing {what} …")
    log = root / ".venv" / "setup.log"
    with log.open("ab") as output:
        done = subprocess.run(
            [str(root / ".venv" / "bin" / "python"), *arguments],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            check=False,
        )
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        say("\n".join(f"    {line}" for line in lines[-LOG_LINES_SHOWN:]))
        raise SetupError(
            f"could not install {what}; above is the end of {log}. "
            "Where the network was at fault, run the same command again."
        )


def build_runner(root: Path) -> None:
    """Have ``profile runner build`` compile the measuring program for this machine; it keeps what it built before.

    Raises:
        SetupError: it failed; what it said is shown.
    """
    if platform.system() != "Linux":
        say("Measuring needs Linux: no runner is built here. metamodel and nas work.")
        return
    command = [str(root / ".venv" / "bin" / "profile"), "runner", "build"]
    done = subprocess.run(
        command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        say((done.stdout + done.stderr).rstrip())
        raise SetupError("the runner could not be built, see above; `.venv/bin/profile runner build` tries it alone.")
    say(f"The runner that measures: {done.stdout.strip()}")


def main() -> int:
    """Set up the checkout this file lies in; the exit code is 0, or 1 with one line on standard error."""
    try:
        check_python(sys.version_info[:3])
        check_modules()
        ensure(ROOT, build_environment)
        build_runner(ROOT)
    except SetupError as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        hint = " Make room first." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        print(f"Set-up failed: {error}.{hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Set-up interrupted; the same command starts it anew.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
