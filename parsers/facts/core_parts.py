"""Processor cores by their main ID register: which design a core is, and how much it computes in a clock cycle.

A core says who made it (implementer) and what it is (part). Qualcomm and HiSilicon sell Arm's designs under part numbers
of their own; a layer costs the same on them, so the design is what counts here.

Sources of the part numbers: Arm's technical reference manuals and Linux ``arch/arm64/include/asm/cputype.h``; of what
Kryo and Kirin cores are: github.com/pytorch/cpuinfo ``src/arm/uarch.c``. Float32 operations per cycle were *measured* by
others, with loops of nothing but fused multiply-adds:

- Cortex-A53, A55, A57, A72, A75 and Kryo: vfpbench, wlog.flatlib.jp/2019/1/5 (GFLOP/s over the clock: two pipes of
  64 bit, the A75's too); A53, A55, A72, A76, A720: github.com/pigirons/cpufp ``benchmark_result/arm64``
- Cortex-A7, A15: vfpbench, wlog.flatlib.jp/2014/2/14
- of the others the pipes are published, 8 operations each of 128 bit: A77, A78, A710, A715 have two, X1 to X4 have four
  (collected with a link each in github.com/Dr-Noob/cpufetch ``src/arm/uarch.c``); the A73 has two of 64 bit
  (anandtech.com/show/10347)

The A510 and A520 share a vector unit between two cores, in a width that the phone's maker chose: unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ARM = 0x41
HISILICON = 0x48
QUALCOMM = 0x51


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreDesign:
    """A core's design."""

    part: str
    """Arm's part number, as ``0xd0b``; of another maker's own design, its implementer before it, as ``0x53:0x003``."""
    name: str | None = None
    flops_per_cycle: float | None = None
    """Peak float32 operations per clock cycle; a fused multiply-add is two."""
    little: bool = False
    """Whether it is made to save energy beside faster ones."""


_ARM_DESIGNS: Mapping[int, CoreDesign] = MappingProxyType(
    {
        0xC07: CoreDesign(part="0xc07", name="Cortex-A7", flops_per_cycle=2, little=True),
        0xC0F: CoreDesign(part="0xc0f", name="Cortex-A15", flops_per_cycle=8),
        0xD03: CoreDesign(part="0xd03", name="Cortex-A53", flops_per_cycle=8, little=True),
        0xD05: CoreDesign(part="0xd05", name="Cortex-A55", flops_per_cycle=8, little=True),
        0xD07: CoreDesign(part="0xd07", name="Cortex-A57", flops_per_cycle=8),
        0xD08: CoreDesign(part="0xd08", name="Cortex-A72", flops_per_cycle=8),
        0xD09: CoreDesign(part="0xd09", name="Cortex-A73", flops_per_cycle=8),
        0xD0A: CoreDesign(part="0xd0a", name="Cortex-A75", flops_per_cycle=8),
        0xD0B: CoreDesign(part="0xd0b", name="Cortex-A76", flops_per_cycle=16),
        0xD0D: CoreDesign(part="0xd0d", name="Cortex-A77", flops_per_cycle=16),
        0xD41: CoreDesign(part="0xd41", name="Cortex-A78", flops_per_cycle=16),
        0xD44: CoreDesign(part="0xd44", name="Cortex-X1", flops_per_cycle=32),
        0xD46: CoreDesign(part="0xd46", name="Cortex-A510", little=True),
        0xD47: CoreDesign(part="0xd47", name="Cortex-A710", flops_per_cycle=16),
        0xD48: CoreDesign(part="0xd48", name="Cortex-X2", flops_per_cycle=32),
        0xD4B: CoreDesign(part="0xd4b", name="Cortex-A78C", flops_per_cycle=16),
        0xD4D: CoreDesign(part="0xd4d", name="Cortex-A715", flops_per_cycle=16),
        0xD4E: CoreDesign(part="0xd4e", name="Cortex-X3", flops_per_cycle=32),
        0xD80: CoreDesign(part="0xd80", name="Cortex-A520", little=True),
        0xD81: CoreDesign(part="0xd81", name="Cortex-A720", flops_per_cycle=16),
        0xD82: CoreDesign(part="0xd82", name="Cortex-X4", flops_per_cycle=32),
    }
)

_BUILT_ON: Mapping[tuple[int, int], int] = MappingProxyType(
    {
        (QUALCOMM, 0x800): 0xD09,  # Kryo 2xx Gold
        (QUALCOMM, 0x801): 0xD03,  # Kryo 2xx Silver
        (QUALCOMM, 0x802): 0xD0A,  # Kryo 3xx Gold
        (QUALCOMM, 0x803): 0xD05,  # Kryo 3xx Silver
        (QUALCOMM, 0x804): 0xD0B,  # Kryo 4xx Gold
        (QUALCOMM, 0x805): 0xD05,  # Kryo 4xx Silver
        (HISILICON, 0xD40): 0xD0B,  # the big cores of a Kirin 980
    }
)
_OWN_DESIGNS: Mapping[tuple[int, int], CoreDesign] = MappingProxyType(
    {
        (QUALCOMM, 0x201): CoreDesign(part="0x51:0x201", name="Kryo Silver", flops_per_cycle=8),
        (QUALCOMM, 0x205): CoreDesign(part="0x51:0x205", name="Kryo Gold", flops_per_cycle=8),
        (QUALCOMM, 0x211): CoreDesign(part="0x51:0x211", name="Kryo Silver", flops_per_cycle=8),
    }
)


def core_design(implementer: int, part: int) -> CoreDesign:
    """Name the design of a core by its main ID register; of an unknown one, only its numbers are known."""
    if own := _OWN_DESIGNS.get((implementer, part)):
        return own
    arm_part = part if implementer == ARM else _BUILT_ON.get((implementer, part))
    if arm_part is None:
        return CoreDesign(part=f"{implementer:#04x}:{part:#05x}")
    return _ARM_DESIGNS.get(arm_part, CoreDesign(part=f"{arm_part:#05x}"))
