"""Every kind of dump that can be read alone, and how one is told from another.

The order matters where one kind holds another's text: a campaign's log is a logcat that begins with the runner's tag. A
kind is only taken where the head of the file leaves no doubt; else the user names it.
"""

from __future__ import annotations

from pathlib import Path

from parsers import run_dump
from parsers.dump import HEAD_BYTES, Buffer, Kind
from parsers.errors import DumpError
from parsers.facts import cpuinfo, getprop, meminfo
from parsers.graphs import layer_dump
from parsers.logcat import kind as logcat
from parsers.memory_dumps import dumpsys_meminfo, proc_status, smaps
from parsers.power_dumps import (
    battery_properties,
    battery_service,
    batterystats,
    batterystats_checkin,
    monitor,
    perfetto_rails,
    power_supply,
    rails,
    thermal,
    trepn,
)
from parsers.profiles import mnn, ncnn, ort, qualcomm, tflite

KINDS: tuple[Kind, ...] = (
    battery_service.KIND,
    battery_properties.KIND,
    batterystats.KIND,
    batterystats_checkin.KIND,
    power_supply.KIND,
    *rails.KINDS,
    perfetto_rails.KIND,
    thermal.KIND,
    *monitor.KINDS,
    trepn.KIND,
    dumpsys_meminfo.KIND,
    proc_status.KIND,
    *smaps.KINDS,
    getprop.KIND,
    cpuinfo.KIND,
    meminfo.KIND,
    ort.KIND,
    tflite.KIND,
    ncnn.KIND,
    mnn.KIND,
    *qualcomm.KINDS,
    layer_dump.KIND,
    run_dump.KIND,
    logcat.KIND,
)


def kind_named(name: str) -> Kind:
    """Give a kind by its name.

    Raises:
        DumpError: no kind of that name; the message lists them.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise DumpError(f"No kind {name!r}. Known: {', '.join(sorted(kind.name for kind in KINDS))}.")


def kind_of(data: Buffer, path: Path) -> Kind:
    """Tell a dump's kind from how it begins and what its file is called.

    Raises:
        DumpError: none fits.
    """
    head = bytes(data[:HEAD_BYTES])
    for kind in KINDS:
        if kind.looks_like(head, path.name):
            return kind
    what = "is empty" if not head else "is of no kind that is told by how it begins"
    raise DumpError(f"{path} {what}. Name one with --kind: {', '.join(sorted(kind.name for kind in KINDS))}.")
