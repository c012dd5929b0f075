"""The columns of the benchmark's tables: ``device|cores|what``, where cores are named by cluster or are the GPU.

The project that published them, qed-usc/mobile-ml-benchmark, says in its own README (dataset/cnn) that CPUs ran 32-bit
floating-point numbers or 8-bit integers, and GPUs 16-bit floating-point numbers; its website/collect.py has the versions
of the runtimes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from parsers.errors import PublishedError
from parsers.published.lines import Line
from parsers.published.phones import GPU, Phone, cores_of, cpu_hardware, gpu_hardware
from parsers.published.rows import Setting

US_PER_MS = 1000.0
"""The tables' times are in microseconds."""

_CPU_PRECISIONS = {"float": "float32", "quant": "int8"}
_GPU_PRECISIONS = {"float": "float16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the benchmark ran the networks with."""

    cpu: str
    """The provider of rows measured on a CPU."""
    gpu: str
    version: str


TFLITE = Runtime(cpu="tflite-cpu", gpu="tflite-gpu", version="TensorFlow Lite 2.10.0")
PYTORCH = Runtime(cpu="pytorch-cpu", gpu="pytorch-vulkan", version="PyTorch Mobile 2.0.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A table's first line: the names of its columns, and where those stand that every such table has."""

    names: Sequence[str]
    places: Sequence[int]
    """Of the columns that every such table has, in the order in which they were asked for."""

    def texts(self, fields: Sequence[str]) -> Sequence[str]:
        """Take what a line says in these columns."""
        return [fields[place].strip() for place in self.places]


def header_of(line: Line | None, wanted: Sequence[str], example: str) -> Header:
    """Read the first line of a table as the names of its columns, in whatever order they stand.

    Raises:
        PublishedError: there is none, or it lacks one of the columns ``wanted``, or names one twice.
    """
    if line is None:
        raise PublishedError("The file is empty: no such table.")
    names = [name.strip() for name in line.fields or ()]
    places = {name.lower(): place for place, name in enumerate(names)}
    if not all(name.lower() in places for name in wanted):
        columns = f"{','.join(wanted)},{example}"
        raise PublishedError(f"Another table: its columns begin {line.raw[:60]!r}, and should be as {columns!r}.")
    twin = next((name for name, count in Counter(names).items() if count > 1), None)
    if twin is not None:
        raise PublishedError(f"The table has two columns {twin[:60]!r}; each must be there once.")
    return Header(names=names, places=[places[name.lower()] for name in wanted])


def unread_columns(header: Sequence[str], read: Collection[int | None]) -> Iterator[str]:
    """Name the columns whose places are not among those that were read, a sentence each."""
    for index, name in enumerate(header):
        if index not in read:
            yield f"The column {name[:60]!r} is not read."


def setting_of(
    device: str, cores: str, precision: str, *, runtime: Runtime, campaign: str, phones: Mapping[str, Phone]
) -> Setting | None:
    """Read a column's words for a setting; ``None`` where they are not understood."""
    if not device:
        return None
    is_gpu = cores == GPU
    words = None if is_gpu else cores_of(cores)
    element = (_GPU_PRECISIONS if is_gpu else _CPU_PRECISIONS).get(precision)
    if element is None or (words is None and not is_gpu):
        return None
    phone = phones.get(device)
    return Setting(
        device=device,
        hardware=gpu_hardware(phone) if words is None else cpu_hardware(phone, cores, words),
        provider=runtime.gpu if is_gpu else runtime.cpu,
        precision=element,
        runtime_version=runtime.version,
        campaign=campaign,
    )
