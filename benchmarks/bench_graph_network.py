"""Does B-o-B predict whole networks as well as BRP-NAS's graph network, and how much faster?

    python benchmarks/bench_graph_network.py TABLE.npz --cost lat_pixel3 --floor 0.5

Both learn a cost column of a table of cell networks (see ``metamodel/cell_tables.py``) from the same networks, drawn at
random anew for each seed, and predict all others; everything runs on one thread. ``B-o-B`` is the bag that ``metamodel fit``
fits, compiled as for a search; ``B-o-B, depth`` lets a cross-fit among the training networks choose the depth of its trees.
Accuracy is the share of networks whose prediction is within 10 % (5 %) of what was measured. Times are the
process's own, so that what else runs on the machine counts little. A prediction goes from operations to costs: of a single
network, the median of many, and of all test networks at once, per network. The line ``twin`` is the noise of the table: how
well a network's cost is predicted by that of another that does the same, its cell's inner points in another order. Below each
column stands what the paper claims of B-o-B, that it matches at a third of the time, judged by paired differences over the
seeds and their 95 % interval (Student's t).

The graph network learns for 100 epochs here. Its authors let it for 250: ``--epochs 250``, two and a half minutes a
seed and column on an idle core in place of one. ``--cost`` may be given several times; ``--floor`` holds for all.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student

from metamodel.bag import BagOfBoosted
from metamodel.cell_tables import Cells, IntArray, cell_classes, cell_features, cell_graphs, kinds_of, read_cells
from metamodel.compiled import compile_bag
from metamodel.errors import TableError
from metamodel.graph_network import GraphRegressor, GraphSettings
from metamodel.interface import FloatArray
from metamodel.recipe import Judged, Recipe, Trees, new_bag
from parsers.console import progress

Predict = Callable[[IntArray], FloatArray]
"""From operations, shape (n, N), to costs, shape (n,)."""
Fit = Callable[[Cells, IntArray, int, int], Predict]
"""Learns from some rows; takes the networks, the rows' numbers, the number of kinds and a seed."""

BAG, BAG_OF_DEPTH, GCN = "B-o-B", "B-o-B, depth", "GCN"
HEADS = f"{'':12} {'±10 % [%]':>13} {'±5 % [%]':>13} {'Spearman':>15} {'ms/prediction':>15} {'µs in bulk':>13} {'fit [s]':>13}"
EPOCHS = 100
"""Of the graph network, for a run of minutes; its authors take 250."""
DEPTHS = (3, 4, 5, 6)
"""Of the trees, to choose from."""
CLAIMED_SHARE = 1 / 3
"""Of the graph network's time, the paper's claim (its Table II)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one fitted predictor did."""

    within_10: float
    within_5: float
    spearman: float
    predict_ms: float
    """One network at a time."""
    bulk_us: float
    """A network's share, all test networks at once."""
    fit_s: float


def main() -> None:
    """Print a line per predictor: mean ± standard deviation over seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the .npz: columns op1, op2, … and costs")
    parser.add_argument("--cost", required=True, action="append", help="column to predict; may be given several times")
    parser.add_argument("--floor", type=float, default=0.0, help="costs below this are taken for it")
    parser.add_argument("--training", type=int, default=900, help="networks to learn from")
    parser.add_argument("--seeds", type=int, default=3, help="draws of training networks")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of the graph network")
    parser.add_argument("--batch", type=int, default=GraphSettings().batch, help="networks of its batches")
    parser.add_argument("--pruned", action="store_true", help="give it BRP-NAS's own pruned graphs, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        tables = [read_cells(options.table, cost, floor=options.floor) for cost in options.cost]
        settings = GraphSettings(epochs=options.epochs, batch=options.batch)
    except (TableError, ValueError) as error:
        sys.exit(str(error))
    networks = len(tables[0])
    if not 0 < options.training < networks - 1:
        sys.exit(f"--training {options.training} leaves nothing to test on: the table has {networks} networks.")
    if options.seeds < 1:
        sys.exit(f"--seeds {options.seeds} leaves nothing to do.")
    contestants: dict[str, Fit] = {
        BAG: fit_bag,
        BAG_OF_DEPTH: fit_bag_of_chosen_depth,
        GCN: graph_fit(settings, pruned=False),
    }
    if options.pruned:
        contestants["GCN, pruned"] = graph_fit(settings, pruned=True)
    print(
        f"{options.training} training networks, {networks - options.training} test networks, {options.seeds} seeds; "
        f"GCN: {settings.epochs} epochs, batches of {settings.batch}"
    )
    print(HEADS, flush=True)
    for cells in tables:
        print_column(contestants, cells, training=options.training, seeds=options.seeds)


def print_column(contestants: dict[str, Fit], cells: Cells, *, training: int, seeds: int) -> None:
    """Print a cost's lines: the ceiling, the contestants, and the claim judged."""
    print(f"{cells.cost_name}\n{ceiling_line(cells)}", flush=True)
    scores: dict[str, list[Score]] = {}
    for name, fit in contestants.items():
        scores[name] = [contest(fit, cells, training=training, seed=seed) for seed in range(seeds)]
        print(line(name, scores[name]), flush=True)
    for name in (BAG, BAG_OF_DEPTH):
        print(f"  {name}: {verdict(scores[name], scores[GCN])}", flush=True)


def verdict(bag: list[Score], graph: list[Score]) -> str:
    """Judge "matches at a third of the time" by the networks within 10 %, seed against seed."""
    share = statistics.mean(score.predict_ms for score in bag) / statistics.mean(score.predict_ms for score in graph)
    time = f"at {share:.2f} of the GCN's time ({'within' if share <= CLAIMED_SHARE else 'more than'} a third)"
    differences = [one.within_10 - other.within_10 for one, other in zip(bag, graph, strict=True)]
    mean = statistics.mean(differences)
    if len(differences) < 2:
        return f"{mean:+.1f} points within ±10 %, one seed judges nothing; {time}"
    error = statistics.stdev(differences) / len(differences) ** 0.5
    half = float(student.ppf(0.975, len(differences) - 1)) * error
    judged = "matches" if abs(mean) <= half else "is better" if mean > 0 else "is worse"
    return f"{judged}: {mean:+.1f} ± {half:.1f} points within ±10 %; {time}"


def contest(fit: Fit, cells: Cells, *, training: int, seed: int) -> Score:
    """Fit to networks drawn with a seed; score on all others."""
    drawn = np.random.default_rng(seed).permutation(len(cells))
    learned, held_out = drawn[:training], drawn[training:]
    started = time.process_time()
    predict = fit(cells, learned, kinds_of(cells.operations), seed)
    fit_s = time.process_time() - started
    truth = cells.costs[held_out]
    started = time.process_time()
    predicted = predict(cells.operations[held_out])
    bulk_us = 1e6 * (time.process_time() - started) / len(held_out)
    within_10, within_5 = (share_within(predicted, truth, bound) for bound in (0.10, 0.05))
    return Score(
        within_10=within_10,
        within_5=within_5,
        spearman=spearman(predicted, truth),
        bulk_us=bulk_us,
        predict_ms=time_of_one_ms(predict, cells.operations[held_out[:200]]),
        fit_s=fit_s,
    )


def share_within(predicted: FloatArray, truth: FloatArray, bound: float) -> float:
    """Give the percentage of predictions whose relative error is at most ``bound``."""
    return 100 * float(np.mean(np.abs(predicted - truth) <= bound * truth))


def spearman(predicted: FloatArray, truth: FloatArray) -> float:
    """Correlate ranks; ties share their mean rank."""
    return float(np.corrcoef(pd.Series(predicted).rank(), pd.Series(truth).rank())[0, 1])


def ceiling_line(cells: Cells) -> str:
    """Say how well the measurement of a network's twin predicts it, over all pairs of neighbours among twins."""
    classes = cell_classes(cells.operations)
    order = np.lexsort((np.random.default_rng(0).random(len(cells)), classes))
    paired = np.flatnonzero(np.diff(classes[order]) == 0)
    if not paired.size:
        return f"{'twin':12} {'no network has one':>13}"
    one, other = cells.costs[order[paired]], cells.costs[order[paired + 1]]
    within_10, within_5 = share_within(one, other, 0.10), share_within(one, other, 0.05)
    return f"{'twin':12} {within_10:13.1f} {within_5:13.1f} {spearman(one, other):15.4f}   ({paired.size} pairs)"


def fit_bag(cells: Cells, rows: IntArray, kinds: int, seed: int) -> Predict:
    """Fit B-o-B, as the recipe has it, to logarithms of costs."""
    return fitted(new_bag(seed), cells, rows, kinds)


def fit_bag_of_chosen_depth(cells: Cells, rows: IntArray, kinds: int, seed: int) -> Predict:
    """Fit B-o-B with the depth whose trees, cross-fitted on the rows, err least."""
    features, learned = cell_features(cells.operations[rows], kinds=kinds), np.log(cells.costs[rows])
    recipes = [Recipe(trees=Trees(max_depth=depth), most_members=1, folds=5) for depth in DEPTHS]
    bags = [new_bag(seed, judged=Judged.CROSS_FIT, recipe=recipe).fit(features, learned) for recipe in recipes]
    best = int(np.argmin([bag.cross_errors_[0] for bag in bags]))
    return fitted(new_bag(seed, recipe=Recipe(trees=Trees(max_depth=DEPTHS[best]))), cells, rows, kinds)


def fitted(bag: BagOfBoosted, cells: Cells, rows: IntArray, kinds: int) -> Predict:
    """Fit a bag and compile it."""
    bag.fit(cell_features(cells.operations[rows], kinds=kinds), np.log(cells.costs[rows]))
    compiled = compile_bag(bag.members_)
    return lambda operations: np.exp(compiled.predict(cell_features(operations, kinds=kinds)))


def graph_fit(settings: GraphSettings, *, pruned: bool) -> Fit:
    """Make the fit of a graph network."""

    def fit(cells: Cells, rows: IntArray, kinds: int, seed: int) -> Predict:
        graphs = cell_graphs(cells.operations[rows], kinds=kinds, pruned=pruned)
        with progress(f"GCN, seed {seed}", settings.epochs) as advance:
            network = GraphRegressor(settings, seed=seed).fit(graphs, cells.costs[rows], advance)
        return lambda operations: network.predict(cell_graphs(operations, kinds=kinds, pruned=pruned))

    return fit


def time_of_one_ms(predict: Predict, operations: IntArray) -> float:
    """Time predictions of single networks; the median, after a few to warm up."""
    times = []
    for row in range(len(operations)):
        started = time.process_time()
        predict(operations[row : row + 1])
        times.append(time.process_time() - started)
    return 1e3 * statistics.median(times[len(times) // 10 :])


def line(name: str, scores: list[Score]) -> str:
    """Put a predictor's scores on one line."""

    def cell(values: list[float], digits: int, width: int) -> str:
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        return f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}".rjust(width)

    return " ".join(
        [
            name.ljust(12),
            cell([score.within_10 for score in scores], 1, 13),
            cell([score.within_5 for score in scores], 1, 13),
            cell([score.spearman for score in scores], 4, 15),
            cell([score.predict_ms for score in scores], 3, 15),
            cell([score.bulk_us for score in scores], 1, 13),
            cell([score.fit_s for score in scores], 1, 13),
        ]
    )


if __name__ == "__main__":
    main()
