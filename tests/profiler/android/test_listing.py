from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from parsers.schema import Context
from profiler.android.listing import load_tiers, nearest_tier
from profiler.android.phone import AdbDevice
from profiler.cli import app
from profiler.device import Conditions
from tests.profiler.android.conftest import VirtualPhone

CONTEXT = Context(cores=2, memory_gb=4.0, clock_freq_ghz=2.0)


@pytest.mark.parametrize(
    ("context", "tier"),
    [
        (replace(CONTEXT, core_part="0xd0a"), "mid"),
        (replace(CONTEXT, core_part="0xd41", peak_gflops=90.0), "flagship"),
        (replace(CONTEXT, core_part="0xd04", peak_gflops=14.0), "low"),
        (replace(CONTEXT, core_part="0xd41"), None),
        (replace(CONTEXT, core_part="0xd0a", clock_freq_ghz=None), None),
    ],
    ids=["its own core design", "a faster core", "a slower core", "an unknown rate", "an unknown clock"],
)
def test_the_nearest_tier_is_by_core_design_then_by_a_cores_rate(context: Context, tier: str | None):
    assert nearest_tier(context, load_tiers()) == tier


def test_devices_tells_what_each_phone_is_and_whether_it_is_ready(new_phone: Callable[..., VirtualPhone]):
    mid, shut = new_phone("MID", tier="mid"), new_phone("SHUT")
    for phone in (mid, shut):
        phone.find()
    shut.fault("recovery")

    def listed() -> list[dict[str, object]]:
        result = CliRunner().invoke(app, ["devices", "--json"])
        assert result.exit_code == 0
        return [one for one in json.loads(result.stdout)["devices"] if one["serial"] in {mid.address, shut.address}]

    while listed()[-1]["state"] != "recovery":
        pass
    first, second = listed()

    assert {key: first[key] for key in ("name", "soc", "tier", "abi", "battery_percent", "state", "ready", "note")} == {
        "name": "Virtual-mid-MID",
        "soc": "Snapdragon 710",
        "tier": "mid",
        "abi": "arm64-v8a",
        "battery_percent": 65.0,
        "state": "device",
        "ready": True,
        "note": "",
    }
    assert (second["ready"], str(second["note"]).partition(":")[0]) == (False, "Reboot it into Android")


def test_devices_in_a_pipe_are_aligned_lines(virtual: VirtualPhone):
    virtual.find()

    lines = CliRunner().invoke(app, ["devices"]).stdout.splitlines()

    (line,) = [line for line in lines if line.startswith(virtual.address)]
    assert line[lines[0].index("model") :].startswith("Virtual low")
    assert line.split()[-2:] == ["device", "ready"]


def test_a_phone_that_measures_is_not_ready_and_says_for_whom(virtual: VirtualPhone):
    device = AdbDevice(virtual.find(), campaign="c")

    with device.hold(Conditions()):
        listing = CliRunner().invoke(app, ["devices"]).stdout

    assert f"no: measuring for {device.owner}" in listing


def test_clean_refuses_a_phone_that_measures_and_cleans_it_afterwards(virtual: VirtualPhone):
    device = AdbDevice(virtual.find(), campaign="c")
    with device.hold(Conditions()):
        refused = CliRunner().invoke(app, ["clean", "--device", virtual.address])

    cleaned = CliRunner().invoke(app, ["clean", "--device", virtual.address])

    assert (refused.exit_code, "is held by" in refused.stderr) == (1, True)
    assert (cleaned.exit_code, cleaned.stdout, virtual.bench.exists()) == (0, "Virtual-low-V1: clean\n", False)


def test_connect_says_which_phone_it_is(virtual: VirtualPhone):
    connected = CliRunner().invoke(app, ["connect", virtual.address])

    assert connected.stdout == f"Virtual-low-V1 is connected: profile collect --device {virtual.address}\n"
