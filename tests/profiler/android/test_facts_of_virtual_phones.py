"""The three virtual phones, asked what they are by the command that asks a real one."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from parsers.device_config import load_device_config
from parsers.schema import DeviceKind
from profiler.android.facts import read_phone_facts
from profiler.device import DeviceFacts
from profiler.virtual_phone.description import load_description
from profiler.virtual_phone.handset import Handset

_ENTER = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "true"]

pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(_ENTER, capture_output=True, check=False).returncode != 0,
    reason="this machine does not let a user make namespaces",
)


def facts_of(tier: str, root: Path) -> DeviceFacts:
    handset = Handset(load_description(tier), root, slow=1.0, serial=tier)

    def read(argv: Sequence[str]) -> str:
        return handset.spawn(shlex.join(argv)).communicate(timeout=60)[0].decode()

    handset.boot()
    try:
        return read_phone_facts(read)
    finally:
        handset.shutdown()


@pytest.mark.parametrize(("tier", "soc"), [("flagship", "Snapdragon 855"), ("low", "Helio A22")])
def test_a_virtual_phone_has_the_context_of_its_tier(tier: str, soc: str, tmp_path: Path) -> None:
    facts = facts_of(tier, tmp_path)

    wanted = load_device_config(tier).context
    assert facts.context == dataclasses.replace(wanted, peak_gflops_source=facts.context.peak_gflops_source)
    assert (facts.kind, facts.soc) == (DeviceKind.VIRTUAL, soc)


def test_the_virtual_mid_phone_has_its_chips_clock_and_the_rate_that_was_measured_on_a_cortex_a75(
    tmp_path: Path,
) -> None:
    facts = facts_of("mid", tmp_path)

    wanted = dataclasses.replace(
        load_device_config("mid").context,
        clock_freq_ghz=2.21,
        peak_gflops=pytest.approx(2 * 2.21 * 8),
        peak_gflops_source=facts.context.peak_gflops_source,
    )
    assert facts.context == wanted
    assert facts.soc == "Snapdragon 710"
