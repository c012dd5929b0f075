"""Whether a layer, or a phone, lies outside what a predictor was fitted to, and in which way, in words.

Trees answer everything, and beyond the rows seen they answer with the last leaf. No conformal interval holds there
either: its promise is for layers that could have been among the rows (:mod:`metamodel.conformal`). So what is asked is compared
with what was seen: words of categories, and ranges of numbers. A layer's numbers are compared within its operator type
(4096 channels are usual for a Gemm); combinations are caught as far as work, traffic and their ratio show them. A range
is wider than what was seen by a factor, because a tree's answer does not break at the last value.

A context that was never measured in is always said, even where all of its numbers lie between those of others: a phone
is more than its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from metamodel.features import NUMBERS, Matrix
from metamodel.interface import FloatArray, Setting
from metamodel.rows import setting_key, settings_of
from parsers.schema import Layer

MARGIN = 1.25
"""How far beyond the smallest and largest value seen a number may lie, as a factor."""

_LAYER_NUMBERS = (
    *("kernel_height", "kernel_width", "stride", "dilation", "expansion_ratio", "batch", "in_channels", "channels"),
    *("groups", "height", "width", "input_volume", "output_volume", "weight_elements", "flops", "bytes", "intensity"),
    "inputs",
)
_SETTING_NUMBERS = (
    *("cores", "compute_units", "memory_gb", "clock_freq_ghz", "memory_bw_gbs", "last_level_cache_mb", "peak_gflops"),
    "threads",
)
_LAYER_COLUMNS = [NUMBERS.index(name) for name in _LAYER_NUMBERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The smallest and the largest value of a number that was seen."""

    name: str
    smallest: float
    largest: float

    def beyond(self, value: float, margin: float) -> str | None:
        """Say how a value lies outside; None where it does not."""
        if value > max(self.largest * margin, self.largest / margin):
            return f"{self.name} {value:g} is above the largest seen, {self.largest:g}"
        if value < min(self.smallest * margin, self.smallest / margin):
            return f"{self.name} {value:g} is below the smallest seen, {self.smallest:g}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRanges:
    """What was seen of one operator type; a number that no row of it has is absent."""

    type: str
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideCheck:
    """Compares layers and settings with the rows of a table; plain numbers and words, fit for a manifest."""

    margin: float
    types: tuple[TypeRanges, ...]
    fused_ops: tuple[str, ...]
    precisions: tuple[str, ...]
    providers: tuple[str, ...]
    setting_numbers: tuple[Range, ...]
    setting_keys: tuple[str, ...]

    @classmethod
    def of_table(cls, table: pd.DataFrame, matrix: Matrix, *, margin: float = MARGIN) -> OutsideCheck:
        """Read what was seen off a stats table and its features, shape (rows, features).

        Raises:
            ValueError: a margin below 1.
        """
        if not margin >= 1:
            raise ValueError(f"margin={margin} must be at least 1.")
        kinds = table["type"].to_numpy(dtype=str)
        settings = [setting for _, setting in settings_of(table)]
        described = np.array([_setting_numbers(setting) for setting in settings], dtype=np.float64)
        numbers = matrix[:, _LAYER_COLUMNS].astype(np.float64)
        return cls(
            margin=margin,
            types=tuple(
                TypeRanges(type=kind, ranges=tuple(_ranges(_LAYER_NUMBERS, numbers[kinds == kind])))
                for kind in sorted(set(kinds.tolist()))
            ),
            fused_ops=_words(table["fused_ops"].fillna("")),
            precisions=_words(table["precision"]),
            providers=_words(table["provider"]),
            setting_numbers=tuple(_ranges(_SETTING_NUMBERS, described.reshape(len(settings), len(_SETTING_NUMBERS)))),
            setting_keys=tuple(sorted({setting_key(setting) for setting in settings})),
        )

    def layer_reasons(self, layers: Sequence[Layer], matrix: Matrix) -> list[tuple[str, ...]]:
        """Say for each layer in what it differs from all that was seen; nothing for a layer inside.

        Args:
            layers: the layers.
            matrix: their features, from :meth:`metamodel.features.FeatureSpace.layer_matrix`, shape (layers, features).
        """
        ranges = {seen.type: seen.ranges for seen in self.types}
        numbers = matrix[:, _LAYER_COLUMNS].astype(np.float64)
        return [
            tuple(self._layer_reasons(layer, ranges.get(layer.type), row))
            for layer, row in zip(layers, numbers, strict=True)
        ]

    def setting_reasons(self, setting: Setting) -> tuple[str, ...]:
        """Say in what a setting differs from all that was seen; nothing for one that was seen."""
        if setting_key(setting) in self.setting_keys:
            return ()
        reasons = ["no row was measured in this context, provider and thread count together"]
        if setting.provider not in self.providers:
            reasons.append(f"provider {setting.provider} was never seen")
        reasons += _beyond(self.setting_numbers, _SETTING_NUMBERS, _setting_numbers(setting), self.margin)
        return tuple(reasons)

    def _layer_reasons(self, layer: Layer, ranges: tuple[Range, ...] | None, numbers: FloatArray) -> Iterator[str]:
        fused = "+".join(layer.fused_ops)
        if fused not in self.fused_ops:
            yield f"{fused or 'no operator'} fused behind a layer was never seen"
        if layer.precision not in self.precisions:
            yield f"precision {layer.precision} was never seen"
        if ranges is None:
            yield f"type {layer.type} was never seen"
        else:
            for reason in _beyond(ranges, _LAYER_NUMBERS, numbers.tolist(), self.margin):
                yield f"{layer.type}: {reason}"


def _beyond(ranges: Sequence[Range], names: Sequence[str], values: Sequence[float], margin: float) -> Iterator[str]:
    """Say of each number how it lies outside what was seen; a missing number is no number beyond a range."""
    known = {seen.name: seen for seen in ranges}
    for name, value in zip(names, values, strict=True):
        if np.isnan(value):
            continue
        if name not in known:
            yield f"{name} {value:g}, where it was never known"
        elif (reason := known[name].beyond(value, margin)) is not None:
            yield reason


def _ranges(names: Sequence[str], values: FloatArray) -> Iterator[Range]:
    for name, column in zip(names, values.T, strict=True):
        known = column[np.isfinite(column)]
        if len(known):
            yield Range(name=name, smallest=float(known.min()), largest=float(known.max()))


def _setting_numbers(setting: Setting) -> list[float]:
    """List a setting's numbers in the order of :data:`_SETTING_NUMBERS`; NaN is unknown."""
    values = [getattr(setting.context, name) for name in _SETTING_NUMBERS[:-1]]
    return [float("nan") if value is None else float(value) for value in (*values, setting.threads)]


def _words(column: pd.Series[str]) -> tuple[str, ...]:
    return tuple(sorted({str(word) for word in column.dropna()}))
