from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from parsers.device_config import load_device_config
from parsers.facts.socs import read_socs
from parsers.schema import Context, DeviceKind
from profiler.android.facts import (
    FACTS_COMMAND,
    PhoneFacts,
    device_facts,
    parse_phone_facts,
    parse_properties,
    read_phone_facts,
)
from profiler.errors import DeviceAnswerError
from tests.profiler.android.phone_text import FLAGSHIP, Cores, answer

SM8150 = {"ro.soc.model": "SM8150", "ro.board.platform": "msmnile", "ro.hardware": "qcom"}
RECORDED = ("galaxy-a8-2018", "galaxy-j1-2016", "huawei-p20-pro", "moto-g-gen5", "nexus5x", "pixel-8")


def facts_of(text: str) -> PhoneFacts:
    return parse_phone_facts(text, read_socs())


def without_source(context: Context) -> Context:
    return dataclasses.replace(context, peak_gflops_source=None)


def recorded(phone: str) -> PhoneFacts:
    """Run the phone's own command in the tree that was recorded on it, with its recorded properties."""
    data = os.environ.get("AUTOCOMET_DATA")
    if not data or not (root := Path(data) / "facts" / phone).is_dir():
        pytest.skip("AUTOCOMET_DATA names no folder with the facts of recorded phones")
    done = subprocess.run([*FACTS_COMMAND, "facts", str(root)], capture_output=True, text=True, check=True)
    properties = (root / "getprop_subset.txt").read_text()
    return facts_of(done.stdout.replace("== properties\n", f"== properties\n{properties}\n"))


def test_the_virtual_flagship_has_the_context_of_its_tier() -> None:
    text = answer(FLAGSHIP, {**SM8150, "ro.autocomet.virtual": "1"}, memory_kb=8_388_608)

    facts = read_phone_facts(lambda _: text)

    assert without_source(facts.context) == without_source(load_device_config("flagship").context)
    assert (facts.kind, facts.soc) == (DeviceKind.VIRTUAL, "Snapdragon 855")
    assert facts.clusters == ((4, 5, 6, 7), (0, 1, 2, 3))


def test_the_virtual_low_phone_has_the_context_of_its_tier() -> None:
    cores = Cores(cpus=(0, 1, 2, 3), khz=2_000_000, part=0xD03)
    cache = {
        f"sys/devices/system/cpu/cpu{cpu}/cache/index2/{name}": text
        for cpu in range(4)
        for name, text in (("level", "2"), ("size", "512K"))
    }

    facts = device_facts(facts_of(answer([cores], {"ro.board.platform": "mt6761"}, memory_kb=3_145_728, files=cache)))

    assert without_source(facts.context) == without_source(load_device_config("low").context)


def test_a_snapdragon_710_has_two_fast_cores_at_8_operations_per_cycle_as_was_measured() -> None:
    clusters = [Cores(cpus=tuple(range(6)), khz=1_708_800, part=0xD05), Cores(cpus=(6, 7), khz=2_200_000, part=0xD0A)]

    facts = device_facts(facts_of(answer(clusters, {"ro.board.platform": "sdm710"}, memory_kb=5_900_000)))

    assert without_source(facts.context) == Context(
        cores=2,
        memory_gb=6.0,
        clock_freq_ghz=2.2,
        memory_bw_gbs=14.9,
        core_part="0xd0a",
        last_level_cache_mb=1.0,
        peak_gflops=35.2,
    )
    assert facts.soc == "Snapdragon 670 or Snapdragon 710"


def test_qualcomms_own_part_numbers_give_the_context_of_the_design_they_are() -> None:
    kryo = [
        dataclasses.replace(cores, implementer=0x51, part=0x804 if cores.part == 0xD0B else 0x805) for cores in FLAGSHIP
    ]

    assert device_facts(facts_of(answer(kryo, SM8150))) == device_facts(facts_of(answer(FLAGSHIP, SM8150)))


@pytest.mark.parametrize(
    ("memory_kb", "memory_gb"),
    [(437_000, 0.5), (2_800_000, 3.0), (3_681_628, 4.0), (7_600_000, 8.0), (11_300_000, 12.0)],
)
def test_memory_is_rounded_up_to_a_size_that_is_sold(memory_kb: int, memory_gb: float) -> None:
    assert facts_of(answer(FLAGSHIP, SM8150, memory_kb=memory_kb)).memory_gb == memory_gb


def test_the_command_needs_one_service_and_what_it_prints_is_read(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:        3681628 kB\n")
    asked: list[Sequence[str]] = []

    def read(argv: Sequence[str]) -> str:
        asked.append(argv)
        return subprocess.run([*argv, "facts", str(tmp_path)], capture_output=True, text=True, check=True).stdout

    facts = read_phone_facts(read)

    assert (len(asked), facts.context.memory_gb, facts.context.cores, facts.clusters) == (1, 4.0, None, ())


def test_properties_may_span_lines_and_hold_brackets() -> None:
    text = "[a]: [one\ntwo]\n[b]: [x]: [y]]\n[empty]: []\n[c]: [last]"

    assert parse_properties(text) == {"a": "one\\ntwo", "b": "x]: [y]", "c": "last"}


def test_control_characters_of_a_phone_never_reach_the_terminal() -> None:
    phone = facts_of(answer(FLAGSHIP, {**SM8150, "ro.product.model": "Evil\x1b[2J"}))

    assert phone.model == "Evil\\x1b[2J"


def test_an_answer_that_is_cut_off_is_no_fact() -> None:
    whole = answer(FLAGSHIP, SM8150)

    with pytest.raises(DeviceAnswerError, match="cut off; it ends with"):
        facts_of(whole[: whole.index("== graphics")])


def test_an_empty_answer_is_said_to_be_nothing() -> None:
    with pytest.raises(DeviceAnswerError, match="it ends with 'nothing'"):
        facts_of("")


def test_windows_line_ends_of_an_old_adb_change_nothing() -> None:
    text = answer(FLAGSHIP, SM8150)

    assert facts_of(text.replace("\n", "\r\n")) == facts_of(text)


def test_an_emulator_is_virtual() -> None:
    assert facts_of(answer(FLAGSHIP, {"ro.boot.qemu": "1"})).kind is DeviceKind.VIRTUAL


@pytest.mark.parametrize(
    ("files", "graphics", "gpu", "units"),
    [
        ({"sys/class/kgsl/kgsl-3d0/gpu_model": "Adreno640v2"}, "", "Adreno 640", None),
        ({"sys/class/misc/mali0/device/gpuinfo": "Mali-G76 12 cores r0p0 0x72110000"}, "", "Mali-G76", 12),
        ({}, "GLES: Qualcomm, Adreno (TM) 640, OpenGL ES 3.2 V@415.0", "Adreno 640", None),
        ({}, "", None, None),
    ],
)
def test_the_gpu_is_named_by_its_driver_or_by_opengl(
    files: dict[str, str], graphics: str, gpu: str | None, units: int | None
) -> None:
    phone = facts_of(answer(FLAGSHIP, SM8150, files=files, graphics=graphics))

    assert (phone.gpu, phone.gpu_units) == (gpu, units)


@pytest.mark.parametrize(
    ("phone", "soc", "cores", "clock_ghz", "part", "peak"),
    [
        ("galaxy-a8-2018", "EXYNOS7885", 2, 2.18, "0xd09", 34.88),
        ("galaxy-j1-2016", "SC7727SE", 4, 1.2, "0xc07", 9.6),
        ("huawei-p20-pro", "Kirin 970", 4, 2.36, "0xd09", 75.52),
        ("moto-g-gen5", "Snapdragon 430", 8, 1.4, "0xd03", 79.68),
        ("nexus5x", "MSM8992", 4, 1.44, "0xd03", 46.08),
        ("pixel-8", "Tensor G3", 1, 2.91, "0xd4e", 93.12),
    ],
)
def test_recorded_phones_are_what_they_are(
    phone: str, soc: str, cores: int, clock_ghz: float, part: str, peak: float
) -> None:
    facts = device_facts(recorded(phone))

    context = facts.context
    found = (facts.soc, context.cores, context.clock_freq_ghz, context.core_part, context.peak_gflops)
    assert found == (soc, cores, clock_ghz, part, pytest.approx(peak))
    assert facts.kind is DeviceKind.PHONE


def test_a_nexus_5x_whose_big_cores_sleep_is_its_small_cores() -> None:
    phone = recorded("nexus5x")

    assert phone.offline == (4, 5)
    assert device_facts(phone).clusters == ((0, 1, 2, 3),)


@pytest.mark.parametrize("phone", RECORDED)
def test_every_recorded_phone_names_its_build(phone: str) -> None:
    build = device_facts(recorded(phone)).os_build

    assert build is not None
    assert build.count("/") == 5
