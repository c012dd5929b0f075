"""A bench of devices whose costs follow a closed formula with a little noise, so that tests know the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from metamodel.artefact import Artefact, save_artefact
from metamodel.fit import fit_artefact, prepare
from metamodel.interface import Setting
from metamodel.recipe import Recipe, Trees
from parsers.roofline import bytes_moved, roofline_ms
from parsers.schema import (
    Context,
    DeviceKind,
    Execution,
    Layer,
    Measurement,
    Origin,
    Provenance,
    Row,
    Scope,
    Status,
)
from parsers.stats import rows_to_frame, write_stats

QUICK = Recipe(trees=Trees(n_estimators=150, learning_rate=0.15), members=2, most_members=2, folds=4)
"""Fits in a fraction of the time that the recipe of ``metamodel fit`` takes, and well enough for a law without surprises."""

PHONE = Context(cores=4, memory_gb=8.0, clock_freq_ghz=2.8, memory_bw_gbs=34.0, peak_gflops=160.0, core_part="0xd0b")
SLOW_PHONE = replace(PHONE, clock_freq_ghz=1.4, memory_bw_gbs=12.0, peak_gflops=40.0, core_part="0xd03")


def convolution(
    channels: int, *, in_channels: int = 16, size: int = 28, kernel: int = 3, groups: int = 1, fused: str = "Relu"
) -> Layer:
    """A square convolution of stride 1 with SAME padding."""
    kind = "Conv" if groups == 1 else "DepthwiseConv"
    before, after = (kernel - 1) // 2, kernel // 2
    return Layer(
        type=kind,
        in_channels=in_channels,
        channels=channels,
        height=size,
        width=size,
        out_height=size,
        out_width=size,
        kernel_height=kernel,
        kernel_width=kernel,
        stride_height=1,
        stride_width=1,
        pad_top=before,
        pad_bottom=after,
        pad_left=before,
        pad_right=after,
        groups=groups,
        input_volume=in_channels * size * size,
        output_volume=channels * size * size,
        weight_elements=channels * (in_channels // groups) * kernel * kernel + channels,
        fused_ops=(fused,) if fused else (),
        input_shapes=((1, in_channels, size, size),),
        output_shape=(1, channels, size, size),
    )


def gemm(features: int, outputs: int) -> Layer:
    """A fully connected layer."""
    return Layer(
        type="Gemm",
        in_channels=features,
        channels=outputs,
        input_volume=features,
        output_volume=outputs,
        weight_elements=features * outputs + outputs,
        input_shapes=((1, features),),
        output_shape=(1, outputs),
    )


def true_latency_ms(layer: Layer, context: Context) -> float:
    """The law: 2 µs, and a share of the roofline that the operator's kind reaches."""
    share = {"Conv": 0.6, "DepthwiseConv": 0.25}.get(layer.type, 0.4)
    return 0.002 + roofline_ms(layer, context) / share


@dataclass
class Bench:
    """Makes layers, networks and rows; every row is a job of its own."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    jobs: int = 0

    phone: ClassVar[Context] = PHONE
    slow_phone: ClassVar[Context] = SLOW_PHONE
    convolution = staticmethod(convolution)
    gemm = staticmethod(gemm)
    true_latency_ms = staticmethod(true_latency_ms)
    frame = staticmethod(rows_to_frame)

    def layers(self, count: int) -> list[Layer]:
        """Layers drawn from plausible shapes."""
        return [self._layer() for _ in range(count)]

    def _layer(self) -> Layer:
        channels = int(self.random.integers(2, 40)) * 4
        size = int(self.random.choice([7, 14, 28, 56]))
        kernel = int(self.random.choice([1, 3, 5]))
        match self.random.choice(["conv", "conv", "depthwise", "gemm"]):
            case "conv":
                inputs = int(self.random.integers(1, 40)) * 4
                return convolution(channels, in_channels=inputs, size=size, kernel=kernel)
            case "depthwise":
                return convolution(channels, in_channels=channels, size=size, kernel=kernel, groups=channels)
            case _:
                return gemm(channels * 8, int(self.random.integers(10, 500)))

    def row(
        self,
        layer: Layer,
        *,
        context: Context = PHONE,
        device: str = "phone",
        networks: Sequence[str] = (),
        origin: Origin = Origin.MEASURED,
        noise: float = 0.03,
        **changes: object,
    ) -> Row:
        """One row that follows the law; ``changes`` replace fields of its measurement."""
        self.jobs += 1
        time_ms = true_latency_ms(layer, context) * float(np.exp(noise * self.random.standard_normal()))
        memory_mb = 2.0 + (bytes_moved(layer) / 1e6) * float(np.exp(noise * self.random.standard_normal()))
        measurement = Measurement(
            status=Status.OK,
            execution_time_ms=time_ms,
            peak_memory_mb=memory_mb,
            spread=noise,
            processes=3,
        )
        return Row(
            layer=layer,
            context=context,
            execution=Execution(threads=1),
            measurement=replace(measurement, **changes),  # type: ignore[arg-type]
            provenance=Provenance(
                origin=origin,
                device_kind=DeviceKind.NONE if origin is Origin.MODELLED else DeviceKind.PHONE,
                device=device,
                campaign="lab",
                job=f"job-{self.jobs}",
                networks=tuple(networks),
            ),
        )

    def failed_row(self, layer: Layer, status: Status, *, context: Context = PHONE) -> Row:
        """A row of a job that brought no numbers."""
        row = self.row(layer, context=context)
        return replace(row, measurement=Measurement(status=status))

    def networks(self, count: int, layers: int = 15) -> dict[str, list[Layer]]:
        """Networks of drawn layers."""
        return {f"net-{number}": self.layers(layers) for number in range(count)}

    def in_network_rows(
        self, name: str, layers: Sequence[Layer], wall_ms: float, *, device: str = "phone"
    ) -> list[Row]:
        """The rows of a whole network's run."""
        rows = [self.row(layer, device=device, networks=[name], network_wall_ms=wall_ms) for layer in layers]
        return [replace(row, execution=replace(row.execution, scope=Scope.IN_NETWORK)) for row in rows]

    def campaign(self, networks: dict[str, list[Layer]], **changes: object) -> list[Row]:
        """Isolated rows of every network's layers, each configuration once, with all networks that it is in."""
        members: dict[Layer, list[str]] = {}
        for name, layers in networks.items():
            for layer in dict.fromkeys(layers):
                members.setdefault(layer, []).append(name)
        return [self.row(layer, networks=names, **changes) for layer, names in members.items()]  # type: ignore[arg-type]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="session")
def lab_rows() -> list[Row]:
    """Five networks measured on two phones, whole and layer by layer, and one infeasible layer."""
    bench = Bench()
    networks = bench.networks(5)
    rows = bench.campaign(networks) + bench.campaign(networks, context=SLOW_PHONE, device="slow-phone")
    for name, layers in networks.items():
        wall_ms = sum(1.1 * true_latency_ms(layer, PHONE) + 0.004 for layer in layers)
        rows += bench.in_network_rows(name, layers, wall_ms)
    rows.append(bench.failed_row(convolution(4096, in_channels=4096), Status.OUT_OF_MEMORY))
    return rows


@pytest.fixture(scope="session")
def lab_table(lab_rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's rows as a Parquet file."""
    path = tmp_path_factory.mktemp("lab") / "stats.parquet"
    write_stats(lab_rows, path)
    return path


@pytest.fixture
def setting() -> Setting:
    return Setting(context=PHONE, device="phone")


@pytest.fixture(scope="session")
def lab_artefact(lab_table: Path) -> Artefact:
    """The model of the lab's rows, unscored."""
    prepared = prepare([lab_table])
    return fit_artefact(prepared, seed=0, workers=2, advance=lambda done, note: None, recipe=QUICK)  # noqa: ARG005


@pytest.fixture
def quick() -> Recipe:
    """A recipe for tests that fit."""
    return QUICK


@pytest.fixture(scope="session")
def lab_model(lab_artefact: Artefact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lab's model folder; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("models") / "default"
    save_artefact(lab_artefact, folder)
    return folder
