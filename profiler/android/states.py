"""What adb says of a phone that it cannot use, and what a person does about it."""

from __future__ import annotations

READY = "device"

NO_PHONE = (
    "No phone here. Plug one in (a cable that carries data), switch on USB debugging in its developer options, and allow this "
    "computer on its screen; for Wi-Fi: profile connect HOST:PORT."
)

_WAIT = "Wait a moment, then look again."
_REBOOT = "Reboot it into Android: {adb} -s {serial} reboot."

_STATES = {
    "unauthorized": ("unauthorized", "Unlock it and allow USB debugging for this computer on its screen."),
    "authorizing": ("authorizing", "Unlock it and look at its screen; it may ask whether to allow this computer."),
    "offline": (
        "offline",
        "Plug it in again, or switch its USB debugging off and on; over Wi-Fi: profile connect {serial}.",
    ),
    "connecting": ("connecting", _WAIT),
    "detached": ("detached", _WAIT),
    "recovery": ("in recovery", _REBOOT),
    "sideload": ("in sideload", _REBOOT),
    "rescue": ("in rescue", _REBOOT),
    "bootloader": ("in its bootloader", "Start Android: fastboot -s {serial} reboot."),
    "no permissions": (
        "out of reach (no permissions)",
        (
            "This user may not open its USB port: install the udev rules (Debian: apt-get install "
            "android-sdk-platform-tools-common), join the group plugdev, and plug it in again."
        ),
    ),
}
"""adb's word: what that is in a sentence, and the next step."""


def explain_state(state: str, serial: str, *, adb: str = "adb") -> tuple[str, str]:
    """Put a state of adb's other than :data:`READY` into words, and say what to do about it.

    Args:
        state: as adb gives it, maybe a sentence.
        serial: the phone's.
        adb: how adb is started here.
    """
    word = state_word(state)
    words, step = _STATES.get(word, (repr(word), "See what '{adb} devices -l' says of it."))
    return words, step.format(serial=serial, adb=adb)


def state_word(state: str) -> str:
    """Shorten a state of adb's to what it is, without the advice that some carry."""
    return next((word for word in _STATES if state.startswith(word)), state)
