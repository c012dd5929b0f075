"""The power part of one device's campaign: a loop per layer, on a phone that is left alone with them.

A USB cable charges, and a battery that charges tells nothing. So the loops go to the phone in one batch that needs no cable,
the phone waits until it discharges, and the program waits until the phone is back. Pulling the cable is the user's part,
who is told when; or a hub's (``--usb-power``); a phone on Wi-Fi, or one that does not charge, needs neither.

What is known of a sensor that was never seen settling is little, and loops for it are long. So one layer goes first, and what
its loop shows of the sensor makes all others as short as they may be. Nothing of this is kept but the runs themselves: a
campaign that is started again reads it from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from parsers.evidence import read_run_status
from parsers.jobs import FIRST_POWER_RUN, RUN_PREFIX
from parsers.power_run import REFUSED, PowerFinding, read_power
from parsers.schema import DeviceKind, Row, Scope, Status
from profiler.campaign import Campaign, Patience, StoppedError
from profiler.device import BatchOrder, Detachable
from profiler.errors import BatchCutOffError, DeviceGoneError, DeviceNotReadyError, RunnerError
from profiler.job_plans import Job, run_plan
from profiler.plan import RunPlan, render_plan
from profiler.power import SensorFacts, learn, parse_power_option, plan_power, power_run
from profiler.power_sensor import choose_sensor
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore

WANTED_ERROR = 0.1
"""Half-width of an energy's 95 % interval over the energy, for which loops are made long enough."""
GUESSED_MW = 300.0
"""What a layer is taken to add to idle before any was seen: less than a fast core takes, so that no loop is too short."""
_LATER_WAIT_S = 120.0
"""How long a phone is waited for that charges again, though its cable had been pulled: its user is probably done."""
_OVERHEAD_S = 10.0
"""Of a run, besides loop and idle windows: loading, warming up, the gate."""


class PowerCampaign:
    """One phone's power runs. A new one goes on from what lies in the store."""

    def __init__(
        self,
        campaign: Campaign,
        device: Detachable,
        store: CampaignStore,
        settings: CampaignSettings,
        *,
        most_bytes: int,
        patience: Patience,
        stop: threading.Event,
    ) -> None:
        self._campaign, self._schedule, self._device = campaign, campaign.schedule, device
        self._store, self._settings, self._most_bytes = store, settings, most_bytes
        self._patience, self._stop = patience, stop
        self._still_charges = False
        """Whether the phone was waited for in vain: it is not waited for again."""

    def collect(self) -> None:
        """Loop every layer that this device has timed, and finish its job.

        Raises:
            DeviceGoneError: the phone stayed away. What it finishes is salvaged when it is back.
            DeviceNotReadyError, StorageFullError, RunnerError: as ``Device.batch``.
            ProfilerError: the phone has not the sensor that was asked for.
            PowerSwitchError: its port cannot be switched.
            StoppedError: the stop was asked for.
        """
        if not self._schedule.unpowered():
            return
        self._campaign.tell("looks for a power sensor, about a minute")
        option = parse_power_option(self._settings.power)
        sensor = choose_sensor(option, lambda argv: self._device.shell(argv).stdout)
        if sensor is None:
            self._campaign.tell("has no power sensor that a shell may read")
            self._schedule.leave_power_out()
            self._schedule.finish()
            return
        while jobs := self._schedule.unpowered():
            findings = self._findings()
            is_strange = sensor.settling_s is None and not findings
            self._loop(jobs[:1] if is_strange else jobs, sensor, findings)
            self._schedule.finish()

    def _findings(self) -> list[PowerFinding]:
        """Read what the power runs of this device in this campaign have come to so far."""
        folders = self._store.power_runs(self._device.name)
        return [finding for folder in folders if (finding := _finding(folder)) is not None]

    def _loop(self, jobs: Sequence[Job], sensor: SensorFacts, findings: Sequence[PowerFinding]) -> None:
        """Leave one batch of loops to the phone, and take in what it has measured."""
        order, plans = self._order(jobs, sensor, findings)
        self._store.write_order(self._device.name, [(plan.job, plan.run) for plan in plans])
        self._device.start(order)
        with self._uncharged():
            self._listen(plans)
        into = self._store.incoming(self._device.name)
        self._device.salvage(into)
        folders = [into / plan.job / f"{RUN_PREFIX}{plan.run}" for plan in plans]
        missing = [f"{folder.parent.name} {folder.name}" for folder in folders if not folder.is_dir()]
        came = [_finding(folder) for folder in folders if folder.is_dir()]
        self._still_charges = any(finding is not None and not finding.looped for finding in came)
        self._campaign.take_in(into)
        if missing:
            raise RunnerError(
                f"{self._device.name}: {len(missing)} power runs did not come back, {missing[0]} the first of them. "
                "The same command goes on from here."
            )

    def _order(
        self, jobs: Sequence[Job], sensor: SensorFacts, findings: Sequence[PowerFinding]
    ) -> tuple[BatchOrder, list[RunPlan]]:
        """Write the loops of as many jobs as one batch can hold; one that told nothing before is looped for longer."""
        energies = [finding.energy for finding in findings if finding.energy is not None]
        known = learn(sensor, energies[-1]) if energies else sensor
        expected_mw = min([GUESSED_MW, *(energy.power_mw / 2 for energy in energies)])
        on_device = self._device.models()
        models: dict[str, bytes] = {}
        plans: list[RunPlan] = []
        for job in jobs:
            if sum(map(len, models.values())) >= self._most_bytes:
                break
            model = job.model()
            digest = hashlib.sha256(model).hexdigest()
            if digest not in on_device:
                models[digest] = model
            tries = self._schedule.power_tries(job.spec.job)
            base = run_plan(replace(job.spec, model_sha256=digest), 0, self._settings)
            power = plan_power(known, expected_mw / 2**tries, WANTED_ERROR)
            number = FIRST_POWER_RUN + tries
            plans.append(power_run(base, power, sensor.source, wait_s=self._wait_s(first=not plans), number=number))
        return BatchOrder(plan=render_plan(plans).encode(), models=models), plans

    def _wait_s(self, *, first: bool) -> int:
        if self._still_charges:
            return 0
        return int(self._patience.unplug_s if first else min(self._patience.unplug_s, _LATER_WAIT_S))

    @contextlib.contextmanager
    def _uncharged(self) -> Iterator[None]:
        """Switch the phone's port off, where that can be; it is on again afterwards, whatever happens."""
        switched = self._device.let_charge(False)
        try:
            yield
        finally:
            if switched:
                self._device.let_charge(True)

    def _listen(self, plans: Sequence[RunPlan]) -> None:
        """Hear the phone out, over every absence; returns when the batch has ended."""
        done = 0
        while True:
            try:
                with self._device.follow() as lines:
                    done = 0
                    for line in lines:
                        if self._stop.is_set():
                            raise StoppedError
                        done += self._hear(line.split(), plans[done:])
            except BatchCutOffError:
                raise
            except DeviceGoneError as gone:
                self._await_return(gone, plans[done:])
            else:
                return

    def _hear(self, words: Sequence[str], left: Sequence[RunPlan]) -> int:
        """Pass on what the runner says; 1 where a loop has ended."""
        match words:
            case ["run", job, _, status]:
                self._campaign.tell(f"power of {job} {status}, {len(left) - 1} to go")
                return 1
            case ["phone", *pairs]:
                self._campaign.hear(words)
                if left and not self._still_charges and "status=discharging" not in pairs:
                    minutes = _duration_s(left) / 60
                    self._campaign.tell(f"PULL ITS CABLE: {_layers(len(left))} to loop for power, {minutes:.0f} min")
            case _:
                self._campaign.hear(words)
        return 0

    def _await_return(self, gone: DeviceGoneError, left: Sequence[RunPlan]) -> None:
        """Wait until the phone is back; looking for it before its loops have ended costs nothing but a question."""
        ends_s = time.monotonic() + _duration_s(left)
        deadline_s = ends_s + self._patience.unplug_s + self._patience.away_s
        told = time.strftime("%H:%M", time.localtime(time.time() + _duration_s(left)))
        reason: DeviceGoneError | DeviceNotReadyError = gone
        while time.monotonic() < deadline_s:
            self._campaign.tell(f"loops {_layers(len(left))} by itself; plug it in again at {told}, not before")
            if self._stop.wait(self._patience.look_s):
                raise StoppedError
            if time.monotonic() > ends_s:
                self._device.let_charge(True)
            try:
                self._device.reconnect()
            except (DeviceGoneError, DeviceNotReadyError) as error:
                reason = error
            else:
                return
        raise reason


def _finding(folder: Path) -> PowerFinding | None:
    """Read what a power run came to; ``None`` where the run itself is not to be trusted."""
    return read_power(folder) if read_run_status(folder) is Status.OK else None


def _duration_s(plans: Sequence[RunPlan]) -> float:
    """How long a phone needs for loops, once nothing charges it."""
    return sum((plan.power_loop_ms + 2 * plan.power_idle_ms) / 1000 + _OVERHEAD_S for plan in plans)


def refusals(rows: Sequence[Row]) -> list[str]:
    """Say which layers have a time but no energy, and why: a line for each device and reason."""
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        known = row.measurement
        if row.execution.scope is Scope.ISOLATED and known.status is Status.OK and known.energy_mj is None:
            found[row.provenance.device, _reason(row)] += 1
    return [f"{device}: {_layers(count)} without energy: {why}" for (device, why), count in found.items()]


def _reason(row: Row) -> str:
    told = row.measurement.power_source
    if told is not None:
        return told.removeprefix(REFUSED)
    if row.provenance.device_kind is DeviceKind.HOST:
        return "this machine has no sensor that would tell a layer from all else that it does"
    return (
        "the phone has no power sensor that a shell may read, or no loop could be trusted; try --power monsoon:FILE.csv"
    )


def _layers(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"
