from __future__ import annotations

import pytest

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.facts.cpuinfo import KIND, Processor, blocks_by_number

ARM64 = """\
processor\t: 0
BogoMIPS\t: 38.40
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd05
CPU revision\t: 0

processor\t: 7
CPU implementer\t: 0x51
CPU part\t: 0x804

Hardware\t: Example EX8150
"""
ARM_OLD = """\
Processor\t: ARMv7 Processor rev 0 (v7l)
processor\t: 0
BogoMIPS\t: 13.53

processor\t: 1
BogoMIPS\t: 13.54

Features\t: swp half neon
CPU implementer\t: 0x41
CPU part\t: 0xc07

Hardware\t: example_board
"""
X86 = """\
processor\t: 3
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: Example 7B13
cpu MHz\t\t: 2449.998
flags\t\t: fpu sse avx2
power management:
"""


def read(text: str) -> tuple[list[Processor], list[Reject]]:
    dump = KIND.read(text.encode(), DumpSettings())
    return list(dump.records), list(dump.rejects)


def test_an_arm64_processor_has_its_own_design_and_the_machines_hardware() -> None:
    found, rejects = read(ARM64)

    assert found[0] == Processor(
        offset=0,
        number=0,
        core_part="0xd05",
        design="Cortex-A55",
        model_name=None,
        hardware="Example EX8150",
        clock_mhz=None,
        implementer="0x41",
        architecture="8",
        variant="0x1",
        part="0xd05",
        revision="0",
        features=("fp", "asimd"),
        others={"BogoMIPS": "38.40"},
    )
    assert (found[1].number, found[1].offset, found[1].design) == (7, ARM64.index("processor\t: 7"), "Cortex-A76")
    assert (len(found), rejects) == (2, [])


def test_an_old_kernel_says_once_what_holds_for_all_processors() -> None:
    found, rejects = read(ARM_OLD)

    assert rejects == []
    assert [(one.number, one.design, one.model_name, one.others) for one in found] == [
        (0, "Cortex-A7", "ARMv7 Processor rev 0 (v7l)", {"BogoMIPS": "13.53"}),
        (1, "Cortex-A7", "ARMv7 Processor rev 0 (v7l)", {"BogoMIPS": "13.54"}),
    ]
    assert {one.hardware for one in found} == {"example_board"}


def test_one_block_without_a_number_is_one_processor_without_a_number() -> None:
    ((found,), rejects) = read("Processor\t: ARM926EJ-S rev 5 (v5l)\nCPU implementer\t: 0x41\nCPU part\t: 0x926\n")

    assert (found.number, found.core_part, found.design, rejects) == (None, "0x926", None, [])


def test_an_x86_processor_is_vendor_family_and_model() -> None:
    ((found,), rejects) = read(X86)

    assert (found.number, found.core_part, found.model_name) == (3, "AuthenticAMD-25-1", "Example 7B13")
    assert (found.clock_mhz, found.features, rejects) == (2449.998, ("fpu", "sse", "avx2"), [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"processor\t: {'9' * 5000}", "a processor's number that is none"),
        ("processor\t: 8192", "a processor's number that is none"),
        ("processor\t: ٣", "a processor's number that is none"),
        ("CPU part\t: 0xd0b", "a key that stands twice"),
        ("noise", "no 'key: value'"),
    ],
)
def test_a_line_that_is_none_of_a_processors_is_a_reject(line: str, reason: str) -> None:
    text = ARM64.replace("CPU revision", f"{line}\nCPU revision")

    found, rejects = read(text)

    assert [one.core_part for one in found] == ["0xd05", "0xd0b"]
    assert [(one.offset, one.reason) for one in rejects] == [(text.encode().index(line.encode()), reason)]


@pytest.mark.parametrize("value", ["0x", "65", "0x" + "f" * 400, "implementer"])
def test_a_part_that_is_no_number_names_no_design(value: str) -> None:
    ((found, _), _) = read(ARM64.replace("0xd05", value))

    assert (found.core_part, found.design, found.part) == (None, None, value)


@pytest.mark.parametrize("text", ["\n\n", "Name:\tsh\nUid:\t0\n", "MemTotal: 1 kB\n"])
def test_no_processor_is_no_cpuinfo(text: str) -> None:
    with pytest.raises(DumpError, match="The file names no processor"):
        read(text)


@pytest.mark.parametrize(
    ("head", "is_it"),
    [
        (ARM64, True),
        (ARM_OLD, True),
        (X86, True),
        ("processor\t: x\n", False),
        ("MemTotal: 1 kB\n", False),
        ("", False),
    ],
)
def test_it_is_told_by_how_it_begins(head: str, is_it: bool) -> None:
    assert KIND.looks_like(head.encode(), "") is is_it


def test_blocks_are_by_number_and_without_any_there_is_cpu_0() -> None:
    assert blocks_by_number("a: 1\n\nprocessor: 2\nb: 3\n") == {2: {"a": "1", "b": "3"}}
    assert blocks_by_number("a: 1") == {0: {"a": "1"}}
