"""Android's ABIs: what a phone's programs and libraries are built for."""

from __future__ import annotations

from enum import StrEnum

from profiler.elf import Machine


class Abi(StrEnum):
    """One of them, by the name that ``ro.product.cpu.abilist`` and the folders of an AAR use."""

    ARM64 = "arm64-v8a"
    ARM = "armeabi-v7a"
    X86_64 = "x86_64"
    X86 = "x86"

    @property
    def machine(self) -> Machine:
        """The processor, as ELF files name it."""
        machines = {Abi.ARM64: Machine.AARCH64, Abi.ARM: Machine.ARM, Abi.X86_64: Machine.X86_64, Abi.X86: Machine.X86}
        return machines[self]

    @property
    def bits(self) -> int:
        """Width of an address."""
        return 64 if self in {Abi.ARM64, Abi.X86_64} else 32
