"""Is the network that a search finds any good? Trained for real, beside MobileNetV2 by hand, scaled, and random search.

    metamodel fit datasets/stats.parquet
    python benchmarks/bench_real_training.py --seeds 5 -o runs/real-training

For every seed: AutoCoMET's search and near-budget random search ask the same shared weights as often; the winner of each
is chosen among its finalists. MobileNetV2 is trained as it is by hand, and scaled in depth and width to the latency of
AutoCoMET's winner. All are trained alone by one schedule. Prints, over seeds, what the winner gains on each of them,
with the 95 % interval of Student, its predicted latency over the manual design's, and what the last thirds of the
trainings gained. Latencies are the predictor's; of a tier they are no phone's. What was trained is kept in the folder, so
that the same command goes on. A seed takes about an hour of two cores on Fashion-MNIST.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy import stats

from metamodel.interface import load_predictor
from nas.datasets.data import data_source
from nas.limits.signals import Limit
from nas.networks.layers import network_layers
from nas.searching.prepared import Prepared, device_setting, prepare
from nas.searching.run import ask, share_weights
from nas.searching.search import Record, finalists
from nas.searching.settings import RunSettings, usual_settings
from nas.space import Architecture, Space
from nas.spaces.mobilenetv2 import scaled_mobilenetv2
from nas.training.curve import gain_of_last_third
from nas.training.quality import accuracy_of
from nas.training.train import reproducible, train_alone
from nas.trellis import architecture_of
from parsers.console import progress
from parsers.device_config import load_device_config
from parsers.roofline import macs

MOST_MACS = 3e6
DEPTHS = (0.25, 0.5, 0.75, 1.0)
WIDTHS = tuple(np.arange(0.5, 4.01, 0.125))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """One network of one seed, trained alone."""

    seed: int
    who: str
    name: str
    latency_ms: float
    """Predicted."""
    macs: int
    validation: float
    test: float
    late_gain: float
    """What the last third of its training gained on validation images."""


def main() -> None:
    """Train what is not trained yet, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="folder of the predictor")
    parser.add_argument("--tier", default="low", help="device searched for")
    parser.add_argument("--data", default="fashion-mnist", help="as of nas run")
    parser.add_argument("--budget", type=int, default=60, help="queries of each search")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--finalists", type=int, default=3, help="of each search that are trained alone")
    parser.add_argument("--workers", type=int, default=2, help="networks that are trained beside each other")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder that keeps what was trained")
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    rows: list[Trained] = []
    for seed in range(options.seeds):
        kept = options.output / f"seed{seed}.json"
        if not kept.exists():
            found = [asdict(row) for row in one_seed(seed, options)]
            kept.with_suffix(".partial").write_text(json.dumps(found, indent=1), encoding="utf-8")
            kept.with_suffix(".partial").replace(kept)
        rows += [Trained(**row) for row in json.loads(kept.read_text(encoding="utf-8"))]
        print_rows([row for row in rows if row.seed == seed])
    print_comparison(rows)


def one_seed(seed: int, options: argparse.Namespace) -> list[Trained]:
    """Search twice with the same shared weights, and train all that is compared."""
    device = load_device_config(options.tier)
    limits = (
        Limit(target="latency", value=float(device.latency_limit_ms or 0)),
        Limit(target="macs", value=MOST_MACS),
    )
    settings = replace(usual_settings(device, limits, options.data), seed=seed, budget=options.budget)
    prepared = prepare(settings, load_predictor(options.model))
    found: dict[str, Sequence[Record]] = {}
    with reproducible(seed, settings.threads):
        begun = time.perf_counter()
        source = share_weights(prepared, progress)
        for controller in ("comet", "random"):
            asked = replace(prepared, settings=replace(settings, controller=controller))
            found[controller] = finalists(ask(asked, source, progress), options.finalists)
            print(f"seed {seed}: {controller} done {(time.perf_counter() - begun) / 60:.1f} min after the start")
    space = prepared.problem.space
    jobs = [
        (controller, f"finalist-{place}", space, architecture_of(space, record.choices))
        for controller, records in found.items()
        for place, record in enumerate(records, start=1)
    ]
    jobs.append(("manual", "by hand", space, space.manual()))
    jobs += scaled(prepared, found["comet"][0].costs[0])
    with progress(f"seed {seed}: training alone", len(jobs)) as advance:
        trained: list[Trained] = []
        work = (delayed(train)(prepared, seed, *job) for job in jobs)
        for row in Parallel(n_jobs=options.workers, return_as="generator")(work):
            trained.append(row)
            advance(len(trained), f"{row.who} {row.name}: {row.validation:.2%}")
    return trained


def scaled(prepared: Prepared, latency_ms: float) -> Iterator[tuple[str, str, Space, Architecture]]:
    """Scale MobileNetV2 by hand to a latency: for every depth the widest that keeps it, and the limit on MACs."""
    space = prepared.problem.space
    for depth in DEPTHS:
        fitting = []
        for width in WIDTHS:
            one = scaled_mobilenetv2(space.image, space.classes, depth=depth, width=float(width))
            cost_ms, operations = price(prepared, one, one.manual())
            if cost_ms <= latency_ms and operations <= MOST_MACS:
                fitting.append((width, one))
        if fitting:
            width, one = fitting[-1]
            yield "scaled", f"depth {depth:g}, width {width:g}", one, one.manual()


def price(prepared: Prepared, space: Space, architecture: Architecture) -> tuple[float, int]:
    """Predict a network's latency in milliseconds, and count its multiply-accumulates."""
    layers = network_layers(space, architecture)
    costs = prepared.predictor.predict_network(layers, device_setting(prepared.settings.device))
    return float(costs.latency_ms or np.nan), sum(map(macs, layers))


def train(prepared: Prepared, seed: int, who: str, name: str, space: Space, architecture: Architecture) -> Trained:
    """Train one network alone, and judge it."""
    settings: RunSettings = prepared.settings
    data = data_source(settings.data).load(seed)
    trained = train_alone(
        space, architecture, data, settings.alone, seed=seed, threads=settings.threads, advance=lambda *_: None
    )
    latency_ms, operations = price(prepared, space, architecture)
    return Trained(
        seed=seed,
        who=who,
        name=name,
        latency_ms=latency_ms,
        macs=operations,
        validation=accuracy_of(trained.network, data.validation),
        test=accuracy_of(trained.network, data.test),
        late_gain=gain_of_last_third(trained.curve),
    )


def print_rows(rows: Sequence[Trained]) -> None:
    """Print one seed's networks."""
    for row in rows:
        print(
            f"seed {row.seed}  {row.who:8} {row.name:24} {row.latency_ms:7.1f} ms {row.macs / 1e6:5.2f} MMACs  "
            f"validation {row.validation:.2%}  test {row.test:.2%}  last third +{100 * row.late_gain:.2f}"
        )


def print_comparison(rows: Sequence[Trained]) -> None:
    """Print what AutoCoMET's winner gains on each of the others, over seeds; everybody's pick is by validation images."""
    seeds = sorted({row.seed for row in rows})

    def pick(who: str, seed: int) -> Trained:
        return max((row for row in rows if (row.who, row.seed) == (who, seed)), key=lambda row: row.validation)

    shares = [pick("comet", seed).latency_ms / pick("manual", seed).latency_ms for seed in seeds]
    print(f"predicted latency of the winner over the manual design's: {max(shares):.1%} at most")
    for other in ("manual", "scaled", "random"):
        gains = 100 * np.array([pick("comet", seed).test - pick(other, seed).test for seed in seeds])
        half = stats.t.ppf(0.975, len(seeds) - 1) * stats.sem(gains) if len(seeds) > 1 else np.nan
        print(
            f"test accuracy of the winner minus {other}: {gains.mean():+.2f} ± {half:.2f} points over {len(seeds)} seeds"
        )
    print(f"largest gain of a last third: {100 * max(row.late_gain for row in rows):.2f} points")


if __name__ == "__main__":
    main()
