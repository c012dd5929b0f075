"""What the phone's processes share with the program that plays the phone: one small mapped file.

The fields are those of ``shim/parameters.h``, and change while the phone's processes run. Notation: the phone's uptime is
``uptime_ns + (CLOCK_MONOTONIC - machine_ns) * rate``, its wall clock is its uptime plus ``epoch_ns``.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from profiler.virtual_phone.description import Cluster

MOST_CPUS, MOST_POLICIES, MOST_FREQUENCIES = 64, 4, 32
_TICK_NS = 10_000_000


class _Policy(ctypes.Structure):
    _fields_ = (
        ("first_cpu", ctypes.c_uint32),
        ("cpus", ctypes.c_uint32),
        ("frequencies", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("khz", ctypes.c_uint32 * MOST_FREQUENCIES),
        ("ticks", ctypes.c_double * MOST_FREQUENCIES),
        ("share", ctypes.c_double * MOST_FREQUENCIES),
        ("since_ns", ctypes.c_int64),
    )


class _Shared(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_uint32),
        ("sequence", ctypes.c_uint32),
        ("rate", ctypes.c_double),
        ("machine_ns", ctypes.c_int64),
        ("uptime_ns", ctypes.c_int64),
        ("epoch_ns", ctypes.c_int64),
        ("slow", ctypes.c_double),
        ("cpus", ctypes.c_uint32),
        ("machine_cpus", ctypes.c_uint32),
        ("machine_cpu", ctypes.c_uint32 * MOST_CPUS),
        ("log_lines", ctypes.c_uint64),
        ("log_seed", ctypes.c_uint32),
        ("log_lost_ppm", ctypes.c_uint32),
        ("storage_full", ctypes.c_uint32),
        ("flip_seed", ctypes.c_uint32),
        ("policies", ctypes.c_uint32),
        ("kill_child", ctypes.c_uint32),
        ("policy", _Policy * MOST_POLICIES),
    )


class Parameters:
    """One phone's shared file, for as long as the phone is on.

    Args:
        path: the file; made anew.
        clusters: whose clocks are counted.
        slow: how much longer than on this machine everything takes.
    """

    def __init__(self, path: Path, clusters: Sequence[Cluster], *, slow: float) -> None:
        path.write_bytes(bytes(ctypes.sizeof(_Shared)))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), ctypes.sizeof(_Shared))
        self._shared = shared = _Shared.from_buffer(self._memory)
        machine_cpus = sorted(os.sched_getaffinity(0))[:MOST_CPUS]
        shared.rate = shared.slow = slow
        shared.machine_ns = time.monotonic_ns()
        shared.uptime_ns = 20 * 1_000_000_000  # a phone has been on for some seconds when adb finds it
        shared.epoch_ns = time.time_ns() - shared.uptime_ns
        shared.cpus = sum(cluster.cores for cluster in clusters)
        shared.machine_cpus = len(machine_cpus)
        shared.machine_cpu[: len(machine_cpus)] = machine_cpus
        shared.policies = len(clusters)
        for policy, cluster in zip(shared.policy, clusters, strict=False):
            policy.first_cpu, policy.cpus = cluster.first_cpu, cluster.cores
            policy.frequencies = len(cluster.frequencies_khz)
            policy.khz[: policy.frequencies] = cluster.frequencies_khz
            policy.share[policy.frequencies - 1] = 1.0
        shared.size = ctypes.sizeof(_Shared)  # last: from here on the file can be read

    def close(self) -> None:
        """Let the file go."""
        del self._shared
        self._memory.close()

    @property
    def slow(self) -> float:
        """How much longer than on this machine everything takes, when nothing throttles."""
        return float(self._shared.slow)

    @property
    def clock_part(self) -> float:
        """Present over highest clock; below 1 the phone throttles."""
        return float(self._shared.slow / self._shared.rate)

    def uptime_s(self) -> float:
        """Return the phone's uptime now, in its own seconds."""
        return self._uptime_ns(time.monotonic_ns()) / 1e9

    def set_clock(self, *, part: float) -> None:
        """Let every cluster run at ``part`` of its highest clock from now on, and everything take 1/``part`` as long."""
        with self._changing() as shared:
            now_ns = time.monotonic_ns()
            shared.uptime_ns, shared.machine_ns = self._uptime_ns(now_ns), now_ns
            shared.rate = shared.slow / part
            for policy in shared.policy[: shared.policies]:
                elapsed_ticks = (shared.uptime_ns - policy.since_ns) / _TICK_NS
                for index in range(policy.frequencies):
                    policy.ticks[index] += policy.share[index] * elapsed_ticks
                policy.since_ns = shared.uptime_ns
                policy.share = (ctypes.c_double * MOST_FREQUENCIES)()
                _split(policy, policy.khz[policy.frequencies - 1] * part)

    def set_wall_clock_back(self, seconds: float) -> None:
        """Move the wall clock; the uptime stays."""
        with self._changing() as shared:
            shared.epoch_ns -= round(seconds * 1e9)

    def lose_log_lines(self, fraction: float, *, seed: int) -> None:
        """Drop this part of the log's lines from now on."""
        self._shared.log_seed, self._shared.log_lost_ppm = seed, round(fraction * 1e6)

    def fill_storage(self, *, full: bool) -> None:
        """Refuse every write with ENOSPC, or no more."""
        self._shared.storage_full = int(full)

    def flip_next(self, *, seed: int) -> None:
        """Flip one bit in the result of the next run that is finished; 0 takes the order back."""
        self._shared.flip_seed = seed

    def kill_next(self, *, armed: bool) -> None:
        """Kill the next process that measures, or take the order back."""
        self._shared.kill_child = int(armed)

    def residency(self) -> tuple[str, ...]:
        """Return each cluster's ``time_in_state`` of this moment."""
        now_ns = self._uptime_ns(time.monotonic_ns())
        return tuple(
            "".join(
                f"{policy.khz[i]} {int(policy.ticks[i] + policy.share[i] * (now_ns - policy.since_ns) / _TICK_NS)}\n"
                for i in range(policy.frequencies)
            )
            for policy in self._shared.policy[: self._shared.policies]
        )

    def _uptime_ns(self, machine_ns: int) -> int:
        shared = self._shared
        return int(shared.uptime_ns + (machine_ns - shared.machine_ns) * shared.rate)

    @contextmanager
    def _changing(self) -> Iterator[_Shared]:
        """Let the phone's processes wait while several fields change together."""
        self._shared.sequence += 1
        try:
            yield self._shared
        finally:
            self._shared.sequence += 1


def _split(policy: _Policy, khz: float) -> None:
    """Divide the time between the two neighbouring frequencies so that their mean is ``khz``."""
    upper = next((i for i in range(policy.frequencies) if policy.khz[i] >= khz), policy.frequencies - 1)
    lower = max(upper - 1, 0)
    width = policy.khz[upper] - policy.khz[lower]
    share = min(1.0, max(0.0, (khz - policy.khz[lower]) / width)) if width else 1.0
    policy.share[lower] += 1 - share
    policy.share[upper] += share
