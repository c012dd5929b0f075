"""What adb says of a phone that it cannot use, and what a person does about it."""

from __future__ import annotations

READY = "device"

NO_PHONE = (
    "No phone here. Plug one in (a cable that carries data), switch on USB debugging in its developer options, and allow this "
    "computer on its screen; for Wi-Fi: profile connect HOST:PORT."
)

_WAIT = "Wait a moment, then look again."
_REBOOT = "Reboot it into Android: {adb} -s {serial} reboot."

_NEXT_STEPS = {
    "unauthorized": "Unlock it and allow USB debugging for this computer on its screen.",
    "offline": "Plug it in again, or switch its USB debugging off and on; over Wi-Fi: profile connect {serial}.",
    "authorizing": "Unlock it and look at its screen; it may ask whether to allow this computer.",
    "connecting": _WAIT,
    "detached": _WAIT,
    "recovery": _REBOOT,
    "sideload": _REBOOT,
    "rescue": _REBOOT,
    "bootloader": "Start Android: fastboot -s {serial} reboot.",
    "no permissions": (
        "This user may not open its USB port: install the udev rules (Debian: apt-get install "
        "android-sdk-platform-tools-common), join the group plugdev, and plug it in again."
    ),
}


def next_step(state: str, serial: str, *, adb: str = "adb") -> str:
    """Say what to do about a phone in a state of adb's other than :data:`READY`; ``adb`` is how that is started here."""
    for known, step in _NEXT_STEPS.items():
        if state.startswith(known):
            return step.format(serial=serial, adb=adb)
    return f"See what '{adb} devices -l' says of it."


def state_word(state: str) -> str:
    """Shorten a state of adb's to what it is, without the advice that some carry."""
    return "no permissions" if state.startswith("no permissions") else state
