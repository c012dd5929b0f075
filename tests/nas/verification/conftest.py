"""A tiny search's folder, and a device that takes what it is told to take."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from metamodel.interface import Setting
from nas.datasets.data import Data
from nas.searching.output import write_search
from nas.searching.run import Outcome
from nas.searching.run_file import RunOptions, run_toml
from nas.verification.comparison import DeviceRuns, NetworkRuns
from parsers.network import read_network
from parsers.schema import Context, DeviceKind, Layer, Status
from tests.nas.conftest import only_tiny_things


@pytest.fixture(scope="session")
def tiny_search_files(tiny_outcome: Outcome, easy_data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the tiny search leaves; tests copy it."""
    folder = tmp_path_factory.mktemp("searches") / "tiny"
    folder.mkdir()
    write_search(tiny_outcome, folder)
    options = RunOptions(
        device="low",
        limits=("latency=15ms",),
        space="small",
        data="stripes",
        budget=8,
        accuracy="shared",
        shared_epochs=1,
        tuning_epochs=0,
        alone_epochs=1,
        finalists=2,
        model="bench",
    )
    with only_tiny_things(tiny_outcome.space, easy_data):
        (folder / "run.toml").write_text(run_toml(options))
    return folder


@pytest.fixture
def tiny_search(tiny_world: None, tiny_search_files: Path, tmp_path: Path) -> Path:  # noqa: ARG001
    """A copy of the tiny search's folder, in a world that knows its space and data."""
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_search_files, folder)
    return folder


class FakeDevice:
    """Takes what a law says of a network's name and layers, the same in every process, and remembers what it was asked."""

    def __init__(self, law: Callable[[str, Sequence[Layer]], NetworkRuns | float | None]) -> None:
        self.law = law
        self.kind = DeviceKind.PHONE
        self.name = "shelf-phone"
        self.context = Context(cores=1, memory_gb=4.0, clock_freq_ghz=2.0, memory_bw_gbs=10.0)
        self.asked: list[tuple[str, str, int, bool]] = []
        self.troubles: tuple[str, ...] = ()

    def __call__(self, models: Sequence[Path], *, name: str, provider: str, threads: int, fewer: bool) -> DeviceRuns:
        self.asked.append((name, provider, threads, fewer))
        networks = {}
        for path in models:
            told = self.law(path.stem, [part.layer for part in read_network(path).layers])
            if isinstance(told, float):
                told = ran([told * 0.99, told, told * 1.01])
            if told is not None:
                networks[path.stem] = told
        return DeviceRuns(
            device=self.name,
            kind=self.kind,
            soc="Shelf 1",
            runtime_version="1.29.0",
            setting=Setting(context=self.context, provider=provider, threads=threads, device=self.name),
            campaign=Path("runs/shelf"),
            networks=networks,
            troubles=self.troubles,
        )


def ran(
    latency_ms: Sequence[float] = (), *, status: Status = Status.OK, memory_mb: Sequence[float] = ()
) -> NetworkRuns:
    """What came back of a network."""
    return NetworkRuns(
        status=status, latency_ms=tuple(latency_ms), memory_mb=tuple(memory_mb), evidence=Path("runs/shelf/job")
    )
