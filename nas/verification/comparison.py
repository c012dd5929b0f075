"""What a search's best networks, and as many random ones, turned out to cost on a device, beside what was predicted.

Predictions are of two kinds, and never mixed up: what the search saw, which is about the device that it searched for, and
what the predictor says of the device that was measured. They are the same where that is the device searched for. Errors are
those of the latter. This module measures nothing and draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from metamodel.interface import NetworkCosts, Predictor, Setting, Standing, standing_in
from nas.limits.costs import PricedSignal
from nas.space import Architecture
from nas.verification.verdicts import Judgement, MeanError, Range, Verdict, difference, judge, mean_error, signed_error
from parsers.device_config import DeviceConfig
from parsers.schema import Context, DeviceKind, Layer, Status

_COUNTED = "is counted, which needs no device"
_NO_SENSOR = "of a whole network is not measured; 'profile collect --power' measures that of layers"
UNMEASURED: Mapping[str, str] = MappingProxyType(
    {"energy": _NO_SENSOR, "power": _NO_SENSOR, "macs": _COUNTED, "weights": _COUNTED}
)
"""Costs that no device is asked for, and why."""
_NO_MEMORY = "below 1 MB, which cannot be told from what the runtime itself takes"


class Group(StrEnum):
    """Why a network was measured."""

    BEST = "best"
    RANDOM = "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A network to measure."""

    name: str
    """Its file's stem."""
    group: Group
    query: int | None
    """Its place in the history; None for one that was drawn."""
    is_winner: bool = False
    accuracy: float | None
    """As queried; None where nobody asked."""
    architecture: Architecture
    layers: tuple[Layer, ...]
    costs: tuple[float, ...]
    """By the predictor for the device searched for, one per signal."""
    searched_ms: float | None = None
    """Latency as the search's history has it; None for a network that was drawn, or where it was not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRuns:
    """What came back of one network."""

    status: Status
    latency_ms: tuple[float, ...] = ()
    """Of each process."""
    memory_mb: tuple[float, ...] = ()
    """Of each process that tells it."""
    layers_elsewhere: int = 0
    """Layers that ran on another execution provider than asked for."""
    evidence: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRuns:
    """What came back of a device."""

    device: str
    kind: DeviceKind
    soc: str | None
    runtime_version: str | None
    setting: Setting
    """Where the networks ran, as the predictor is asked."""
    campaign: Path
    networks: Mapping[str, NetworkRuns]
    """By name; what is missing was not measured."""
    troubles: tuple[str, ...] = ()
    """Why something is missing."""
    is_old: bool = False
    """Whether all of it was measured by an earlier call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One network, predicted and measured."""

    candidate: Candidate
    predicted: NetworkCosts
    """On the device that was measured."""
    runs: NetworkRuns | None
    measured_ms: Range | None
    error: float | None
    """Signed, of the latency on the device that was measured; None where either is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLimit:
    """One limit of the search, held against what was measured."""

    signal: PricedSignal
    limit: float
    judgements: Mapping[str, Judgement]
    """By network; empty where the device cannot tell."""
    unmeasured: str | None
    """Why the device cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All that a device says about a search."""

    searched_for: DeviceConfig
    on: DeviceRuns
    is_target: bool
    """Whether the device that was measured is the one that was searched for, run in the same way."""
    standing: Standing | None
    """What predictions for the device that was measured stand on."""
    target_standing: Standing | None
    """What those stand on that the search saw."""
    networks: tuple[Checked, ...]
    """The best first, the winner first among them."""
    limits: tuple[CheckedLimit, ...]
    signals: tuple[PricedSignal, ...]
    """What :attr:`Candidate.costs` are, in their order."""

    def errors(self, group: Group) -> list[float]:
        """Give the signed errors of a group's networks, as far as they are known."""
        return [one.error for one in self.networks if one.candidate.group is group and one.error is not None]

    def mean_error(self, group: Group) -> MeanError | None:
        """Average them."""
        return mean_error(self.errors(group))

    @property
    def winners_curse(self) -> MeanError | None:
        """By how much the best are further underestimated (negative) than random networks."""
        return difference(self.errors(Group.BEST), self.errors(Group.RANDOM))

    @property
    def other_predictor(self) -> tuple[float, float] | None:
        """The winner's latency as the search had it and by the predictor that was asked now, ms, where they differ."""
        names = [signal.name for signal in self.signals]
        before = self.winner.candidate.searched_ms
        if before is None or "latency" not in names:
            return None
        now = self.winner.candidate.costs[names.index("latency")]
        return None if math.isclose(before, now, rel_tol=1e-6) else (before, now)

    @property
    def winner(self) -> Checked:
        """The network to ship."""
        return next(one for one in self.networks if one.candidate.is_winner)

    def verdict(self, name: str) -> Verdict:
        """Tell whether a network keeps all limits that the device can tell of."""
        found = {limit.judgements[name].verdict for limit in self.limits if limit.unmeasured is None}
        order = (Verdict.BREAKS, Verdict.NOT_MEASURED, Verdict.CANNOT_TELL, Verdict.KEEPS)
        return next((verdict for verdict in order if verdict in found), Verdict.NOT_MEASURED)

    @property
    def missing(self) -> tuple[str, ...]:
        """Networks whose latency is not known, each with the reason."""
        lost = [one for one in self.networks if one.measured_ms is None]
        return tuple(
            f"{one.candidate.name}: {'not measured' if one.runs is None else one.runs.status.value}" for one in lost
        )


def compare(
    candidates: Sequence[Candidate],
    signals: Sequence[PricedSignal],
    runs: DeviceRuns,
    predictor: Predictor,
    *,
    device: DeviceConfig,
    target: Setting,
) -> Verification:
    """Set what came back of a device beside what was predicted.

    Args:
        candidates: what was to be measured.
        signals: what the search counted, with its limits.
        runs: what came back.
        predictor: of the search.
        device: what was searched for.
        target: the setting that the search asked about.
    """
    is_target = is_same_device(device, runs)
    setting = target if is_target else runs.setting
    networks = tuple(_check(one, runs.networks.get(one.name), predictor, setting) for one in candidates)
    return Verification(
        searched_for=device,
        on=runs,
        is_target=is_target,
        standing=standing_in(predictor, setting),
        target_standing=standing_in(predictor, target),
        networks=networks,
        limits=tuple(_check_limit(signal, signal.limit, networks) for signal in signals if signal.limit is not None),
        signals=tuple(signals),
    )


def is_same_device(device: DeviceConfig, runs: DeviceRuns) -> bool:
    """Tell whether a search was for the device that was measured, run in the same way: a tier is no device."""
    setting = runs.setting
    if device.kind != "phone" or (device.provider, device.threads) != (setting.provider, setting.threads):
        return False
    return device.name == setting.device or _hardware(device.context) == _hardware(setting.context)


def _hardware(context: Context) -> Context:
    """Leave out what depends on how many cores a run was bound to, and what is no attribute."""
    return replace(context, cores=None, peak_gflops=None, peak_gflops_source=None)


def _check(candidate: Candidate, runs: NetworkRuns | None, predictor: Predictor, setting: Setting) -> Checked:
    predicted = predictor.predict_network(candidate.layers, setting)
    measured = None if runs is None else Range.of(runs.latency_ms)
    known = predicted.latency_ms is not None and 0 < predicted.latency_ms < float("inf") and measured is not None
    return Checked(
        candidate=candidate,
        predicted=predicted,
        runs=runs,
        measured_ms=measured,
        error=signed_error(predicted.latency_ms or 0.0, measured.middle) if known and measured else None,
    )


def _check_limit(signal: PricedSignal, limit: float, networks: Sequence[Checked]) -> CheckedLimit:
    if signal.name not in {"latency", "memory"}:
        reason = UNMEASURED.get(signal.name, "is a signal of the user's own, which no device is asked for")
        return CheckedLimit(signal=signal, limit=limit, judgements={}, unmeasured=f"{signal.name} {reason}")
    measured = {one.candidate.name: _measured(signal.name, one) for one in networks}
    timed = any(one.measured_ms is not None for one in networks)
    if timed and not any(measured.values()):
        return CheckedLimit(signal=signal, limit=limit, judgements={}, unmeasured=f"{signal.name} is {_NO_MEMORY}")
    return CheckedLimit(
        signal=signal,
        limit=limit,
        judgements={name: judge(one, limit) for name, one in measured.items()},
        unmeasured=None,
    )


def _measured(name: str, network: Checked) -> Range | None:
    if name == "latency" or network.runs is None:
        return network.measured_ms
    return Range.of(network.runs.memory_mb)
