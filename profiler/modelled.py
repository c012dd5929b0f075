"""Rows from a formula: what a tier's phone might take, where nobody has measured one.

Every number here is computed, none observed, and the rows say so (``origin=modelled``, ``device_kind=none``). A predictor
that learns them has learnt the formula below and nothing about phones. It exists so that the search has tiers to tell
apart before a phone is on the bench::

    t = max(FLOPs / (peak · e_family · e_tier), bytes / bandwidth) + overhead_tier

``e_family`` is one number per operator family, the same for all tiers. ``e_tier`` and ``overhead_tier`` are fitted to the
latencies that the paper's Table I reports for its manual networks (:func:`fit_tier`). Two factors cannot meet three
networks, and the paper says neither which runtime nor which processor it used: the residuals are large, and are printed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from parsers.device_config import DeviceConfig, load_device_config
from parsers.operators import Family, family_of
from parsers.roofline import bytes_moved, flops, roofline_ms
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
)
from profiler.errors import SuiteError
from profiler.networks import network_graph
from profiler.suite import Suite, SuiteLayer

FAMILY_EFFICIENCY: Mapping[Family, float] = MappingProxyType(
    {
        Family.CONVOLUTION: 1.0,
        Family.GROUPED: 0.7,
        Family.DEPTHWISE: 0.2,
        Family.DENSE: 0.1,
        Family.POOLING: 0.06,
    }
)
"""FLOP/s reached, relative to ordinary convolutions.

Rounded from published operator times of 91 networks under TensorFlow Lite on the GPUs of a Pixel 4, a Galaxy S10 and a
Mi 8 SE (github.com/qed-usc/mobile-ml-benchmark, commit 40ba833), total FLOPs over total time of each operator: grouped
0.73, 0.76, 0.73; depthwise 0.20, 0.20, 0.19; fully connected 0.11, 0.04, 0.12; pooling 0.06, 0.06, 0.07. Families that
are not in it (additions, softmax, transposed convolutions, moving data) count as 1: the bandwidth bounds most of them.
"""

FLOP_PJ = (3.7 + 0.9) / 2
"""Energy of one FLOP, half a float32 multiplication and addition, 45 nm (Horowitz, ISSCC 2014)."""
DRAM_BYTE_PJ = 1300 / 8
"""Energy of one byte to or from DRAM: 1.3–2.6 nJ per 64 bits, the lower end (Horowitz, ISSCC 2014)."""
INSTRUCTION_PJ = 70.0
"""Energy of fetching and steering one instruction, 45 nm (Horowitz, ISSCC 2014); one per cycle and thread is assumed."""

TABLE_I_MS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "flagship": {"mobilenet_v2": 113.2, "inception_v3": 346.2, "mobilenet_v2_decoder": 45.2},
        "mid": {"mobilenet_v2": 256.2, "inception_v3": 445.8, "mobilenet_v2_decoder": 57.6},
        "low": {"mobilenet_v2": 300.5, "inception_v3": 505.5, "mobilenet_v2_decoder": 76.5},
    }
)
"""The paper's Table I: latency of the manual networks on its Types 1, 2 and 3, in milliseconds."""

_EFFICIENCY_BOUNDS = (1e-3, 0.7)
"""The most we believe is about what a tuned matrix product reaches of such a core's peak. Unbounded, Table I would ask for
the whole peak on the mid and the low tier and be met hardly better (sum of squares 1.33 for 1.34, 1.12 for 1.14): its
latencies say much about the cost per operator there, and next to nothing about the rate."""
_OVERHEAD_BOUNDS_MS = (0.0, 10.0)
_GRID = 65
_ZOOMS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """What the fitted formula gives for a network, beside what the paper reports."""

    network: str
    paper_ms: float
    model_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFit:
    """The two factors of a tier, and how far the formula stays from the paper's latencies."""

    tier: str
    efficiency: float
    overhead_ms: float
    residuals: tuple[Residual, ...]


def model_tier(config: DeviceConfig, suite: Suite) -> list[Row]:
    """Compute a tier's rows for the layers of a suite.

    Raises:
        SuiteError: the config has no ``[roofline]`` factors, or no peak rates.
    """
    if config.roofline is None:
        raise SuiteError(f"{config.name} has no [roofline] factors, so nothing can be modelled on it. Choose a tier.")
    _require_peaks(config)
    return [_row(part, config, config.roofline.efficiency, config.roofline.overhead_ms) for part in suite.layers]


def fit_tier(tier: str) -> TierFit:
    """Fit a tier's two factors to the paper's Table I, by least squares of log(formula / paper) over its networks.

    The grid is refined around its best point until the factors stand still; the same call gives the same numbers.

    Raises:
        SuiteError: the paper reports nothing for that tier.
        DeviceConfigError: no such tier.
    """
    if tier not in TABLE_I_MS:
        raise SuiteError(f"The paper's Table I has no tier {tier!r} to fit to. It has: {', '.join(TABLE_I_MS)}.")
    config = load_device_config(tier)
    _require_peaks(config)
    reported = TABLE_I_MS[tier]
    works = [_work(network, config.context) for network in reported]
    efficiency, overhead_ms = _least_squares(works, tuple(reported.values()))
    residuals = tuple(
        Residual(
            network=network, paper_ms=paper_ms, model_ms=float(work.total_ms(efficiency, np.array([overhead_ms]))[0])
        )
        for (network, paper_ms), work in zip(reported.items(), works, strict=True)
    )
    return TierFit(tier=tier, efficiency=efficiency, overhead_ms=overhead_ms, residuals=residuals)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A network's layers as the two sides of the roof, shape (layers,)."""

    compute_ms: NDArray[np.float64]
    """At the full peak of each layer's family."""
    bytes_ms: NDArray[np.float64]

    def total_ms(self, efficiency: float, overheads_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the network's time for each overhead, shape (overheads,)."""
        own_ms = float(np.maximum(self.compute_ms / efficiency, self.bytes_ms).sum())
        return own_ms + overheads_ms * len(self.bytes_ms)


def _work(network: str, context: Context) -> _Work:
    layers = [item.layer for item in network_graph(network).layers]
    peak, bandwidth = context.peak_gflops or math.nan, context.memory_bw_gbs or math.nan
    return _Work(
        compute_ms=np.array([flops(layer) / (peak * family_efficiency(layer) * 1e6) for layer in layers]),
        bytes_ms=np.array([bytes_moved(layer) / (bandwidth * 1e6) for layer in layers]),
    )


def _least_squares(works: Sequence[_Work], reported_ms: Sequence[float]) -> tuple[float, float]:
    """Search (log efficiency, overhead) on grids, each half as wide as the one before and around its best point.

    Halved, not shrunk to one cell: the valley of the error is long and bent.
    """
    low, high = math.log(_EFFICIENCY_BOUNDS[0]), math.log(_EFFICIENCY_BOUNDS[1])
    least_ms, most_ms = _OVERHEAD_BOUNDS_MS
    log_efficiency, overhead_ms = (low + high) / 2, (least_ms + most_ms) / 2
    for zoom in range(_ZOOMS):
        log_reach, reach_ms = (high - low) / 2 ** (zoom + 1), (most_ms - least_ms) / 2 ** (zoom + 1)
        logs = np.linspace(max(low, log_efficiency - log_reach), min(high, log_efficiency + log_reach), _GRID)
        overheads_ms = np.linspace(max(least_ms, overhead_ms - reach_ms), min(most_ms, overhead_ms + reach_ms), _GRID)
        errors = np.array([_squared_errors(works, reported_ms, float(np.exp(log)), overheads_ms) for log in logs])
        best = np.unravel_index(errors.argmin(), errors.shape)
        log_efficiency, overhead_ms = float(logs[best[0]]), float(overheads_ms[best[1]])
    return math.exp(log_efficiency), overhead_ms


def _squared_errors(
    works: Sequence[_Work], reported_ms: Sequence[float], efficiency: float, overheads_ms: NDArray[np.float64]
) -> NDArray[np.float64]:
    errors = np.zeros_like(overheads_ms)
    for work, paper_ms in zip(works, reported_ms, strict=True):
        errors += np.log(work.total_ms(efficiency, overheads_ms) / paper_ms) ** 2
    return errors


def _require_peaks(config: DeviceConfig) -> None:
    if not config.context.peak_gflops or not config.context.memory_bw_gbs:
        raise SuiteError(
            f"{config.name} has no peak_gflops or memory_bw_gbs, so it has no roofline. Add them to its TOML."
        )


def family_efficiency(layer: Layer) -> float:
    """Give the share of the ordinary convolution's rate that a layer's family reaches."""
    return FAMILY_EFFICIENCY.get(family_of(layer.type), 1.0)


def _row(part: SuiteLayer, config: DeviceConfig, efficiency: float, overhead_ms: float) -> Row:
    layer = part.layer
    time_ms = roofline_ms(
        layer, config.context, efficiency=efficiency * family_efficiency(layer), overhead_ms=overhead_ms
    )
    energy_mj = _energy_mj(layer, config, time_ms)
    return Row(
        layer=layer,
        context=config.context,
        execution=Execution(scope=Scope.ISOLATED, provider=config.provider, threads=config.threads),
        measurement=Measurement(
            execution_time_ms=time_ms,
            peak_memory_mb=bytes_moved(layer) / 2**20,
            power_mw=energy_mj / time_ms * 1e3,
            energy_mj=energy_mj,
            power_source="formula",
        ),
        provenance=Provenance(
            origin=Origin.MODELLED,
            device_kind=DeviceKind.NONE,
            device=config.name,
            soc=config.soc,
            campaign=f"modelled-{config.name}",
            job=f"{layer.type}-{layer.key}",
            networks=part.networks,
        ),
    )


def _energy_mj(layer: Layer, config: DeviceConfig, time_ms: float) -> float:
    """Add up arithmetic, DRAM traffic, and the threads' instructions while the layer takes its time.

    E = FLOPs · e_flop + bytes · e_byte + threads · clock · t · e_instruction. The constants are of 45 nm and the same
    for every tier: newer processes need less.
    """
    instructions = config.threads * (config.context.clock_freq_ghz or 0.0) * 1e6 * time_ms
    picojoules = flops(layer) * FLOP_PJ + bytes_moved(layer) * DRAM_BYTE_PJ + instructions * INSTRUCTION_PJ
    return picojoules * 1e-9
