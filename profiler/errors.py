"""What can go wrong between the bench and its evidence.

::

    ProfilerError
    ├── PlatformError          this machine cannot measure
    ├── RunnerBuildError       the runner cannot be compiled, or the runtime is not there
    ├── DumpOptionError        what 'profile parse' or 'import' is told makes no sense
    ├── SuiteError             a suite, layer file or model yields nothing to measure
    ├── AdbServerError         an adb server cannot be reached or started
    ├── DeviceNotFoundError    no such device
    ├── NoPhoneError           no phone at all
    ├── DeviceNotReadyError    a device is there, but cannot measure now
    ├── DeviceBusyError        another program has it
    ├── DeviceGoneError        it went away in the middle: unplugged, rebooted, offline
    │   └── BatchCutOffError   ... and is back, but has ended meanwhile what it was left alone with
    ├── DeviceAnswerError      what it answered cannot be read
    ├── ConfigFileError        a device's config is in the way, or cannot be written
    ├── PowerSwitchError       the port that it hangs on cannot be switched
    ├── StorageFullError       it has no room
    ├── TransferError          it refused a file
    ├── CampaignError          a campaign's folder belongs to other settings, or is in use
    ├── NotComparableError     two campaigns measured different things
    ├── RunnerError            the runner stopped before its plan was done
    └── VirtualPhoneError      a virtual phone cannot be what is asked of it
"""

from __future__ import annotations


class ProfilerError(Exception):
    """Base of everything that ``profiler`` raises on bad input; its text is one line, fit to print."""


class PlatformError(ProfilerError):
    """This machine cannot measure."""


class RunnerBuildError(ProfilerError):
    """The runner cannot be compiled, or the runtime library is not there."""


class DumpOptionError(ProfilerError):
    """What ``profile parse`` or ``profile import`` is told makes no sense."""


class SuiteError(ProfilerError):
    """A suite, a layer file or a model yields nothing that can be measured."""


class AdbServerError(ProfilerError):
    """An adb server cannot be reached, started or understood."""


class NoPhoneError(ProfilerError):
    """No phone can be measured; the text says what to check."""


class DeviceNotFoundError(ProfilerError):
    """No device of that name can be reached."""

    def __init__(self, device: str, *, known: tuple[str, ...]) -> None:
        super().__init__(f"No device {device!r} here. Devices that can be measured now: {', '.join(known)}.")
        self.device, self.known = device, known


class DeviceNotReadyError(ProfilerError):
    """A device is there, but cannot measure now; the text says what to do about it."""

    def __init__(self, device: str, *, state: str, next_step: str) -> None:
        super().__init__(f"Device {device} is {state}. {next_step}")
        self.device, self.state, self.next_step = device, state, next_step


class DeviceBusyError(ProfilerError):
    """Another program, maybe on another machine, is measuring on the device."""


class DeviceGoneError(ProfilerError):
    """A device went away in the middle: unplugged, rebooted, offline. It may come back; nothing that it finished is lost."""


class BatchCutOffError(DeviceGoneError):
    """A detached batch did not end by itself: the phone rebooted, or let go of its settings. What it finished is there."""


class DeviceAnswerError(ProfilerError):
    """What a device answered is cut off or makes no sense."""


class ConfigFileError(ProfilerError):
    """A device's config must not be overwritten, or cannot be written."""


class PowerSwitchError(ProfilerError):
    """The command that switches the power of a USB port failed."""


class StorageFullError(ProfilerError):
    """A device has no room left for what it is sent or what it measures."""


class TransferError(ProfilerError):
    """A device refused a file for another reason than room, or something arrived damaged."""


class CampaignError(ProfilerError):
    """A campaign's folder belongs to other settings, or another program is working on it."""


class NotComparableError(ProfilerError):
    """Two campaigns differ in more than the day: another device, context, runtime or setting."""


class RunnerError(ProfilerError):
    """The runner stopped before its plan was done."""


class VirtualPhoneError(ProfilerError):
    """A virtual phone cannot start, or cannot do what is ordered."""
