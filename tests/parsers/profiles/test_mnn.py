from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from parsers.device_config import DeviceConfig
from parsers.dump import Dump, DumpSettings
from parsers.profiles.mnn import KIND
from parsers.profiles.operator_time import OperatorTime

SEVERAL = "The headings name several devices: rows carry these names, and no device's context."


def read(data: bytes, device: DeviceConfig | None = None) -> Dump:
    dump = KIND.read(data, DumpSettings(name="page", device=device))
    return replace(dump, records=list(dump.records), rejects=list(dump.rejects))


def known(row: Mapping[str, object], *names: str) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


def test_networks_are_read_with_a_space_before_the_unit_and_without(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["mnn networks"])

    assert list(dump.records) == [
        OperatorTime(
            section="cpu, networks",
            order=order,
            type="Network",
            name=name,
            value=mean,
            unit="ms",
            provider="mnn-cpu",
            min_ms=least,
            max_ms=greatest,
        )
        for order, (name, greatest, least, mean) in enumerate(
            [("tiny.mnn", 21.691, 18.404, 19.157), ("small-1.0.mnn", 41.334, 35.704, 37.716)]
        )
    ]
    assert [known(row, "scope", "networks", "network_wall_ms", "threads", "samples") for row in dump.cells] == [
        ("network", "tiny", 19.157, 4, 20),
        ("network", "small-1.0", 37.716, 4, 20),
    ]
    assert (dump.rejects, dump.notes) == ([], [])


@pytest.mark.parametrize(
    "line",
    [
        b"Forward type: **CPU** thread=2",
        b"Forward type: **CPU** thread=2** precision=2** sparsity=0** sparseBlockOC=1",
        b"Forward type: CPU thread=2 precision=2 sparsity=0 sparseBlockOC=1 testQuantizedModel=0 enableKleidiAI=0",
    ],
)
def test_every_release_says_the_backend_and_the_threads_in_its_own_way(line: bytes) -> None:
    dump = read(b"MNN benchmark\n" + line + b"\n[ - ] net.mnn max = 2.0 ms min = 1.0 ms avg = 1.5 ms\n")

    assert [known(row, "provider", "threads") for row in dump.cells] == [("mnn-cpu", 2)]


def test_operators_are_rows_by_name_and_records_by_type(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["mnn operators"])

    assert [(time.section, time.type, time.name, time.time_ms, time.percent) for time in dump.records] == [
        ("vulkan, tiny, operators by name", "Convolution", "conv1", 1.25, 60.0),
        ("vulkan, tiny, operators by name", "ConvolutionDepthwise", "conv2/dw", 0.83, 40.0),
        ("vulkan, tiny, operators by type", "Convolution", "", 1.25, 60.0),
    ]
    assert [known(row, "type", "execution_time_ms", "provider", "scope", "networks") for row in dump.cells] == [
        ("Conv", 1.25, "mnn-vulkan", "in_network", "tiny"),
        ("DepthwiseConv", 0.83, "mnn-vulkan", "in_network", "tiny"),
    ]
    assert (dump.rejects, dump.notes) == ([], [])


def test_a_column_is_found_by_its_name(profiles: Mapping[str, bytes]) -> None:
    moved = b"\n".join(
        b"\t".join([*cells[:1], *cells[2:4], cells[1], *cells[4:]]) if len(cells := line.split(b"\t")) > 5 else line
        for line in profiles["mnn operators"].splitlines()
    )

    assert moved.count(b"Avg(ms)  \t%         \tOp Type") == 1
    assert [known(row, "type", "execution_time_ms") for row in read(moved).cells] == [
        ("Conv", 1.25),
        ("DepthwiseConv", 0.83),
    ]


def test_a_pages_headings_are_its_devices(profiles: Mapping[str, bytes], phone: DeviceConfig) -> None:
    one = b"### A phone (a SoC)\n```\n" + profiles["mnn networks"] + b"```\n"

    alone, both = read(one, phone), read(one + one.replace(b"A phone", b"B phone"), phone)

    assert {known(row, "device", "cores") for row in read(one).cells} == {("A phone (a SoC)", None)}
    assert {known(row, "device", "cores") for row in alone.cells} == {("pixel", 4)}
    assert [known(row, "device", "cores") for row in both.cells][::2] == [
        ("A phone (a SoC)", None),
        ("B phone (a SoC)", None),
    ]
    assert (alone.notes, both.notes) == ([], [SEVERAL])


@pytest.mark.parametrize(
    ("name", "old", "new", "reasons"),
    [
        ("mnn networks", b"avg =   19.157", b"avg =   19.1?7", ["a network's times that cannot be read"]),
        ("mnn networks", b"avg =   19.157 ms", b"", ["a network's times that cannot be read"]),
        ("mnn networks", b"avg =   19.157", b"avg =   99.157", ["a network's mean time that is not between its least and its greatest"]),
        ("mnn networks", b"[ - ] tiny", b"[ + ] tiny", ["a network's times that do not stand behind '[ - ]'"]),
        ("mnn operators", b"\t0.830000", b"\tnan", ["a line of a table whose time is no number"]),
        ("mnn operators", b"\t0.830000", b"0.830000", ["a line of a table that does not fit its header"]),
        ("mnn operators", b"Node Type ", b"Node Tipe ", ["a line of a table without its header"] * 2),
        (
            "mnn operators",
            b"Avg(ms)  \t%         \tCalled",
            b"Mean(ms) \t%         \tCalled",
            [
                "a table's header without Avg(ms), or with a column twice",
                "a line of a table whose header was not understood",
            ],
        ),
    ],
)  # fmt: skip
def test_a_line_of_a_table_that_cannot_be_read_is_counted(
    profiles: Mapping[str, bytes], name: str, old: bytes, new: bytes, reasons: list[str]
) -> None:
    damaged = profiles[name].replace(old, new, 1)

    assert damaged != profiles[name]
    assert [reject.reason for reject in read(damaged).rejects] == reasons


def test_published_pages_are_read_whole() -> None:
    files = sorted(Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "profiles").glob("mnn_result_*.md"))
    if not files:
        pytest.skip("AUTOCOMET_DATA names no folder with dumps/profiles/mnn_result_*.md")
    data = files[0].read_bytes()

    dump = read(data)

    means = [float(mean) for mean in re.findall(r"avg = *([0-9.]+)ms", data.decode())]
    assert ([time.time_ms for time in dump.records], dump.rejects) == (means, [])
    assert [row["execution_time_ms"] for row in dump.cells] == means
    assert len({row["device"] for row in dump.cells}) == data.count(b"### ")
    assert {row["provider"] for row in dump.cells} == {"mnn-cpu", "mnn-vulkan"}
    assert KIND.looks_like(data, files[0].name)
