"""The words that every stage shares: layer, context, and the columns of ``stats.parquet``.

A row of ``stats.parquet`` is one *layer* in one *context*, executed in one way, with what was observed. Each part is a
frozen value below; their fields, in order, are the table's columns, so that the table is described in one place. The
module knows the standard library only: how a table is stored is the business of ``parsers.stats``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

SCHEMA_VERSION = 1

Value = str | int | float | bool | None
"""What one cell of the table holds."""

Shape = tuple[int, ...]
"""A tensor's dimensions, outermost first (NCHW for images)."""


class Scope(StrEnum):
    """What was timed. Rows of different scope are never summed together."""

    ISOLATED = "isolated"
    """A one-layer model."""
    IN_NETWORK = "in_network"
    """The node inside its whole network."""
    BLOCK = "block"
    """An inverted residual, measured as one unit."""
    NETWORK = "network"
    """A whole network of which no layer is known; somebody's published end-to-end time."""


class Status(StrEnum):
    """How a job ended."""

    OK = "ok"
    UNSUPPORTED = "unsupported"
    FALLBACK = "fallback"
    ELIDED = "elided"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    THROTTLED = "throttled"
    CONTENDED = "contended"
    LOST = "lost"


INFEASIBLE = frozenset({Status.UNSUPPORTED, Status.FALLBACK, Status.OUT_OF_MEMORY, Status.CRASHED, Status.TIMED_OUT})
"""Statuses that put a (layer, context) into the paper's set B (Eq. 1): its meta-behaviour is infinite, not missing."""


class Origin(StrEnum):
    """Where a row's numbers come from. Never blurred."""

    MEASURED = "measured"
    IMPORTED = "imported"
    MODELLED = "modelled"


class DeviceKind(StrEnum):
    """What the numbers were taken on."""

    PHONE = "phone"
    HOST = "host"
    VIRTUAL = "virtual"
    NONE = "none"


def _column(unit: str, meaning: str, **default: Any) -> Any:
    """Declare a field that is a column of ``stats.parquet``."""
    return field(metadata={"unit": unit, "meaning": meaning}, **default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One operator, or one block measured as a unit: the paper's 11 architecture attributes and what they rest on.

    Everything needed to build the layer again as a one-layer model is here, so a layer read from a table or a file can
    be measured. Fields that an operator does not have (the kernel of a Gemm) are ``None``, never a sentinel number.
    """

    type: str = _column(
        "category", "operator or block name, as ONNX spells it; DepthwiseConv and GroupedConv told apart"
    )
    batch: int = _column("1", "images per run", default=1)
    in_channels: int = _column("1", "channels of the first activation input (features for Gemm)")
    channels: int = _column("1", "output channels (a block's: its projection's)")
    height: int = _column("px", "input height; 1 for Gemm", default=1)
    width: int = _column("px", "input width; 1 for Gemm", default=1)
    out_height: int = _column("px", "output height; 1 for Gemm", default=1)
    out_width: int = _column("px", "output width; 1 for Gemm", default=1)
    kernel_height: int | None = _column("px", "kernel height", default=None)
    kernel_width: int | None = _column("px", "kernel width", default=None)
    stride_height: int | None = _column("px", "vertical stride", default=None)
    stride_width: int | None = _column("px", "horizontal stride", default=None)
    pad_top: int | None = _column("px", "rows of padding above, SAME resolved", default=None)
    pad_bottom: int | None = _column("px", "rows of padding below", default=None)
    pad_left: int | None = _column("px", "columns of padding on the left", default=None)
    pad_right: int | None = _column("px", "columns of padding on the right", default=None)
    dilation: int = _column("1", "the larger dilation", default=1)
    groups: int = _column("1", "convolution groups; in_channels for a depthwise convolution", default=1)
    expansion_ratio: float = _column(
        "1", "a block's middle width over its input width; 1 where there is none", default=1.0
    )
    idskip: int = _column("0/1", "1 where the block adds its input", default=0)
    """Of a convolution that adds a residual it is 1 in imported rows and 0 in our own, where only ``fused_ops`` tells it: a
    published row and a measured one of the same convolution have different keys."""
    input_volume: int = _column("elements", "all activation inputs, batch included, weights not")
    output_volume: int = _column("elements", "all activation outputs, batch included")
    weight_elements: int = _column("elements", "weights and biases", default=0)
    fused_ops: tuple[str, ...] = _column("category", "operators fused behind it, in order, joined with +", default=())
    precision: str = _column("category", "element type of the activations", default="float32")
    input_shapes: tuple[Shape, ...] = _column(
        "elements", "each activation input as 1x3x224x224, joined with ;", default=()
    )
    output_shape: Shape = _column("elements", "first activation output, as 1x64x112x112", default=())
    attributes: str = _column("JSON", "operator attributes that no column carries, keys sorted", default="{}")

    @property
    def kernel_size(self) -> int | None:
        """The kernel's larger side in pixels; ``None`` where the operator has no kernel."""
        return _larger(self.kernel_height, self.kernel_width)

    @property
    def stride(self) -> int | None:
        """The larger stride; ``None`` where the operator has none."""
        return _larger(self.stride_height, self.stride_width)

    @property
    def padding(self) -> int | None:
        """Rows of padding, above and below together; ``None`` where the operator has none."""
        if self.pad_top is None or self.pad_bottom is None:
            return None
        return self.pad_top + self.pad_bottom

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that name this configuration, the same on every machine."""
        canonical = json.dumps(layer_to_json(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Definition 1: hardware ⟨cores, compute units, memory, clock, bandwidth⟩ ∪ task ⟨text?, multi-entity?, ROI?⟩."""

    cores: int | None = _column("1", "cores of the provider's processor that the run could use; null for a GPU")
    compute_units: int = _column("1", "GPU or NPU units of the provider used; 0 on a CPU", default=0)
    memory_gb: float | None = _column("GB", "RAM")
    clock_freq_ghz: float | None = _column("GHz", "maximum clock of the provider's processor")
    memory_bw_gbs: float | None = _column("GB/s", "peak memory bandwidth", default=None)
    core_part: str | None = _column("category", "MIDR part or CPU family/model of the cores used", default=None)
    last_level_cache_mb: float | None = _column("MB", "last-level cache", default=None)
    peak_gflops: float | None = _column("GFLOP/s", "peak float32 rate of the cores used", default=None)
    peak_gflops_source: str | None = _column("text", "where peak_gflops comes from", default=None)
    task_text: int = _column("0/1", "the task reads text", default=0)
    task_multi_entity: int = _column("0/1", "several entities in one input", default=0)
    task_roi: int = _column("0/1", "the task asks for a region of interest", default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How the layer was run."""

    scope: Scope = _column("category", "isolated, in_network, block or network", default=Scope.ISOLATED)
    provider: str = _column("category", "execution provider asked for", default="cpu")
    provider_used: str | None = _column("category", "execution provider that ran the layer's nodes", default=None)
    threads: int = _column("1", "intra-operator threads", default=1)
    affinity: str | None = _column("CPU list", "CPUs the run was bound to, as 0,1", default=None)
    spinning: bool | None = _column("bool", "whether idle threads spun", default=None)
    evicted_mb: float | None = _column(
        "MB", "bytes walked over between iterations, as the network's other layers would", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was observed. Null means not observed, with the reason in the campaign's dumps; infinite is never stored."""

    status: Status = _column("category", "how the job ended", default=Status.OK)
    execution_time_ms: float | None = _column("ms", "the layer's own time, layout nodes taken out", default=None)
    wall_ms: float | None = _column("ms", "unprofiled wall time of the one-layer model", default=None)
    edge_ms: float | None = _column("ms", "layout nodes around the layer", default=None)
    network_wall_ms: float | None = _column(
        "ms", "in_network rows: unprofiled wall time of the whole network", default=None
    )
    spread: float | None = _column("1", "standard deviation between processes over their mean", default=None)
    processes: int | None = _column("1", "processes that the figures stand on", default=None)
    samples: int | None = _column("1", "iterations kept, all processes together", default=None)
    samples_dropped: int | None = _column("1", "iterations dropped for involuntary context switches", default=None)
    load_peak_mb: float | None = _column(
        "MB", "peak resident size while loading, less the runtime's own before it", default=None
    )
    resident_mb: float | None = _column("MB", "resident size after warm-up, less the runtime's own", default=None)
    run_peak_mb: float | None = _column(
        "MB", "peak resident size while running, less the runtime's own; below 1 MB null", default=None
    )
    peak_memory_mb: float | None = _column("MB", "run_peak_mb where measured; a formula in modelled rows", default=None)
    power_mw: float | None = _column("mW", "power net of awake idle", default=None)
    power_gross_mw: float | None = _column("mW", "power with idle", default=None)
    energy_mj: float | None = _column("mJ", "energy of one run", default=None)
    energy_error_mj: float | None = _column("mJ", "half-width of energy_mj's 95 % interval", default=None)
    power_source: str | None = _column(
        "category", "sensor or formula behind power; 'refused: <reason>' where a recording told none", default=None
    )
    clock_observed_ghz: float | None = _column("GHz", "clock seen during the run", default=None)
    temperature_c: float | None = _column("°C", "temperature at the run's end", default=None)
    thermal_status: int | None = _column("1", "Android thermal status, 0 is none", default=None)
    battery_percent_before: float | None = _column("%", "battery before the job", default=None)
    battery_percent_after: float | None = _column("%", "battery after the job", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a row comes from. Its key is (campaign, device, job)."""

    origin: Origin = _column("category", "measured, imported or modelled")
    device_kind: DeviceKind = _column("category", "phone, host, virtual or none")
    device: str = _column("name", "device or tier")
    soc: str | None = _column("name", "system on a chip, or CPU model", default=None)
    campaign: str = _column("name", "the profile collect (or model, import) that made the row")
    job: str = _column("name", "the job within the campaign")
    networks: tuple[str, ...] = _column("names", "networks that contain the layer, joined with ;", default=())
    os_build: str | None = _column("name", "operating system build", default=None)
    runtime_version: str | None = _column("version", "ONNX Runtime", default=None)
    runner_sha256: str | None = _column("hex", "runner binary", default=None)
    model_sha256: str | None = _column("hex", "model file", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of ``stats.parquet``."""

    layer: Layer
    context: Context
    execution: Execution
    measurement: Measurement
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name, its Python type, its unit and what it means."""

    name: str
    kind: type[str] | type[int] | type[float] | type[bool]
    unit: str
    meaning: str


PAPER_ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "Type": "type",
        "Kernel Size": "kernel_size",
        "Stride": "stride",
        "Padding": "padding",
        "Expansion Ratio": "expansion_ratio",
        "Idskip": "idskip",
        "Channels": "channels",
        "Height": "height",
        "Width": "width",
        "Input Volume": "input_volume",
        "Output Volume": "output_volume",
        "Execution time": "execution_time_ms",
        "Cores": "cores",
        "Compute Units": "compute_units",
        "Memory": "memory_gb",
        "Clock Freq.": "clock_freq_ghz",
        "Memory B/w": "memory_bw_gbs",
    }
)
"""The paper's 17 attributes (Section IV-A), in its order, and the columns that hold them."""

_DERIVED = (
    Column(name="layer_key", kind=str, unit="hex", meaning="names the layer's configuration"),
    Column(name="kernel_size", kind=int, unit="px", meaning="the kernel's larger side; null for Gemm, Add"),
    Column(name="stride", kind=int, unit="px", meaning="the larger stride"),
    Column(name="padding", kind=int, unit="px", meaning="vertical total, SAME resolved"),
)

_PARTS: tuple[type, ...] = (Layer, Context, Execution, Measurement, Provenance)


def _kind(annotation: str) -> type[str] | type[int] | type[float] | type[bool]:
    bare = annotation.removesuffix(" | None")
    kinds: dict[str, type[int] | type[float] | type[bool]] = {"int": int, "float": float, "bool": bool}
    return kinds.get(bare, str)


def _columns() -> Iterator[Column]:
    yield from _DERIVED
    for part in _PARTS:
        for item in fields(part):
            yield Column(name=item.name, kind=_kind(str(item.type)), **item.metadata)


COLUMNS: tuple[Column, ...] = tuple(_columns())
"""Every column of ``stats.parquet``, in the table's order."""


def row_values(row: Row) -> dict[str, Value]:
    """Flatten a row into the table's cells, one per column of :data:`COLUMNS`."""
    layer = row.layer
    values: dict[str, Value] = {
        "layer_key": layer.key,
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
    }
    for part in (layer, row.context, row.execution, row.measurement, row.provenance):
        for item in fields(part):
            values[item.name] = _to_cell(item.name, getattr(part, item.name))
    return values


def sparse_row_values(
    known: Mapping[str, Value],
    *,
    context: Context,
    execution: Execution,
    measurement: Measurement,
    provenance: Provenance,
) -> dict[str, Value]:
    """Flatten a row whose layer is known in part only: other people's profiles name operators without their shapes.

    ``known`` holds the architecture cells that are known, ``type`` among them; all others are null, never a default.
    """
    values: dict[str, Value] = dict.fromkeys(column.name for column in COLUMNS) | dict(known)
    for part in (context, execution, measurement, provenance):
        for item in fields(part):
            values[item.name] = _to_cell(item.name, getattr(part, item.name))
    return values


def layer_from_values(values: Mapping[str, Value]) -> Layer:
    """Read a layer back from a table's cells.

    Raises:
        KeyError: a column without a default is absent.
        ValueError: a cell does not hold what its column says.
    """
    return Layer(**_from_cells(Layer, values))


def context_from_values(values: Mapping[str, Value]) -> Context:
    """Read a context back from a table's cells; raises as :func:`layer_from_values`."""
    return Context(**_from_cells(Context, values))


def layer_to_json(layer: Layer) -> dict[str, Value]:
    """Write a layer as plain JSON values, leaving out what has its default; the inverse of :func:`layer_from_values`."""
    return {
        item.name: _to_cell(item.name, getattr(layer, item.name))
        for item in fields(layer)
        if getattr(layer, item.name) != item.default
    }


def _to_cell(name: str, value: Any) -> Value:
    if name == "fused_ops":
        return "+".join(value)
    if name == "input_shapes":
        return ";".join(shape_text(shape) for shape in value)
    if name == "output_shape":
        return shape_text(value)
    if name == "networks":
        return ";".join(value)
    if isinstance(value, StrEnum):
        return value.value
    cell: Value = value
    return cell


def _from_cells(part: type[Any], values: Mapping[str, Value]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for item in fields(part):
        if item.name not in values:
            continue
        value = values[item.name]
        kind = _kind(str(item.type))
        if value is None or value != value:  # noqa: PLR0124 - NaN is how pandas writes a null
            value = None
        elif item.name == "fused_ops":
            read[item.name] = tuple(str(value).split("+")) if value else ()
            continue
        elif item.name == "input_shapes":
            read[item.name] = tuple(_shape(text) for text in str(value).split(";")) if value else ()
            continue
        elif item.name == "output_shape":
            read[item.name] = _shape(str(value))
            continue
        else:
            value = kind(value)
        read[item.name] = value
    return read


def shape_text(shape: Shape) -> str:
    """Write a shape as a cell does: ``1x3x224x224``."""
    return "x".join(str(side) for side in shape)


def _shape(text: str) -> Shape:
    return tuple(int(side) for side in text.split("x")) if text else ()


def _larger(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return None
    return max(first, second)
