"""A campaign's folder: the only module of ``profiler`` that writes there.

A job is done when its folder has been renamed into place; so is each of its runs, one step earlier, under ``.staging``.
Killing the program at any moment therefore leaves whole runs or none, and the same command goes on from what is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from parsers.jobs import (
    DEVICE_FILE,
    FIRST_POWER_RUN,
    JOB_FILE,
    RUN_PREFIX,
    DeviceRecord,
    JobSpec,
    device_to_json,
    job_to_json,
    read_device,
)
from profiler.errors import CampaignError
from profiler.settings import CampaignSettings

CAMPAIGN_FILE = "campaign.json"


class CampaignStore:
    """The folder ``runs/<campaign>`` of one campaign."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def stats_path(self) -> Path:
        """The campaign's only Parquet file."""
        return self.root / "stats.parquet"

    @property
    def workdir(self) -> Path:
        """What a local device needs while it measures; gone when the campaign is finished."""
        return self.root / ".work"

    @contextlib.contextmanager
    def opened(self, settings: CampaignSettings, *, fresh: bool) -> Iterator[None]:
        """Hold the campaign for this program alone.

        Raises:
            CampaignError: another program holds it, or it was begun with other settings.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with held(self.root / ".lock", busy=self._refuse):
            if fresh:
                self._start_over()
            self._check_settings(settings)
            yield

    def device_folder(self, device: str) -> Path:
        """The folder of a device; serials are escaped, so that no name leaves the campaign's folder."""
        escaped = quote(device, safe="")
        return self.root / (escaped.replace(".", "%2E") if escaped.strip(".") == "" else escaped)

    def write_device(self, record: DeviceRecord) -> None:
        """Write ``device.json``.

        Raises:
            CampaignError: the campaign was begun with another runtime, runner or operating system build.
        """
        path = self.device_folder(record.device) / DEVICE_FILE
        text = device_to_json(record)
        if path.is_file():
            self._check_device(path, record)
            return
        _write(path, text)

    def devices(self) -> tuple[DeviceRecord, ...]:
        """The devices that have worked on this campaign so far."""
        return tuple(read_device(path.parent) for path in sorted(self.root.glob(f"*/{DEVICE_FILE}")))

    def done_jobs(self, device: str) -> int:
        """How many jobs of a device are in place."""
        return sum(1 for _ in self.device_folder(device).glob(f"[!.]*/{JOB_FILE}"))

    def is_done(self, device: str, job: str) -> bool:
        """Whether a job's folder is in place."""
        return (self.device_folder(device) / job / JOB_FILE).is_file()

    def runs_of(self, device: str, job: str) -> tuple[int, ...]:
        """Numbers of the runs of an unfinished job that are in place."""
        names = (entry.name for entry in self._staging(device, job).glob(f"{RUN_PREFIX}*") if entry.suffix != ".part")
        return tuple(sorted(int(name.removeprefix(RUN_PREFIX)) for name in names))

    def power_runs(self, device: str) -> tuple[Path, ...]:
        """Folders of a device's runs that measured power, of finished and of unfinished jobs."""
        root = self.device_folder(device)
        folders = [*root.glob(f"*/{RUN_PREFIX}*"), *root.glob(f".staging/*/{RUN_PREFIX}*")]
        numbers = {folder: folder.name.removeprefix(RUN_PREFIX) for folder in folders}
        return tuple(
            sorted(f for f, number in numbers.items() if number.isdecimal() and int(number) >= FIRST_POWER_RUN)
        )

    def run_folder(self, device: str, job: str, run: int) -> Path:
        """Where a run of an unfinished job lies."""
        return self._staging(device, job) / f"{RUN_PREFIX}{run}"

    def add_run(self, device: str, job: str, run: int, folder: Path) -> None:
        """Put a run that was fetched in place, in one step."""
        folder.rename(self.run_folder(device, job, run))

    def incoming(self, device: str) -> Path:
        """A path for what is about to be fetched from a device; the fetching puts it there in one step, or not at all."""
        folder = self.device_folder(device) / ".incoming"
        folder.mkdir(parents=True, exist_ok=True)
        return next(path for number in itertools.count() if not (path := folder / str(number)).exists())

    def fetched(self, device: str) -> tuple[Path, ...]:
        """What was fetched and not yet put in place, the oldest first."""
        folders = (self.device_folder(device) / ".incoming").glob("[0-9]*")
        return tuple(sorted((path for path in folders if path.name.isdecimal()), key=lambda path: int(path.name)))

    def write_order(self, device: str, runs: Sequence[tuple[str, int]]) -> None:
        """Write down in which order a device is about to do runs, as (job, run)."""
        _write(self._order(device), json.dumps(list(runs)))

    def read_order(self, device: str) -> list[tuple[str, int]]:
        """Read what :meth:`write_order` wrote last; nothing where there is none."""
        path = self._order(device)
        return [(job, run) for job, run in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []

    def identity(self) -> str:
        """Sixteen hexadecimal digits that name this campaign's folder: a campaign started over is another."""
        path = self.root / ".identity"
        if not path.is_file():
            _write(path, secrets.token_hex(8))
        return path.read_text(encoding="utf-8").strip()

    def begin(self, device: str, spec: JobSpec) -> None:
        """Write ``job.json`` of a job that is about to get its first run."""
        path = self._staging(device, spec.job) / JOB_FILE
        if not path.is_file():
            _write(path, job_to_json(spec))

    def finish(self, device: str, job: str) -> None:
        """Rename a job's folder into place; from here on the job is done."""
        self._staging(device, job).rename(self.device_folder(device) / job)

    def clean(self, device: str) -> None:
        """Remove what a finished campaign does not need."""
        for name in (".staging", ".incoming"):
            shutil.rmtree(self.device_folder(device) / name, ignore_errors=True)

    def _refuse(self) -> None:
        raise CampaignError(f"{self.root}: another program is working on this campaign.")

    def _order(self, device: str) -> Path:
        return self.device_folder(device) / ".incoming" / "order.json"

    def _staging(self, device: str, job: str) -> Path:
        return self.device_folder(device) / ".staging" / job

    def _start_over(self) -> None:
        for entry in self.root.iterdir():
            if entry.name == ".lock":
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _check_settings(self, settings: CampaignSettings) -> None:
        path = self.root / CAMPAIGN_FILE
        text = json.dumps(asdict(settings), indent=1, sort_keys=True) + "\n"
        if not path.is_file():
            _write(path, text)
        elif path.read_text(encoding="utf-8") != text:
            raise CampaignError(
                f"{self.root}: begun with other settings. Name another --campaign, or start it over with --fresh."
            )

    def _check_device(self, path: Path, record: DeviceRecord) -> None:
        before = json.loads(path.read_text(encoding="utf-8"))
        for name in ("os_build", "runtime_version", "runner_sha256"):
            if before.get(name) != getattr(record, name):
                raise CampaignError(
                    f"{path}: {name} was {before.get(name)!r}, is {getattr(record, name)!r}; the rows would not "
                    "compare. Name another --campaign, or start it over with --fresh."
                )


@contextlib.contextmanager
def held(path: Path, *, busy: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file; it is free again when the program ends, however it ends.

    ``busy`` is called where another program holds it; the lock is waited for, unless ``busy`` raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    part.rename(path)
