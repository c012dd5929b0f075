"""Made-up accuracies of MobileNetV2 networks, to compare searches of long spaces where no table can be.

    PYTHONPATH=benchmarks nas benchmark --space mobilenetv2 --tier low --limits 74 --signal surrogate_accuracy:second
        --controllers comet,comet:starts=1000000,local-search:assist=near-budget,random:assist=near-budget
        --seeds 10 --budget 60

(one line, after ``metamodel fit datasets/stats.parquet``). They say nothing about any data set. What they share with real ones: more capacity helps, less and less; every stage has a
taste of its own in kernels, expansions and depth; neighbouring choices are alike; blocks interact a little.
"""

from __future__ import annotations

import functools
import math

import numpy as np

STAGES = (1, 2, 3, 4, 3, 3, 1)


def first(blocks: list[dict[str, int] | None]) -> float:
    """Give a network's accuracy in percent."""
    return _accuracy(blocks, 1)


def second(blocks: list[dict[str, int] | None]) -> float:
    """Give a network's accuracy in percent, on other made-up data."""
    return _accuracy(blocks, 2)


def third(blocks: list[dict[str, int] | None]) -> float:
    """Give a network's accuracy in percent, on other made-up data again."""
    return _accuracy(blocks, 3)


@functools.cache
def _tastes(landscape: int) -> tuple[np.ndarray, ...]:
    """Draw what a landscape likes: kernels (7, 3), expansions (7, 6), capacity (7,), depth (7,), skips, pairs (17, 17)."""
    random = np.random.default_rng(landscape)
    return (
        random.normal(0, 0.3, (7, 3)),
        random.normal(0, 0.2, (7, 6)),
        random.uniform(0.2, 1.0, 7),
        random.uniform(0.1, 0.5, 7),
        random.uniform(0, 0.3, 1),
        random.normal(0, 0.045, (17, 17)),
    )


def _accuracy(blocks: list[dict[str, int] | None], landscape: int) -> float:
    kernels, expansions, capacity, depth, skip, pairs = _tastes(landscape)
    stages = [stage for stage, slots in enumerate(STAGES) for _ in range(slots)]
    worth = np.zeros(len(stages))
    for slot, (stage, block) in enumerate(zip(stages, blocks, strict=True)):
        if block is not None:
            worth[slot] = (
                kernels[stage, (block["kernel_size"] - 3) // 2]
                + expansions[stage, block["expansion"] - 1]
                + capacity[stage] * math.log2(block["channels"] * block["expansion"]) / 4
                + skip[0] * block["idskip"]
                + depth[stage]
            )
    total = worth.sum() + worth @ pairs @ worth
    return float(100 / (1 + math.exp(-total / 8)))
