"""Measure a suite on a device and parse what came back: the one road from a layer to a number.

``profile collect`` walks it, and so do the predictor's calibration and the search's final proof.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parsers.jobs import DeviceRecord
from parsers.schema import Row
from parsers.stats import parse_campaign, write_stats
from profiler.campaign import Report, collect, plan_jobs
from profiler.device import Device, DeviceFacts, RunnerInstall
from profiler.errors import CampaignError, DeviceNotFoundError
from profiler.local import LocalDevice, measuring_lock_path
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore, held
from profiler.suite import Suite

HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A finished campaign: its table, its rows, and what could not be read."""

    campaign: str
    stats_path: Path
    rows: tuple[Row, ...]
    rejects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A device that can be measured, and the folder that keeps what comes back."""

    device: Device
    store: CampaignStore

    @property
    def campaign(self) -> str:
        """The campaign's name, which is its folder's."""
        return self.store.root.name


def open_bench(settings: CampaignSettings, *, runs: Path, campaign: str | None = None) -> Bench:
    """Find the device and the campaign's folder; nothing is written yet.

    Args:
        settings: names the device, and the campaign where ``campaign`` is ``None``.
        runs: the folder of all campaigns.
        campaign: the campaign's name.

    Raises:
        CampaignError: the name cannot be a folder's.
        DeviceNotFoundError: there is no such device.
    """
    name = settings.campaign if campaign is None else campaign
    if not name or name.startswith(".") or "/" in name:
        raise CampaignError(f"{name!r} is no campaign name: it becomes a folder of {runs}/, so give a plain word.")
    if settings.device != HOST:
        raise DeviceNotFoundError(settings.device, known=(HOST,))
    store = CampaignStore(runs / name)
    return Bench(device=LocalDevice(store.workdir), store=store)


def measure_suite(
    suite: Suite,
    settings: CampaignSettings,
    bench: Bench,
    *,
    fresh: bool = False,
    report: Report = lambda _: None,
    waiting: Callable[[], None] = lambda: None,
) -> Measured:
    """Measure every layer and network of a suite, or finish a campaign that was begun.

    Args:
        suite: what to measure.
        settings: how.
        bench: where, from :func:`open_bench` with the same settings.
        fresh: start over instead of going on.
        report: called after every run.
        waiting: called once if another program measures on this machine; two at once would measure each other.

    Raises:
        ProfilerError: the runner cannot be built or ended early, or the campaign was begun with other settings.
        ParsersError: the table cannot be written.
    """
    store, device = bench.store, bench.device
    with store.opened(settings, fresh=fresh):
        facts, install = device.facts(), device.install()
        store.write_device(_record(device, facts, install))
        jobs = plan_jobs(suite, facts, settings)
        with held(measuring_lock_path(), busy=waiting):
            collect(store, device, install, jobs, settings, report)
        parsed = parse_campaign(store.root)
        write_stats(parsed.rows, store.stats_path)
    return Measured(campaign=bench.campaign, stats_path=store.stats_path, rows=parsed.rows, rejects=parsed.rejects)


def _record(device: Device, facts: DeviceFacts, install: RunnerInstall) -> DeviceRecord:
    return DeviceRecord(
        device=device.name,
        kind=facts.kind,
        soc=facts.soc,
        os_build=facts.os_build,
        runtime_version=install.runtime_version,
        runner_sha256=install.runner_sha256,
        context=facts.context,
    )
