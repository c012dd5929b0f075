"""Lookup tables of inverted residuals: Once-for-All's on a Galaxy Note10, and ProxylessNAS' on a Pixel, in ms.

An entry's name has the sizes: ``expanded_conv-input:56x56x24-output:56x56x24-expand:72-kernel:5-stride:1-idskip:1-se:0-hs:0``.
Once-for-All's ``expand`` is the block's middle width, ProxylessNAS' the ratio; only the former has ``se`` (squeeze and
excitation) and ``hs`` (HardSwish instead of a rectifier). What the names leave out is taken from the programs that made the
tables, mit-han-lab/once-for-all @ 80a2e26, latency_lookup_table.py and pytorch_modules.py: ``Conv`` is the 3×3 convolution of
stride 2 in front, ``Conv_1`` and ``Conv_2`` are 1×1, ``Logits`` behind an image is all that is left (pooling and classifier),
and a squeeze has a quarter of the middle's channels, rounded to a multiple of 8, a rectifier behind it and a hard sigmoid at
its end.

Neither table says which runtime and which cores ran: provider ``unstated-cpu``, no threads, and all of the phone's cores as
those that could have. Nor do they say how a block of stride 2 was padded, by half its kernel on each side or as TensorFlow
does: its padding is null. Both are taken for 32-bit floating-point networks, as both papers' are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from parsers.dump import Buffer, Reject
from parsers.errors import PublishedError
from parsers.operators import INVERTED_RESIDUAL
from parsers.published.block_layer import inverted_residual
from parsers.published.entries import Entry, read_entries
from parsers.published.phones import Phone, unstated_cpu_hardware
from parsers.published.rows import Published, PublishedRow, Setting, Table, notes_of
from parsers.published.sketch import Image, Sketch, convolution, dense, global_pooling, image_cells
from parsers.schema import Layer, Measurement, Scope, Value

BLOCK = "expanded_conv"
_OPERATORS = frozenset({"Conv", "Conv_1", "Conv_2", "AvgPool2D", "Logits"})
_SIZES = re.compile(r"[1-9][0-9]{0,5}(?:x[1-9][0-9]{0,5}){0,2}")
_COUNT = re.compile(r"[0-9]{1,6}")
_LARGEST_SIDE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """What one of the two tables has to itself."""

    table: str
    device: str
    middle: Callable[[int, int], int]
    """The middle width, from a block's input channels and its ``expand``."""
    has_flags: bool
    """Whether blocks say ``se`` and ``hs``."""
    rectifier: str
    activation: str
    """Behind the convolutions that are no blocks."""


_ONCE_FOR_ALL = _Family(
    table="ofa-lut",
    device="note10",
    middle=lambda _, expand: expand,
    has_flags=True,
    rectifier="Relu",
    activation="HardSwish",
)
_PROXYLESS = _Family(
    table="proxyless-lut",
    device="pixel1",
    middle=lambda channels, expand: channels * expand,
    has_flags=False,
    rectifier="Relu6",
    activation="Relu6",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """An entry's name, taken apart."""

    word: str
    source: tuple[int, ...]
    """Height, width and channels, or only features; empty where not told."""
    result: tuple[int, ...]
    numbers: Mapping[str, int]


def _read(data: Buffer, stem: str, phones: Mapping[str, Phone], family: _Family) -> Published:
    rejects: list[Reject] = []
    entries = read_entries(data, rejects)
    names = [_name(entry.name) for entry in entries]
    if not any(name.word in _OPERATORS | {BLOCK} for name in names):
        what = "The file is empty" if not len(data) else "Another table: it has no entry such as 'Conv-input:...'"
        raise PublishedError(f"{what}.")
    flags = {"se" in name.numbers for name in names if name.word == BLOCK}
    if flags == {not family.has_flags}:
        other = _PROXYLESS if family.has_flags else _ONCE_FOR_ALL
        raise PublishedError(f"Its blocks are those of {other.table}, which means something else by 'expand'.")
    setting = Setting(
        device=family.device,
        hardware=unstated_cpu_hardware(phones.get(family.device)),
        provider="unstated-cpu",
        precision="float32",
        runtime_version=None,
        campaign=f"{family.table}-{stem}",
    )
    rows = [_row(entry, name, setting, family) for entry, name in zip(entries, names, strict=True)]
    return Published(rows=rows, rejects=rejects, notes=(*notes_of(rows, phones), *_notes(family)))


def _notes(family: _Family) -> Iterator[str]:
    yield f"{family.table} does not say which cores, how many threads or which runtime ran: threads are null."


def _row(entry: Entry, name: _Name, setting: Setting, family: _Family) -> PublishedRow:
    mean_ms = entry.figures["mean"]
    deviation_ms = entry.figures.get("std", math.sqrt(entry.figures["var"]) if "var" in entry.figures else None)
    count = entry.figures.get("count")
    return setting.row(
        _sketch(name, family).of_precision(setting.precision),
        Measurement(
            execution_time_ms=mean_ms,
            spread=None if deviation_ms is None else deviation_ms / mean_ms,
            samples=int(count) if count is not None and count.is_integer() else None,
        ),
        scope=Scope.BLOCK if name.word == BLOCK else Scope.IN_NETWORK,
        job=entry.name,
    )


def _name(text: str) -> _Name:
    word, *parts = text.split("-")
    told = dict(part.partition(":")[::2] for part in parts)
    if len(told) != len(parts):  # a size that stands twice
        told = {}
    numbers = {key: int(value) for key, value in told.items() if _COUNT.fullmatch(value)}
    return _Name(
        word=word,
        source=_sizes(told.get("input", "")),
        result=_sizes(told.get("output", "")),
        numbers=numbers,
    )


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(side) for side in text.split("x")) if _SIZES.fullmatch(text) else ()
    return sizes if max(sizes[:-1], default=0) <= _LARGEST_SIDE else ()


def _image(sizes: tuple[int, ...]) -> Image | None:
    return Image(height=sizes[0], width=sizes[1], channels=sizes[2]) if len(sizes) == 3 else None


def _sketch(name: _Name, family: _Family) -> Sketch:
    source, result = _image(name.source), _image(name.result)
    layer = None
    if source is not None and result is not None:
        layer = _block(name, source, result, family) if name.word == BLOCK else _operator(name, source, result, family)
    elif name.word == "Logits" and source is not None and len(name.result) == 1:
        if source.height == source.width == 1:
            layer = dense(source.channels, name.result[0])
        else:
            return Sketch.part("Logits", _logits(source, name.result[0]))
    if layer is not None:
        return Sketch.whole(layer)
    type_ = INVERTED_RESIDUAL if name.word == BLOCK else name.word
    return Sketch.part(type_, image_cells(source=source, result=result))


def _logits(source: Image, classes: int) -> dict[str, Value]:
    return {
        **image_cells(source=source),
        "channels": classes,
        "output_volume": classes,
        "output_shape": f"1x{classes}",
        "weight_elements": (source.channels + 1) * classes,
    }


def _block(name: _Name, source: Image, result: Image, family: _Family) -> Layer | None:
    numbers = name.numbers
    wanted = ("expand", "kernel", "stride", "idskip", *(("se", "hs") if family.has_flags else ()))
    if not all(key in numbers for key in wanted) or ("se" in numbers) != family.has_flags:
        return None
    middle, kernel, stride = family.middle(source.channels, numbers["expand"]), numbers["kernel"], numbers["stride"]
    flags = [numbers[key] for key in ("idskip", "se", "hs") if key in numbers]
    if not (0 < middle <= 1_000_000 and 0 < kernel <= 1_000 and 0 < stride <= 1_000) or not set(flags) <= {0, 1}:
        return None
    return inverted_residual(
        source,
        result,
        middle=middle,
        kernel=kernel,
        stride=stride,
        adds=bool(numbers["idskip"]),
        activation="HardSwish" if numbers.get("hs") else family.rectifier,
        squeezes=bool(numbers.get("se")),
    )


def _operator(name: _Name, source: Image, result: Image, family: _Family) -> Layer | None:
    halved = ((source.height + 1) // 2, (source.width + 1) // 2)
    match name.word:
        case "Conv" if (result.height, result.width) == halved:
            layer = convolution(source, result, kernel=3, stride=2, groups=1, pads=None)
        case "Conv_1" | "Conv_2" if (result.height, result.width) == (source.height, source.width):
            layer = convolution(source, result, kernel=1, stride=1, groups=1, pads=(0, 0))
        case "AvgPool2D" if result == Image(channels=source.channels, height=1, width=1):
            return global_pooling(source)
        case _:
            return None
    return replace(layer, fused_ops=(family.activation,))


def _read_once_for_all(data: Buffer, stem: str, phones: Mapping[str, Phone]) -> Published:
    return _read(data, stem, phones, _ONCE_FOR_ALL)


def _read_proxyless(data: Buffer, stem: str, phones: Mapping[str, Phone]) -> Published:
    return _read(data, stem, phones, _PROXYLESS)


TABLES = (
    Table(
        name=_ONCE_FOR_ALL.table,
        meaning="latency_table@note10/*.yaml of mit-han-lab/once-for-all: blocks on a Galaxy Note10; a file or the folder",
        read=_read_once_for_all,
        pattern="*.yaml",
    ),
    Table(
        name=_PROXYLESS.table,
        meaning="mobile_trim.yaml of ProxylessNAS: blocks on a Pixel",
        read=_read_proxyless,
    ),
)
