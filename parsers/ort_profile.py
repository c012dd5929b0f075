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
_LONGEST_SIDE = 2**31
"""No tensor has a longer one."""
_LONGEST_US = 2**53
"""No event takes so long."""
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
    element_type: str = ""
    """Of its first input, as the runtime says it: ``float``, ``uint8``."""
    activation_bytes: int | None = None
    """Of the inputs that are no weights, when it first ran."""
    parameter_bytes: int | None = None
    """Of the weights that it has not packed for itself."""


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
    first: dict[_NodeKey, Mapping[str, Any]] = {}
    for event in events:
        name, category = event.get("name"), event.get("cat")
        if category == "Session" and name == "model_run":
            runs.append((_duration_us(event), nodes))
            nodes = {}
        elif category == "Node" and isinstance(name, str) and name.endswith(_SUFFIX):
            key = _node_key(event)
            nodes[key] = nodes.get(key, 0.0) + _duration_us(event)
            first.setdefault(key, event["args"])
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
                input_shapes=_shapes(first[key], "input_type_shape"),
                output_shapes=_shapes(first[key], "output_type_shape"),
                element_type=_element_type(first[key]),
                activation_bytes=_bytes(first[key], "activation_size"),
                parameter_bytes=_bytes(first[key], "parameter_size"),
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
    except (ValueError, RecursionError):
        events, complete = _events_of_cut_file(text), False
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise OrtProfileError("This is no ONNX Runtime profile: not a JSON array of events.")
    return events, complete


def _events_of_cut_file(text: str) -> Any:
    whole_lines = text[: text.rfind("\n") + 1].rstrip().rstrip(",")
    try:
        return json.loads(f"{whole_lines}]")
    except (ValueError, RecursionError) as exc:
        raise OrtProfileError(f"This is no ONNX Runtime profile: {exc}.") from exc


def _node_key(event: Mapping[str, Any]) -> _NodeKey:
    name, arguments = event["name"], event.get("args")
    if not isinstance(arguments, dict):
        raise OrtProfileError(f"Node event {name} of the profile has no arguments.")
    op, provider = (str(arguments.get(key, "")) for key in ("op_name", "provider"))
    index = _whole(arguments.get("node_index"))
    if index is None or not op or not provider:
        raise OrtProfileError(f"Node event {name} of the profile does not say its index, operator and provider.")
    return _NodeKey(index=index, name=name.removesuffix(_SUFFIX), op=op, provider=provider)


def _shapes(arguments: Mapping[str, Any], argument: str) -> tuple[Shape, ...]:
    """Read ``[{"float":[1,32,32,3]}, ...]``; no shapes where the runtime is older than these, or they are none."""
    described = arguments.get(argument)
    if not isinstance(described, list):
        return ()
    shapes = [dims for tensor in described if isinstance(tensor, dict) for dims in tensor.values()]
    if not all(isinstance(dims, list) and all(_is_side(side) for side in dims) for dims in shapes):
        return ()
    return tuple(tuple(dims) for dims in shapes)


def _is_side(side: object) -> bool:
    return type(side) is int and 0 <= side < _LONGEST_SIDE


def _element_type(arguments: Mapping[str, Any]) -> str:
    described = arguments.get("input_type_shape")
    tensors = described if isinstance(described, list) else []
    return next((str(name) for tensor in tensors if isinstance(tensor, dict) for name in tensor), "")


def _bytes(arguments: Mapping[str, Any], argument: str) -> int | None:
    """Read a size, which the runtime writes as text; ``None`` where it is older than these, or it is none."""
    return _whole(arguments.get(argument), digits=18)


def _whole(value: object, *, digits: int = 10) -> int | None:
    text = str(value) if type(value) is int or isinstance(value, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def _duration_us(event: Mapping[str, Any]) -> float:
    duration = event.get("dur")
    if (type(duration) is int or isinstance(duration, float)) and 0 <= duration < _LONGEST_US:
        return float(duration)
    raise OrtProfileError(f"Event {event.get('name')} of the profile has the duration {duration!r:.40}.")
