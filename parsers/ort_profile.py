"""ONNX Runtime's profile of a session: which provider ran each node, and how long its kernel took.

The file is a JSON array of trace events, one a line. A node's ``..._kernel_time`` events come before the ``model_run``
event of the run that they belong to, so that event closes a run. Where the file is cut, the runs closed before count.
Times are whole microseconds: for tiny layers a mean over runs says more than a median.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parsers.errors import OrtProfileError
from parsers.operators import EDGE_PREFIX
from parsers.schema import Shape

_SUFFIX = "_kernel_time"

_LAYOUT_OPS = frozenset({"ReorderInput", "ReorderOutput", "MemcpyToHost", "MemcpyFromHost"})
_INSERTED_TRANSPOSE = re.compile(r"Transpose(_token_\d+)?")
_INSERTED_CAST = re.compile(r"InsertedPrecisionFreeCast_.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTime:
    """One node of the optimised graph, over the runs of a profile."""

    name: str
    """As the runtime names it: a fused convolution keeps its Conv's name, an NCHWc one is ``<output>_nchwc``."""
    op: str
    provider: str
    """As ``CPUExecutionProvider``."""
    index: int
    """Number of the node in the optimised graph."""
    kernel_us: tuple[float, ...]
    """Time in each run; the sum, where the node ran several times within one (in a loop)."""
    input_shapes: tuple[Shape, ...] = ()
    """As the kernel got them when it first ran, weights that it has packed for itself left out."""
    output_shapes: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrtProfile:
    """A profile's runs, those that were asked for."""

    nodes: tuple[NodeTime, ...]
    """In order of execution."""
    run_us: tuple[float, ...]
    """Duration of each whole run, with the profiler's own cost."""
    complete: bool
    """The file ends as it should; where not, later runs are missing."""

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.run_us)


@dataclass(frozen=True, slots=True)
class _NodeKey:
    index: int
    name: str
    op: str
    provider: str


def parse_ort_profile(data: bytes, *, warmup_runs: int = 0, skip_runs: Collection[int] = ()) -> OrtProfile:
    """Read a profile.

    Args:
        data: the JSON file.
        warmup_runs: leading runs to leave out.
        skip_runs: further runs to leave out, counted from 0 behind the warm-up: those that were preempted.

    Raises:
        OrtProfileError: the data are no profile, or no run is left.
    """
    events, complete = _events(data)
    runs: list[tuple[float, Mapping[_NodeKey, float]]] = []
    nodes: dict[_NodeKey, float] = {}
    shapes: dict[_NodeKey, tuple[tuple[Shape, ...], tuple[Shape, ...]]] = {}
    for event in events:
        name, category = event.get("name"), event.get("cat")
        if category == "Session" and name == "model_run":
            runs.append((_duration_us(event), nodes))
            nodes = {}
        elif category == "Node" and isinstance(name, str) and name.endswith(_SUFFIX):
            key = _node_key(event)
            nodes[key] = nodes.get(key, 0.0) + _duration_us(event)
            shapes.setdefault(key, (_shapes(event, "input_type_shape"), _shapes(event, "output_type_shape")))
    kept = [run for number, run in enumerate(runs[warmup_runs:]) if number not in skip_runs]
    if not kept:
        left_out = f"{warmup_runs} are warm-up and {len(skip_runs)} to be left out"
        raise OrtProfileError(f"Of the {len(runs)} whole runs of the profile, {left_out}. Profile it again.")
    keys = dict.fromkeys(key for _, times in kept for key in times)
    return OrtProfile(
        nodes=tuple(
            NodeTime(
                name=key.name,
                op=key.op,
                provider=key.provider,
                index=key.index,
                kernel_us=tuple(times.get(key, 0.0) for _, times in kept),
                input_shapes=shapes[key][0],
                output_shapes=shapes[key][1],
            )
            for key in keys
        ),
        run_us=tuple(duration for duration, _ in kept),
        complete=complete,
    )


def is_layout(op: str, name: str = "") -> bool:
    """Say whether a node only moves or converts data for the kernels' sake: no layer of the network asked for it.

    A network may well have transposes and casts of its own. Those that the runtime inserts are told by the names that it
    gives them: ``Transpose`` or ``Transpose_token_<n>``, and ``InsertedPrecisionFreeCast_...``. So a model that is built
    to measure a Transpose must name its node otherwise.

    So do the edges of a one-layer model (``profiler.microbench``), which stand in for the layers around it.

    Args:
        op: operator of the node.
        name: name of the node; without it, transposes, casts and edges count as layers.
    """
    if op == "Transpose":
        return _INSERTED_TRANSPOSE.fullmatch(name) is not None
    if op == "Cast":
        return _INSERTED_CAST.fullmatch(name) is not None
    return op in _LAYOUT_OPS or name.startswith(EDGE_PREFIX)


def trimmed_mean_us(times_us: Sequence[float], *, trim: float = 0.1) -> float:
    """Average times without the extremes.

    Args:
        times_us: at least one time.
        trim: part that is left out at either end, rounded down to whole times; below one half.

    Raises:
        ValueError: no times, or a part out of range.
    """
    if not times_us or not 0 <= trim < 0.5:
        raise ValueError(f"{len(times_us)} times, trim {trim}: one time is needed, and a trim from 0 to below 0.5.")
    cut = int(len(times_us) * trim)
    kept = sorted(times_us)[cut : len(times_us) - cut]
    return sum(kept) / len(kept)


def _events(data: bytes) -> tuple[list[dict[str, Any]], bool]:
    """Read the events, of a cut file those of its whole lines; and whether it was whole."""
    text = data.decode(errors="replace")
    try:
        events, complete = json.loads(text), True
    except json.JSONDecodeError:
        events, complete = _events_of_cut_file(text), False
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise OrtProfileError("This is no ONNX Runtime profile: not a JSON array of events.")
    return events, complete


def _events_of_cut_file(text: str) -> Any:
    whole_lines = text[: text.rfind("\n") + 1].rstrip().rstrip(",")
    try:
        return json.loads(f"{whole_lines}]")
    except json.JSONDecodeError as exc:
        raise OrtProfileError(f"This is no ONNX Runtime profile: {exc}.") from exc


def _node_key(event: Mapping[str, Any]) -> _NodeKey:
    name, arguments = event["name"], event.get("args")
    if not isinstance(arguments, dict):
        raise OrtProfileError(f"Node event {name} of the profile has no arguments.")
    index, op, provider = (str(arguments.get(key, "")) for key in ("node_index", "op_name", "provider"))
    if not index.isdecimal() or not op or not provider:
        raise OrtProfileError(f"Node event {name} of the profile does not say its index, operator and provider.")
    return _NodeKey(index=int(index), name=name.removesuffix(_SUFFIX), op=op, provider=provider)


def _shapes(event: Mapping[str, Any], argument: str) -> tuple[Shape, ...]:
    """Read ``[{"float":[1,32,32,3]}, ...]``; no shapes where the runtime is older than these."""
    described = event["args"].get(argument)
    if not isinstance(described, list):
        return ()
    return tuple(tuple(dims) for tensor in described if isinstance(tensor, dict) for dims in tensor.values())


def _duration_us(event: Mapping[str, Any]) -> float:
    duration = event.get("dur")
    if not isinstance(duration, int | float) or duration < 0:
        raise OrtProfileError(f"Event {event.get('name')} of the profile has the duration {duration!r}.")
    return float(duration)
