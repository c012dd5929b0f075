"""What the daemon needs of the phone behind it, so that it can be tried with a simpler one."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from profiler.virtual_phone.faults import Fault


class Phone(Protocol):
    """A phone that can be switched on, has folders and runs commands; ``handset.Handset`` is one."""

    @property
    def properties(self) -> Mapping[str, str]:
        """What ``getprop`` prints: ``ro.product.model`` and the rest."""

    def boot(self) -> None:
        """Switch it on."""

    def shutdown(self) -> None:
        """Switch it off: every process of it ends, ``/data`` stays."""

    def reboot(self) -> None:
        """Switch it off and on."""

    def spawn(self, command: str | None) -> subprocess.Popen[bytes]:
        """Start ``sh -c command``, or a shell that reads its input; three pipes, a session of its own.

        Raises:
            OSError: the phone is off.
        """

    def open_terminal(self) -> tuple[int, str]:
        """Make a terminal: the end that a person sits at, open, and the path at which a command finds the other one.

        Raises:
            OSError: the phone is off.
        """

    def resolve(self, path: str) -> Path:
        """Find the place on this machine of a path on the phone, symbolic links followed.

        Raises:
            PermissionError: it leads outside the phone.
        """

    def storage_left(self) -> int:
        """Bytes that can still be written."""

    def inject(self, fault: Fault) -> None:
        """Do something wrong from now on, or next time."""

    def clear(self, name: str) -> None:
        """Stop doing so."""
