"""What can go wrong while reading evidence.

::

    ParsersError
    ├── DeviceConfigError      a tier or phone TOML is absent or wrong
    ├── NetworkError           a network file cannot be read as layers
    ├── RunLogError            the runner's records contradict each other
    ├── OrtProfileError        an ONNX Runtime profile cannot be read
    ├── PowerSamplesError      a recording of power cannot be read
    ├── EnergyRefusedError     a recording of power is whole, but tells no energy
    ├── DumpError              a dump is absent, of no known kind, or not what it is said to be
    ├── PublishedError         a published table is not the one it is said to be
    └── StatsError             a stats table is absent, torn or of another version
"""

from __future__ import annotations


class ParsersError(Exception):
    """Base of everything that ``parsers`` raises on bad input; its text is one line, fit to print."""


class DeviceConfigError(ParsersError):
    """A tier or phone TOML is absent or wrong."""


class NetworkError(ParsersError):
    """A network file cannot be read as layers."""


class RunLogError(ParsersError):
    """The runner's records contradict each other."""


class OrtProfileError(ParsersError):
    """An ONNX Runtime profile cannot be read."""


class PowerSamplesError(ParsersError):
    """A recording of power cannot be read."""


class EnergyRefusedError(ParsersError):
    """A recording of power is whole, but tells no energy; its text is the reason, and the energy is null."""


class DumpError(ParsersError):
    """A dump is absent, of no known kind, or not what it is said to be."""


class PublishedError(ParsersError):
    """A published table is not the one it is said to be."""


class StatsError(ParsersError):
    """A stats table is absent, torn or of another version."""
