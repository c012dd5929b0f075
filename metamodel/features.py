"""From layers and settings to the numbers that a regressor sees (the paper's Section III-C.1).

The paper's attributes come first, then what they imply: work, traffic, intensity, the roofline's time, and how far channel
counts are from the widths that kernels are written for. Categories become one column per word of a vocabulary that was
seen in fitting and is kept with the model; a word outside it is "other", all of its columns zero. What a layer does not
have (the kernel of a Gemm) and what a phone does not tell is NaN, which the trees treat as missing.

Tables and the search take one code path: a table is taken apart into its unique layers and settings first. FLOPs, bytes
and roofline times are :mod:`parsers.roofline`'s, defined there once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import numpy.typing as npt
import pandas as pd

from metamodel.interface import Setting
from metamodel.rows import layers_of, settings_of
from parsers import cache
from parsers.operators import CONV, family_of
from parsers.roofline import bytes_moved, flops, roofline_ms
from parsers.schema import Context, Layer, Scope

Matrix = npt.NDArray[np.float32]
"""Features, shape (rows, features); float32 is what XGBoost computes with."""

_LAYER_ATTRIBUTES = (
    "kernel_size",
    "kernel_height",
    "kernel_width",
    "stride",
    "padding",
    "dilation",
    "expansion_ratio",
    "idskip",
    "batch",
    "in_channels",
    "channels",
    "groups",
    "height",
    "width",
    "out_height",
    "out_width",
    "input_volume",
    "output_volume",
    "weight_elements",
)
_IMPLIED = (
    "flops",
    "bytes",
    "intensity",
    "flops_per_output",
    "channels_per_group",
    "in_channels_mod_4",
    "in_channels_mod_16",
    "channels_mod_4",
    "channels_mod_16",
    "inputs",
    "fused",
    "in_slices",
    "out_slices",
    "out_positions",
    "out_slice_positions",
    "winograd",
    "winograd_tiles",
)
_CONTEXT_ATTRIBUTES = (
    "cores",
    "compute_units",
    "memory_gb",
    "clock_freq_ghz",
    "memory_bw_gbs",
    "last_level_cache_mb",
    "peak_gflops",
    "task_text",
    "task_multi_entity",
    "task_roi",
)
ROOFLINE = "roofline_ms"
EVICTED = "evicted_mb"
LAYER_NUMBERS = (*_LAYER_ATTRIBUTES, *_IMPLIED, "block")
"""The numerical features of a layer, wherever it runs."""
NUMBERS = (*LAYER_NUMBERS, *_CONTEXT_ATTRIBUTES, "threads", ROOFLINE, EVICTED)
"""The numerical features, in the matrix's order; the categories' columns follow."""
CATEGORIES = ("type", "family", "fused_ops", "precision", "provider", "core_part")

_SLICE = 4
_WINOGRAD_TILE, _WINOGRAD_SLICES, _WINOGRAD_TILES = 4, 16, 32

_layer_attributes = attrgetter(*_LAYER_ATTRIBUTES)
_context_attributes = attrgetter(*_CONTEXT_ATTRIBUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words of one category that were seen in fitting, sorted; anything else is "other", all zeros."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpace:
    """Which features, in which order: what a fitted model must see again to predict."""

    vocabularies: tuple[Vocabulary, ...]
    block_types: tuple[str, ...]
    """Layer types that were measured as blocks (inverted residuals), not as operators."""
    usual_evicted_mb: float | None
    """The median of the table, for a setting that does not say; None where no row says."""

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> FeatureSpace:
        """Read the vocabularies off a stats table."""
        families = table["type"].map(lambda kind: family_of(kind).value)
        known = {"family": families, **{name: table[name] for name in CATEGORIES if name != "family"}}
        words = {name: sorted(known[name].dropna().unique()) for name in CATEGORIES}
        evicted = table[EVICTED].dropna()
        blocks = table.loc[table["scope"] == Scope.BLOCK.value, "type"]
        return cls(
            vocabularies=tuple(Vocabulary(name=name, words=tuple(words[name])) for name in CATEGORIES),
            block_types=tuple(sorted(blocks.unique())),
            usual_evicted_mb=float(evicted.median()) if len(evicted) else None,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Name every column of the matrix, in order."""
        words = (f"{vocabulary.name}={word}" for vocabulary in self.vocabularies for word in vocabulary.words)
        return (*NUMBERS, *words)

    def layer_matrix(self, layers: Sequence[Layer], setting: Setting) -> Matrix:
        """Describe layers in one setting, shape (layers, features)."""
        context = setting.context
        evicted_mb = self.usual_evicted_mb if setting.evicted_mb is None else setting.evicted_mb
        of_setting = (*_context_attributes(context), setting.threads)
        numbers = [
            (
                *_layer_attributes(layer),
                *_implied(layer),
                layer.type in self.block_types,
                *of_setting,
                roofline_ms(layer, context),
                evicted_mb,
            )
            for layer in layers
        ]
        of_provider = (setting.provider, context.core_part)
        words = [
            (layer.type, family_of(layer.type).value, "+".join(layer.fused_ops), layer.precision, *of_provider)
            for layer in layers
        ]
        numeric = np.array(numbers, dtype=np.float32).reshape(len(layers), len(NUMBERS))
        return np.hstack([numeric, *(_one_hot(v, [row[i] for row in words]) for i, v in enumerate(self.vocabularies))])

    def table_matrix(self, table: pd.DataFrame) -> Matrix:
        """Describe the rows of a stats table, shape (rows, features)."""
        matrix = np.empty((len(table), len(self.names)), dtype=np.float32)
        layers = layers_of(table)
        keys = table["layer_key"].to_numpy(dtype=str)
        for rows, setting in settings_of(table):
            unique, position = np.unique(keys[rows], return_inverse=True)
            matrix[rows] = self.layer_matrix([layers[key] for key in unique], setting)[position]
        evicted = table[EVICTED].to_numpy(dtype=np.float32, na_value=np.nan)
        said = np.isfinite(evicted)
        matrix[said, NUMBERS.index(EVICTED)] = evicted[said]
        return matrix


def evicted_mb(layers: Sequence[Layer], context: Context, *, live_elements: int | None = None) -> float:
    """Say what one run of a network touches, as far as it evicts caches, in MB of 2^20 bytes.

    Runtimes reuse the activations' memory, so that is all weights and the most that is alive at once.

    Args:
        layers: the network's layers.
        context: where it runs; its last-level cache bounds what can be evicted.
        live_elements: activation elements alive at once, at most; without it, the largest layer's stand in.
    """
    elements = sum(layer.weight_elements for layer in layers) + largest_live_elements(layers, live_elements)
    return cache.evicted_mb(4 * elements / 2**20, context)


def largest_live_elements(layers: Sequence[Layer], live_elements: int | None) -> int:
    """Give the most activation elements that are alive at once; where it is unknown, the largest layer's in and out."""
    if live_elements is not None:
        return live_elements
    return max((layer.input_volume + layer.output_volume for layer in layers), default=0)


def _implied(layer: Layer) -> tuple[float, ...]:
    """Compute the features of :data:`_IMPLIED`, in its order."""
    work, traffic = flops(layer), bytes_moved(layer)
    return (
        work,
        traffic,
        work / max(traffic, 1),
        work / max(layer.output_volume, 1),
        layer.in_channels / max(layer.groups, 1),
        layer.in_channels % 4,
        layer.in_channels % 16,
        layer.channels % 4,
        layer.channels % 16,
        len(layer.input_shapes),
        len(layer.fused_ops),
        *_tiling(layer),
    )


def _tiling(layer: Layer) -> tuple[float, ...]:
    """Say how a layer falls into the pieces that GPU kernels work on: slices of four channels, tiles of 4 × 4 pixels."""
    in_slices, out_slices = -(-layer.in_channels // _SLICE), -(-layer.channels // _SLICE)
    positions = layer.out_height * layer.out_width
    tiles = winograd_tiles(layer)
    return in_slices, out_slices, positions, positions * out_slices, winograd_applies(layer), tiles


def winograd_tiles(layer: Layer) -> int:
    """Count the output tiles of F(4 × 4, 3 × 3), Lavin and Gray 2016; 0 where a layer is none that Winograd's kernel computes."""
    is_dense_3x3 = layer.type == CONV and (layer.kernel_height, layer.kernel_width) == (3, 3)
    if not is_dense_3x3 or (layer.stride_height, layer.stride_width, layer.dilation) != (1, 1, 1):
        return 0
    return -(-layer.out_height // _WINOGRAD_TILE) * -(-layer.out_width // _WINOGRAD_TILE)


def winograd_applies(layer: Layer) -> bool:
    """Tell whether mobile GPU libraries take Winograd's kernel for a layer, by the rule that they use.

    A dense 3 × 3 convolution of stride 1 with at least 16 slices of four channels on either side, and tiles enough to
    fill the GPU. The rule stands for all phones: which libraries differ from it is left to the regressor.
    """
    slices = min(layer.in_channels, layer.channels) / _SLICE
    return slices > _WINOGRAD_SLICES - 1 and winograd_tiles(layer) >= _WINOGRAD_TILES


def _one_hot(vocabulary: Vocabulary, words: Sequence[str | None]) -> Matrix:
    """Mark each word's column, shape (rows, words of the vocabulary)."""
    known = np.array(vocabulary.words, dtype=object)
    matrix: Matrix = (np.array(words, dtype=object)[:, None] == known[None, :]).astype(np.float32)
    return matrix
