"""The phone behind the daemon: its folders, its properties, its processes, and what goes wrong with it on order.

A boot is one set of Linux namespaces (user, mount, process, host name) whose root is the phone's folder; ``boot.py`` is process 1
in it, and the commands enter it through ``nsenter`` as user 2000, without any privilege. ``/usr`` is the machine's, read-only;
the network is the machine's, too. The storage, ``/data``, is a folder on this machine's disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from shutil import disk_usage

from profiler.errors import VirtualPhoneError
from profiler.virtual_phone import boot
from profiler.virtual_phone.description import PhoneDescription
from profiler.virtual_phone.effects import ONCE, apply_to_battery, apply_to_processes
from profiler.virtual_phone.faults import WIRE_FAULTS, Fault, FaultName
from profiler.virtual_phone.folders import PARAMETERS, PROPERTIES, SHIM, all_properties, furnish
from profiler.virtual_phone.parameters import Parameters
from profiler.virtual_phone.shim_build import shim_library
from profiler.virtual_phone.terminal import open_pseudo_terminal
from profiler.virtual_phone.vitals import Vitals

_USER = 2000
"""The user that adb's shell is on every phone."""
_MARK = ".virtual-phone"
_MOST_LINKS = 40
_CREDENTIALS = struct.Struct("3i")
_ENVIRONMENT = {
    "PATH": "/system/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/",
    "USER": "shell",
    "LOGNAME": "shell",
    "SHELL": "/system/bin/sh",
    "HOSTNAME": "localhost",
    "TMPDIR": "/data/local/tmp",
    "ANDROID_DATA": "/data",
    "ANDROID_ROOT": "/system",
    "LD_PRELOAD": f"/{SHIM}",
}
_REFUSED = (
    "This machine does not let a user make namespaces, in which a virtual phone runs ({reason}). Allow it: sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), kernel.unprivileged_userns_clone=1 (Debian), or "
    "user.max_user_namespaces=10000; unshare and nsenter come with the package util-linux."
)


class Handset:
    """One virtual phone; fits ``phone.Phone``.

    Args:
        description: which phone.
        root: its folder: made, or one that was a phone's before.
        slow: how many times longer than on this machine everything takes.
        turn: a file that phones on one machine lock while they measure, so that they do not measure each other.
        serial: ``ro.serialno``, where the description gives none.

    Raises:
        VirtualPhoneError: the folder holds something else.
    """

    def __init__(
        self,
        description: PhoneDescription,
        root: Path,
        *,
        slow: float = 1.0,
        turn: Path | None = None,
        serial: str | None = None,
    ) -> None:
        self._description, self._root = description, root.resolve()
        self._slow, self._turn = slow, turn
        self._seed = zlib.crc32(str(self._root).encode())
        self._serial = description.properties.get("ro.serialno") or serial or f"VIRTUAL{self._seed:08X}"
        self._claim_root()
        self._vitals = Vitals(self._root, description, self._seed)
        self._orders: dict[FaultName, Fault] = {}
        """Faults that last."""
        self._orders_given = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._parameters: Parameters | None = None
        self._init_pid = 0
        self._switching = threading.RLock()

    @property
    def properties(self) -> Mapping[str, str]:
        """What ``getprop`` prints."""
        folder = self._root / PROPERTIES
        if self._process is None or not folder.is_dir():
            return all_properties(self._description, self._serial)
        return {file.name: file.read_text(encoding="utf-8", errors="replace") for file in sorted(folder.iterdir())}

    def boot(self) -> None:
        """Switch it on; no change where it is on.

        Raises:
            VirtualPhoneError: this machine refuses namespaces, or a mount.
            RunnerBuildError: the preloaded library cannot be compiled.
        """
        with self._switching:
            if self._process is None:
                self._boot()

    def shutdown(self) -> None:
        """Switch it off: every process of it ends, its mounts with them; ``/data`` stays."""
        with self._switching:
            self._shutdown()

    def _boot(self) -> None:
        furnish(self._root, self._description, serial=self._serial, boot_id=str(uuid.uuid4()), shim=shim_library())
        self._parameters = Parameters(self._root / PARAMETERS, self._description.clusters, slow=self._slow)
        try:
            self._start_init()
        except VirtualPhoneError:
            self._shutdown()
            raise
        self._vitals.start(self._parameters, self._processes())
        for name, fault in self._orders.items():
            self._apply(name, fault, self._parameters)
        self._orders = {name: fault for name, fault in self._orders.items() if name not in ONCE}

    def _shutdown(self) -> None:
        self._vitals.stop()
        if self._init_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init_pid, signal.SIGKILL)
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.communicate()
        if self._parameters is not None:
            self._parameters.close()
        self._process = self._channel = self._parameters = None
        self._init_pid = 0

    def reboot(self) -> None:
        """Switch it off and on: uptime and boot id are new, the wall clock is right again."""
        with self._switching:
            self._shutdown()
            self._boot()

    def spawn(self, command: str | None) -> subprocess.Popen[bytes]:
        """Start ``sh -c command``, or a shell that reads its input; three pipes, a session of its own.

        Raises:
            OSError: the phone is off.
        """
        if not self._init_pid:
            raise OSError("the phone is off")
        environment = dict(_ENVIRONMENT)
        if self._turn is not None:
            environment["AUTOCOMET_TURN"] = f"/{boot.TURN_FILE}"
        enter = [
            "nsenter",
            f"--target={self._init_pid}",
            "--user",
            "--preserve-credentials",
            "--mount",
            "--pid",
            "--uts",
        ]
        variables = [f"{name}={value}" for name, value in environment.items()]
        shell = ["/system/bin/sh", "-c", command] if command is not None else ["/system/bin/sh"]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*enter, "/usr/bin/env", "-i", *variables, *shell],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )

    def open_terminal(self) -> tuple[int, str]:
        """Make a terminal among the phone's own: our end, open, and the path at which a command finds the other one.

        Raises:
            OSError: the phone is off.
        """
        if not self._init_pid:
            raise OSError("the phone is off")
        return open_pseudo_terminal(self._processes().parent / "dev/pts/ptmx")

    def resolve(self, path: str) -> Path:
        """Find the place on this machine of a path on the phone; links are followed as the phone would follow them.

        Raises:
            PermissionError: the path is not absolute, or its links lead in a circle.
        """
        if not path.startswith("/"):
            raise PermissionError(f"{path!r} is no absolute path on the phone.")
        place, links = self._root, 0
        parts = list(reversed(PurePosixPath(path).parts[1:]))
        while parts:
            part = parts.pop()
            if part == "..":
                place = place if place == self._root else place.parent
                continue
            if (place / part).is_symlink():
                links += 1
                if links > _MOST_LINKS:
                    raise PermissionError(f"The links of {path!r} lead in a circle.")
                target = PurePosixPath((place / part).readlink())
                place = self._root if target.is_absolute() else place
                parts.extend(reversed(target.parts[1:] if target.is_absolute() else target.parts))
                continue
            place /= part
        return place

    def storage_left(self) -> int:
        """Bytes that can still be written."""
        return 0 if FaultName.STORAGE_FULL in self._orders else disk_usage(self._root).free

    def inject(self, fault: Fault) -> None:
        """Do something wrong from now on, or next time; a phone that is off does it when it boots.

        Raises:
            VirtualPhoneError: the fault is none of a handset's.
        """
        if fault.name in WIRE_FAULTS:
            raise VirtualPhoneError(f"Fault {fault} is the daemon's, not the handset's.")
        with self._switching:
            if self._parameters is None or fault.name not in ONCE:
                self._orders[fault.name] = fault
            self._orders_given += 1
            if self._parameters is not None:
                self._apply(fault.name, fault, self._parameters)

    def clear(self, name: str) -> None:
        """Stop doing so; a wall clock that was set back stays there."""
        with self._switching:
            self._orders.pop(FaultName(name), None)
            if self._parameters is not None:
                self._apply(FaultName(name), None, self._parameters)

    def _claim_root(self) -> None:
        """Make the folder a phone's; what lies in another's folder is never touched."""
        self._root.mkdir(parents=True, exist_ok=True)
        mark = self._root / _MARK
        if not mark.exists() and any(self._root.iterdir()):
            raise VirtualPhoneError(f"{self._root} is not empty and no virtual phone's. Name an empty folder.")
        mark.write_text("The folder of a virtual phone; all but data/ is made anew at each boot.\n")

    def _apply(self, name: FaultName, fault: Fault | None, parameters: Parameters) -> None:
        apply_to_processes(name, fault, parameters, seed=(self._seed + self._orders_given) % 2**32)
        apply_to_battery(name, fault, self._vitals, self._description)
        self._vitals.beat(parameters, self._processes())

    def _processes(self) -> Path:
        return Path(f"/proc/{self._init_pid}/root/proc")

    def _start_init(self) -> None:
        """Start process 1 and wait until it has made the phone's world."""
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._channel = ours
        flags = [f"--map-user={_USER}", f"--map-group={_USER}", "--keep-caps", "--fork", "--kill-child"]
        turn = [str(self._turn)] if self._turn is not None else []
        if self._turn is not None:
            self._turn.touch()
        command = ["unshare", "--user", "--mount", "--pid", "--uts", *flags, sys.executable, "-I", boot.__file__]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*command, str(self._root), str(theirs.fileno()), *turn],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError as exc:
                raise VirtualPhoneError(_REFUSED.format(reason=exc)) from exc
        said, control, _, _ = ours.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
        if said != b"ready":
            reason = said.decode() or self._process.communicate()[1].decode().strip().replace("\n", "; ")
            raise VirtualPhoneError(_REFUSED.format(reason=reason))
        self._init_pid = _CREDENTIALS.unpack(control[0][2][: _CREDENTIALS.size])[0]
