"""Do one-layer measurements add up to the network? Isolated rows against whole networks, from one campaign's table.

    profile collect --device host --suite networks --campaign networks
    python benchmarks/bench_layer_sums.py runs/networks/stats.parquet

For each whole network of the table: the sum of its layers' isolated times, corrected by ``a·Σt + b·nodes + c·bytes``
fitted without that network, against the unprofiled wall time; and, over its convolutions, the ratio of a layer's
isolated time to its time inside the network.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from metamodel.correction import Correction, fit_corrections
from metamodel.interface import Setting
from metamodel.rows import select_rows
from parsers.operators import CONVOLUTIONS
from parsers.schema import Layer, Scope, Status
from parsers.stats import read_stats


def main() -> None:
    """Print one line per network and the two figures that matter."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} STATS.parquet")
    table = read_stats(Path(sys.argv[1]))
    for correction in corrections(table):
        print(f"{correction.device}, {correction.provider}, {correction.threads} thread(s):")
        print_sums(correction)
    print_ratios(table)


def corrections(table: pd.DataFrame) -> tuple[Correction, ...]:
    """Fit the correction on measured layers alone: a layer without an isolated row is an error here, not a guess."""

    def refuse(layers: Sequence[Layer], setting: Setting) -> np.ndarray:
        if layers:
            raise SystemExit(f"{len(layers)} layers on {setting.device} have no isolated row, such as {layers[0]}.")
        return np.empty(0)

    return fit_corrections(select_rows([table]), refuse)


def print_sums(correction: Correction) -> None:
    """Print wall time, raw sum and held-out corrected sum of every network."""
    print(
        f"  a = {correction.per_time:.3f}, b = {correction.per_node_ms * 1e3:.2f} us, c = {correction.per_byte_ms:.2e} ms/B"
    )
    print(f"  {'network':12} {'layers':>6} {'wall ms':>9} {'sum':>7} {'corrected, held out':>20}")
    for fit in correction.networks:
        held_out = fit.held_out_ms or float("nan")
        raw, error = fit.sum_ms / fit.wall_ms - 1, held_out / fit.wall_ms - 1
        print(f"  {fit.network:12} {fit.layers:6} {fit.wall_ms:9.3f} {raw:+7.1%} {error:+20.1%}")


def print_ratios(table: pd.DataFrame) -> None:
    """Print percentiles of isolated over in-network time of the convolutions, by network and over all."""
    good = table[(table["status"] == Status.OK.value) & table["type"].isin(CONVOLUTIONS)]
    alone = good[good["scope"] == Scope.ISOLATED.value].groupby("layer_key")["execution_time_ms"].median()
    inside = good[good["scope"] == Scope.IN_NETWORK.value]
    ratios = (inside["layer_key"].map(alone) / inside["execution_time_ms"]).rename("ratio")
    print("convolutions, isolated / in network:")
    for network, part in [*ratios.groupby(inside["networks"]), ("all", ratios)]:
        low, middle, high = np.percentile(part.dropna(), [10, 50, 90])
        print(f"  {network:12} n = {len(part):3}   p10 {low:.3f}   p50 {middle:.3f}   p90 {high:.3f}")


if __name__ == "__main__":
    main()
