"""Measure a suite on a device and parse what came back: the one road from a layer to a number.

``profile collect`` walks it, and so do the predictor's calibration and the search's final proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parsers.evidence import read_whole_network
from parsers.jobs import JOB_FILE
from parsers.schema import Context, Layer, Row, Status
from parsers.stats import parse_campaign, write_stats
from profiler.campaign import Patience, Report
from profiler.device import Conditions, Device
from profiler.errors import (
    CampaignError,
    DeviceBusyError,
    DeviceGoneError,
    DeviceNotReadyError,
    ProfilerError,
    RunnerBuildError,
    StorageFullError,
)
from profiler.job_plans import fingerprint
from profiler.local import LocalDevice
from profiler.power import attach_monitor, parse_power_option
from profiler.rack import Shortfall, collect_rack
from profiler.settings import CampaignSettings, Policy
from profiler.store import CampaignStore
from profiler.suite import Suite, load_suite, suite_from_layers, suite_from_models

HOST = "host"
"""The name by which this machine is asked for."""
ALL = "all"
"""The word that stands for every phone that is ready."""

PASSING = (DeviceGoneError, DeviceNotReadyError, DeviceBusyError, StorageFullError)
"""What is wrong with a device for now: it leaves a campaign incomplete, and the same command finishes it later."""

TROUBLE = ProfilerError
"""Whatever can go wrong while measuring, for callers in other packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A campaign: its table, its rows, what could not be read, and which devices are not done."""

    campaign: str
    stats_path: Path
    rows: tuple[Row, ...]
    rejects: tuple[str, ...]
    shortfalls: tuple[Shortfall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """Over which wires phones are reached, and what they run."""

    servers: tuple[str, ...] = ()
    """adb servers of other bench hosts, as ``host:port``; this machine's own is always asked."""
    runtime: Path | None = None
    """The ONNX Runtime for Android: an AAR or a library; ``None`` takes the one that is fetched."""
    usb_power: tuple[str, ...] = ()
    """The command that switches the power of a phone's port: ``on`` or ``off`` becomes its last argument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Devices that can be measured, and the folder that keeps what comes back."""

    open_devices: Callable[[CampaignStore], Sequence[Device]]
    store: CampaignStore
    unusable: tuple[Shortfall, ...] = ()
    """Phones that adb sees where all are asked for, but that cannot measure now."""

    @property
    def campaign(self) -> str:
        """The campaign's name, which is its folder's."""
        return self.store.root.name


def open_bench(
    settings: CampaignSettings,
    *,
    runs: Path,
    campaign: str | None = None,
    wires: Wires | None = None,
    waiting: Callable[[], None] = lambda: None,
) -> Bench:
    """Find the devices and the campaign's folder; nothing is written yet.

    Args:
        settings: names the devices, and the campaign where ``campaign`` is ``None``.
        runs: the folder of all campaigns.
        campaign: the campaign's name.
        wires: how phones are reached.
        waiting: called once if another program measures on this machine; two at once would measure each other.

    Raises:
        CampaignError: the name cannot be a folder's.
        DeviceNotFoundError, DeviceNotReadyError: a device that is asked for is not there, or cannot measure now.
    """
    name = settings.campaign if campaign is None else campaign
    if not name or name.startswith(".") or "/" in name:
        raise CampaignError(f"{name!r} is no campaign name: it becomes a folder of {runs}/, so give a plain word.")
    store = CampaignStore(runs / name)
    if settings.device == HOST:
        return Bench(open_devices=lambda store: (LocalDevice(store.workdir, waiting=waiting),), store=store)

    from profiler.android.identity import servers_from, survey  # noqa: PLC0415 - the host needs no adb
    from profiler.android.phone import AdbDevice, find_phones  # noqa: PLC0415

    wires = wires or Wires()
    if wires.runtime is not None and not wires.runtime.is_file():
        raise RunnerBuildError(
            f"There is no file {wires.runtime}. Name the AAR of onnxruntime-android, or leave out --runtime."
        )
    wanted = None if settings.device == ALL else tuple(settings.device.split("+"))
    phones = find_phones(wanted, servers=wires.servers)
    unusable = survey(servers_from(wires.servers)).unusable if wanted is None else ()
    return Bench(
        open_devices=lambda store: [
            AdbDevice(phone, campaign=store.identity(), runtime=wires.runtime, usb_power=wires.usb_power)
            for phone in phones
        ],
        store=store,
        unusable=tuple(Shortfall(device=one.transport.serial, error=one.error) for one in unusable),
    )


def measure_suite(
    suite: Suite,
    settings: CampaignSettings,
    bench: Bench,
    *,
    fresh: bool = False,
    conditions: Conditions | None = None,
    patience: Patience | None = None,
    report: Report = lambda _: None,
) -> Measured:
    """Measure every layer and network of a suite on every device, or finish a campaign that was begun.

    Args:
        suite: what to measure.
        settings: how.
        bench: where, from :func:`open_bench` with the same settings.
        fresh: start over instead of going on.
        conditions: when a phone may measure.
        patience: how long what gets better by itself is waited for.
        report: called after every run, from the device's own thread.

    Raises:
        ProfilerError: no device could measure, one's trouble will not pass (the others' work is kept), or the campaign
            was begun with other settings.
        ParsersError: the table cannot be written.
    """
    store = bench.store
    with store.opened(settings, fresh=fresh):
        devices = bench.open_devices(store)
        shortfalls = collect_rack(
            devices,
            suite,
            settings,
            store,
            conditions=conditions or Conditions(),
            patience=patience or Patience(),
            report=report,
        )
        shortfalls += (*bench.unusable, *_absent(store, [device.name for device in devices], suite, settings))
        if shortfalls and (not store.devices() or not isinstance(shortfalls[0].error, PASSING)):
            raise shortfalls[0].error
        _attach_monitor(store, settings)
        parsed = parse_campaign(store.root)
        write_stats(parsed.rows, store.stats_path)
    return Measured(
        campaign=bench.campaign,
        stats_path=store.stats_path,
        rows=parsed.rows,
        rejects=parsed.rejects,
        shortfalls=shortfalls,
    )


def measure_chosen(
    choose: Callable[[Sequence[Layer], Context], Sequence[int]],
    *,
    device: str,
    candidates: Path | None = None,
    provider: str = "cpu",
    threads: int = 1,
    runs: Path,
    wires: Wires | None = None,
    report: Report = lambda _: None,
) -> Measured:
    """Measure a few layers of many on one device: those that ``choose`` names once it is known what the device is.

    Args:
        choose: takes the candidates and the device's context, gives the indices of the layers to measure.
        device: ``host``, or a phone's serial.
        candidates: a layers file; without one, the layers of the suite ``paper``.
        provider: the execution provider to ask for.
        threads: of the provider.
        runs: the folder of all campaigns.
        wires: over which it is reached.
        report: called after every run.

    Raises:
        ProfilerError: the device is not there or cannot measure, or there are no candidates.
    """
    suite = suite_from_layers(candidates) if candidates else load_suite("paper")
    settings = CampaignSettings(
        suite="calibration", suite_sha256=fingerprint(suite), device=device, provider=provider, threads=threads
    )
    bench = open_bench(settings, runs=runs, wires=wires)
    (opened,) = bench.open_devices(bench.store)
    chosen = choose([part.layer for part in suite.layers], opened.facts().context)
    few = replace(suite, name="calibration", layers=tuple(suite.layers[index] for index in chosen))
    settings = replace(settings, suite_sha256=fingerprint(few))
    # A calibration that was disturbed is measured anew: it is over in seconds.
    return measure_suite(few, settings, open_bench(settings, runs=runs, wires=wires), fresh=True, report=report)


def check_device(device: str, *, runs: Path, wires: Wires | None = None) -> None:
    """See that a device is there and could measure now, before work that its measurement ends; nothing is written.

    Raises:
        ProfilerError: it is not, or cannot.
    """
    settings = CampaignSettings(suite="check", suite_sha256="", device=device)
    open_bench(settings, runs=runs, wires=wires)


def measure_networks(
    models: Sequence[Path],
    *,
    name: str,
    device: str,
    provider: str = "cpu",
    threads: int = 1,
    fewer: bool = False,
    processes: int = 3,
    policy: Policy = "strict",
    runs: Path,
    wires: Wires | None = None,
    fresh: bool = False,
    waiting: Callable[[], None] = lambda: None,
    report: Report = lambda _: None,
) -> Measured:
    """Measure networks as wholes on one device, none of their layers alone.

    The same call goes on where it was stopped, or gives what was measured. Where a network was disturbed in every attempt, the
    next call measures all of them anew: they are there to be compared.

    Args:
        models: an ONNX file each; they must stay as long as this takes. A file's stem is its network's name.
        name: of the suite, which names the campaign.
        device: ``host``, or a phone's serial.
        provider: the execution provider to ask for.
        threads: of the provider.
        fewer: take fewer on this machine, where it has not so many cores.
        processes: per network; their spread is the error.
        policy: ``quick`` only says what was disturbed, and does without sentinels.
        runs: the folder of all campaigns.
        wires: over which the device is reached.
        fresh: measure anew whatever is there.
        waiting: as for :func:`open_bench`.
        report: called after every run.

    Raises:
        ProfilerError: the device is not there or cannot measure, or a file is no network.
    """
    if device == ALL or "+" in device:
        raise CampaignError(f"Networks are compared on one device at a time, not on {device!r}; name one.")
    if fewer and device == HOST:
        threads = min(threads, max(map(len, LocalDevice(runs).facts().clusters), default=threads))
    suite = replace(suite_from_models(models), name=name, layers=(), left_out=())
    settings = CampaignSettings(
        suite=name,
        suite_sha256=fingerprint(suite),
        device=device,
        provider=provider,
        threads=threads,
        processes=processes,
        policy=policy,
    )
    bench = open_bench(settings, runs=runs, wires=wires, waiting=waiting)
    return measure_suite(suite, settings, bench, fresh=fresh or _was_disturbed(bench.store), report=report)


def _was_disturbed(store: CampaignStore) -> bool:
    """Tell whether a network that was measured before has no time because of what went on beside it."""
    statuses = {read_whole_network(path.parent).status for path in store.root.glob(f"*/[!.]*/{JOB_FILE}")}
    return bool(statuses & {Status.CONTENDED, Status.THROTTLED, Status.LOST})


def _absent(
    store: CampaignStore, present: Sequence[str], suite: Suite, settings: CampaignSettings
) -> Iterator[Shortfall]:
    """Name the phones that began this campaign, have not finished it, and are not there to do so."""
    jobs = len(suite.layers) + len(suite.networks)
    for record in store.devices():
        if record.device not in present and not settings.share and store.done_jobs(record.device) < jobs:
            gone = DeviceGoneError(
                f"{record.device} began this campaign and is not here. Connect it and say the same again."
            )
            yield Shortfall(device=record.device, error=gone)


def _attach_monitor(store: CampaignStore, settings: CampaignSettings) -> None:
    """Lay a monitor's recording beside the loops that it saw; before it is exported, the rows say that it is missing."""
    recording = parse_power_option(settings.power).file
    if recording is not None and recording.is_file():
        attach_monitor(recording, [run for device in store.devices() for run in store.power_runs(device.device)])
