"""The plan file: what the host asks of the runner, one line per run.

The format is read by ``profiler/runner/plan.c``, which checks it again: the two are on different machines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from profiler.errors import ProfilerError

HEADER = "autocomet-plan 1"

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # control characters, and bytes that are no UTF-8
_MAX_PATH_BYTES = 1023
_MAX_LIST = 128

# What the table in plan.c allows.
_BOUNDS = {
    "run": (0, 1_000_000),
    "threads": (1, 1024),
    "warmup": (0, 1_000_000),
    "budget_ms": (1, 86_400_000),
    "min_iterations": (1, 100_000),
    "profile_iterations": (0, 500),
    "evict_kb": (0, 1 << 40),
    "timeout_s": (1, 86_400),
    "power_loop_ms": (0, 86_400_000),
    "power_idle_ms": (0, 86_400_000),
    "power_sample_ms": (10, 60_000),
    "power_wait_ms": (0, 86_400_000),
    "seed": (0, 2**63 - 1),
}
_LIST_BOUNDS = {"checkpoints": (1, 100_000), "cpus": (0, 1023)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run: one process of one job.

    Raises:
        ValueError: a value that the runner would refuse.
    """

    job: str
    """Letters, digits, ``._-``; names the job in log lines."""
    run: int = 0
    """Number of the process within its job."""
    model: str
    """Path of the ONNX file, on the device."""
    out: str
    """Folder that the run leaves, on the device. Worked in as ``<out>.part``; must not exist."""
    provider: str = "cpu"
    """Execution provider asked for: ``cpu``, ``xnnpack``, ``nnapi``, or another by the runtime's name for it."""
    threads: int = 1
    """Threads of the runtime's pool, the calling one included."""
    cpus: tuple[int, ...] = ()
    """CPUs that the run may use, rising; empty leaves the affinity as it is."""
    spin: bool = False
    """Whether idle pool threads spin."""
    warmup: int = 5
    """Iterations before each pass that count for nothing."""
    checkpoints: tuple[int, ...] = (30, 60, 120, 240)
    """Iteration counts, rising, at which measuring may stop; the last is the most that is measured."""
    target: float = 0.01
    """Relative half-width of the mean's 95 % interval at which it stops at a check point."""
    budget_ms: int = 2000
    """Measuring stops at the first iteration beyond this."""
    min_iterations: int = 10
    """... but not before this many."""
    profile_iterations: int = 10
    """Iterations with the runtime's profiler on, in a session of their own; 0 for none, at most 500."""
    evict_kb: int = 0
    """Size of the buffer walked over before every iteration, so that caches are as the network leaves them; KiB."""
    timeout_s: int = 60
    """The process is killed after this."""
    power_source: str = "none"
    """What the runner reads power from: ``sysfs``, ``cmd``, ``odpm`` (``profiler/runner/power.h``), or ``none``."""
    power_loop_ms: int = 0
    """How long the model is looped for power, after its time was measured; 0 measures no power."""
    power_idle_ms: int = 0
    """Length of the idle window before the loop, and of the one behind it."""
    power_sample_ms: int = 1000
    """Between two readings of the sensor."""
    power_wait_ms: int = 0
    """How long a phone that charges is waited for, until somebody pulls its cable."""
    seed: int = 0
    """Of the input values."""

    def __post_init__(self) -> None:
        for name in ("job", "provider", "power_source"):
            if not _NAME.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} {getattr(self, name)!r} must be 1 to 100 letters, digits, '.', '_' or '-'")
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be from {least} to {most}")
        if not 0 <= self.target <= 1:
            raise ValueError(f"target is {self.target}, but must be from 0 to 1")
        for name, (least, most) in _LIST_BOUNDS.items():
            values = getattr(self, name)
            if list(values) != sorted(set(values)) or not all(least <= value <= most for value in values):
                raise ValueError(f"{name} {values} must rise and be from {least} to {most}")
            if len(values) > _MAX_LIST:
                raise ValueError(f"{name} has {len(values)} values, but at most {_MAX_LIST} are taken")
        if not self.checkpoints:
            raise ValueError("checkpoints () must hold at least one iteration count")


def render_plan(runs: Sequence[RunPlan]) -> str:
    """Write a plan file's text.

    Raises:
        ProfilerError: a path with control characters, or too long for the runner.
    """
    return "".join([f"{HEADER}\n", *(f"{_line(run)}\n" for run in runs)])


def _line(run: RunPlan) -> str:
    for path in (run.model, run.out):
        if not path or _UNFIT.search(path):
            raise ProfilerError(f"The path {path!r} is empty or has control characters. Rename the file or folder.")
        if len(path.encode()) > _MAX_PATH_BYTES:
            raise ProfilerError(f"The path {path[:60]}... is longer than {_MAX_PATH_BYTES} bytes. Use a shorter one.")
    return "\t".join(f"{item.name}={_text(getattr(run, item.name))}" for item in fields(run))


def _text(value: str | bool | float | tuple[int, ...]) -> str:
    match value:
        case bool():
            return str(int(value))
        case tuple():
            return ",".join(map(str, value)) or "-"
        case float():
            return f"{value:.6f}"
        case _:
            return str(value).replace("%", "%25").replace("\t", "%09").replace("\n", "%0A")
