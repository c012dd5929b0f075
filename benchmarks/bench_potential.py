"""How long potentials and masks take on a long space, in processor time of one core.

MobileNetV2's seventeen slots, three widths each, at a fixed price per layer and per operation; limits at the share of the
backbone's costs that ``--share`` says. A draw is one network, slot by slot, once what it needs has been laid down; the
first draw lays it down. The many-shapes line lays a space down that carries as many shapes as are still tabulated.

    python benchmarks/bench_potential.py
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from metamodel.interface import LayerCosts, NetworkCosts, Setting
from nas.limits.costs import Budget, CostTable, PricedSignal
from nas.limits.drawing import draw
from nas.limits.pricing import price_signals
from nas.potentials.level_potential import LevelPotential
from nas.potentials.potential import MOST_NODES, ExactPotential, Potential
from nas.space import Image
from nas.spaces import make_space
from nas.trellis import Trellis, space_trellis
from parsers.roofline import bytes_moved, flops
from parsers.schema import Context, Layer

NAMES = ("latency", "energy", "power", "memory")
SHARPNESS = (5, 50)

Result = TypeVar("Result")


class RooflinePredictor:
    """A price per layer, per operation and per byte."""

    targets: tuple[str, ...] = NAMES

    def predict_layers(self, layers: Sequence[Layer], setting: Setting) -> LayerCosts:  # noqa: ARG002
        """Price layers."""
        latency = np.array([0.01 + flops(one) / 2e7 + bytes_moved(one) / 1e7 for one in layers])
        elements = np.array([one.weight_elements + one.input_volume + one.output_volume for one in layers])
        power = 400 + np.array([flops(one) / 1e5 for one in layers])
        return LayerCosts(
            latency_ms=latency,
            network_latency_ms=latency,
            memory_mb=4e-6 * elements,
            power_mw=power,
            energy_mj=latency * power / 1e3,
        )

    def predict_network(self, layers: Sequence[Layer], setting: Setting) -> NetworkCosts:
        """Add layers' prices up."""
        costs = self.predict_layers(layers, setting)
        elements = sum(one.weight_elements for one in layers)
        elements += max(one.input_volume + one.output_volume for one in layers)
        return NetworkCosts(
            latency_ms=None if costs.latency_ms is None else float(np.sum(costs.latency_ms)),
            memory_mb=4e-6 * elements,
            power_mw=None,
            energy_mj=None if costs.energy_mj is None else float(np.sum(costs.energy_mj)),
            layers=costs,
        )


def main() -> None:
    """Print a line per potential and per set of limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.7, help="limits as a share of the backbone's costs")
    parser.add_argument("--draws", type=int, default=50)
    options = parser.parse_args()
    space = make_space("mobilenetv2", image=Image(channels=3, height=224, width=224), classes=1000)
    trellis, setting = space_trellis(space), Setting(context=Context(cores=4, memory_gb=4.0, clock_freq_ghz=2.0))
    spent, priced = timed(lambda: price_signals(space, RooflinePredictor(), setting, NAMES))
    print(f"{trellis.slots} slots, at most {trellis.widest} choices; four costs priced in {spent:.2f} s")
    costs = Budget(trellis, priced).costs(trellis.complete(()))
    limited = [replace(signal, limit=cost * options.share) for signal, cost in zip(priced, costs, strict=True)]
    limited[2] = replace(
        priced[2], limit=costs[2] * 1.01
    )  # power: of the layer that draws most, which is the stem's or so
    for count in range(1, len(limited) + 1):
        spent, budget = timed(partial(Budget, trellis, limited[:count]))
        names = "+".join(signal.name for signal in limited[:count])
        fair = draw_ms(budget, [], options.draws)
        print(f"limits {names:28} laid down in {spent:6.3f} s, a fair draw {fair:6.2f} ms, thinned: {budget.thinned}")
    for sharpness in SHARPNESS:
        for signal in limited:
            budget = Budget(trellis, [signal])
            report(f"{signal.name} <= T, c = {sharpness}", budget, sharpness, options.draws)
    report("latency, no limit, c = 5", Budget(trellis, priced[:1]), 5, options.draws)
    report(f"{MOST_NODES} shapes, c = 5", many_shapes(), 5, options.draws)


def report(title: str, budget: Budget, sharpness: int, draws: int) -> None:
    """Print how long a potential takes to lay down, and a draw by it."""
    limited = budget.limited[0] and not budget.signals[0].is_maximum

    def build() -> Potential:
        if limited:
            return ExactPotential(budget, sharpness=sharpness)
        return LevelPotential(budget, sharpness=sharpness, signal=0)

    spent, potential = timed(build)
    first = draw_ms(budget, [potential], 1)
    print(f"{title:28} laid down in {spent:6.3f} s, first draw {first:7.1f} ms, ", end="")
    print(f"a draw {draw_ms(budget, [potential], draws):6.2f} ms")


def draw_ms(budget: Budget, potentials: Sequence[Potential], draws: int) -> float:
    """Time draws of one network each, in ms."""
    random = np.random.default_rng(0)

    def all_draws() -> None:
        for _ in range(draws):
            draw(
                budget,
                lambda at, mask: sum(
                    (item.values(at.slot, at.nodes, at.spent) for item in potentials), np.zeros(mask.shape)
                ),
                1,
                random,
            )

    return 1e3 * timed(all_draws)[0] / draws


def many_shapes() -> Budget:
    """Lay eight slots of ten choices out, the fifth of which may be handed as many shapes as are still tabulated."""
    random = np.random.default_rng(0)
    counts = [1, 10, 100, 1000, MOST_NODES, 1000, 100, 10, 1]
    successors = [np.arange(10 * count).reshape(count, 10) for count in counts[:4]]
    successors += [random.integers(after, size=(count, 10)) for count, after in itertools.pairwise(counts[4:])]
    trellis = Trellis(
        successors=tuple(successors),
        backbone=tuple(np.zeros(count, dtype=np.int64) for count in counts[:-1]),
        attributes=tuple(np.zeros((count, 10, 1)) for count in counts[:-1]),
        carried=tuple(np.zeros((count, 1)) for count in counts),
    )
    steps = tuple(random.uniform(0.1, 1.0, successor.shape) for successor in successors)
    table = CostTable(start=0.1, steps=steps, end=np.zeros(1))
    return Budget(trellis, [PricedSignal(name="latency", unit="ms", tables=(table,), limit=4.0)])


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Give the seconds of processor time that work took, and its result."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


if __name__ == "__main__":
    main()
