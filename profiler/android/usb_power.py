"""A hub whose ports can be switched, by a command that the user names: ``COMMAND off`` and ``COMMAND on``.

Which phone is meant stands in ``ANDROID_SERIAL``, where adb itself looks for it, so that one script can serve a rack. The
command is run as it is; no shell reads it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from profiler.errors import PowerSwitchError

_LONGEST_S = 60.0


def switch_port(command: Sequence[str], *, on: bool, serial: str) -> None:
    """Switch the power of a phone's port.

    Args:
        command: program and arguments; ``on`` or ``off`` becomes the last one.
        on: whether the phone may charge.
        serial: the phone's, ``ANDROID_SERIAL`` for the command.

    Raises:
        PowerSwitchError: the command is not there, failed, or did not end.
    """
    whole = [*command, "on" if on else "off"]
    try:
        done = subprocess.run(
            whole,
            env={**os.environ, "ANDROID_SERIAL": serial},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PowerSwitchError(f"--usb-power: {' '.join(whole)!r} cannot be run ({error}).") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise PowerSwitchError(f"--usb-power: {' '.join(whole)!r} ended with exit code {done.returncode}: {said}.")
