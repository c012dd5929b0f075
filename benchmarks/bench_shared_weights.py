"""Do shared weights rank networks as training each alone does, and what does either take?

    metamodel fit datasets/stats.parquet
    python benchmarks/bench_shared_weights.py --model models/default --space mobilenetv2-tiny --data mnist-5k --seeds 3

Trains the shared weights for the low tier's limit as a search does, draws networks near the limit as a search first does,
asks the shared weights about each, trains each alone by the usual schedule, and prints Spearman's coefficient between both
accuracies, for every seed and over them. Accuracies are those on validation images; of masks, the intersection over union.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

from metamodel.interface import Predictor, load_predictor
from nas.datasets.data import Source, data_source
from nas.limits.signals import Limit
from nas.networks.layers import network_layers
from nas.searching.environment import SHARPNESS
from nas.searching.goals import Goals
from nas.searching.prepared import device_setting
from nas.searching.problem import Sampler, pose
from nas.spaces import make_space
from nas.training.accuracy import SharedWeightsAccuracy, train_shared_weights
from nas.training.rank import Ranked, different, judge_both_ways, rank_correlation
from nas.training.schedule import Schedules
from parsers.console import progress
from parsers.device_config import load_device_config
from parsers.roofline import macs


def main() -> None:
    """Print each seed's networks and coefficient, and the coefficients' mean and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="folder of the predictor")
    parser.add_argument("--space", default="mobilenetv2", help="whose networks are drawn")
    parser.add_argument("--data", default="mnist-5k", help="as of nas run")
    parser.add_argument("--device", default="low", help="tier or phone whose limit networks keep")
    parser.add_argument("--networks", type=int, default=20, help="of each seed")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, help="of splits, weights, draws and trainings")
    parser.add_argument(
        "--sharpness", type=int, default=SHARPNESS, help="of the draw near the limit; 0 draws uniformly within it"
    )
    parser.add_argument("--shared-epochs", type=float, help="of the weight-sharing network")
    parser.add_argument("--tuning-epochs", type=float, help="of each path, before it is judged")
    parser.add_argument("--alone-epochs", type=float, help="of each network alone")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--workers", type=int, default=1, help="networks that are trained beside each other")
    options = parser.parse_args()

    predictor = load_predictor(options.model)
    coefficients = [
        rank_correlation(judge(seed, options, predictor))
        for seed in range(options.first_seed, options.first_seed + options.seeds)
    ]
    print(
        f"{options.space} on {options.data}, {options.networks} networks: Spearman's coefficient "
        f"{statistics.mean(coefficients):.2f}, from {min(coefficients):.2f} to {max(coefficients):.2f} over "
        f"{len(coefficients)} seeds ({', '.join(f'{one:.2f}' for one in coefficients)})"
    )


def judge(seed: int, options: argparse.Namespace, predictor: Predictor) -> tuple[Ranked, ...]:
    """Train shared weights by one seed, judge networks both ways, and print what it came to."""
    source = data_source(options.data)
    schedules = schedules_of(source, options)
    data = source.load(seed)
    device = load_device_config(options.device)
    space = make_space(options.space, image=source.image, classes=source.classes)
    goals = Goals(limits=(Limit(target="latency", value=device.latency_limit_ms),))
    problem = pose(space, predictor, device_setting(device), goals)
    begun = time.perf_counter()
    with progress(f"Seed {seed}: shared weights", schedules.shared.steps(len(data.train))) as advance:
        supernet = train_shared_weights(
            space,
            data,
            schedules.shared,
            Sampler(problem, seed=seed).draw,
            seed=seed,
            threads=options.threads,
            advance=advance,
        )
    shared_s = time.perf_counter() - begun
    near_limit = Sampler(problem, seed=seed + 1, sharpness=options.sharpness)
    networks = different(near_limit.draw, options.networks)
    accuracy = SharedWeightsAccuracy(supernet, data, tuning=schedules.tuning, seed=seed, threads=options.threads)
    begun = time.perf_counter()
    accuracy.accuracy(networks[0])
    query_s = time.perf_counter() - begun
    begun = time.perf_counter()
    with progress(f"Seed {seed}: networks", len(networks)) as advance:
        ranked = judge_both_ways(
            space,
            networks,
            accuracy,
            data,
            schedules.alone,
            seed=seed,
            threads=options.threads,
            workers=options.workers,
            advance=advance,
        )
    each_s = (time.perf_counter() - begun) / len(networks) - query_s
    millions = [sum(map(macs, network_layers(space, one))) / 1e6 for one in networks]
    print(f"seed {seed}: networks of {min(millions):.2f} to {max(millions):.2f} MMACs")
    for figure, what in (("shared", "by shared weights"), ("alone", "alone"), ("late_gain", "gain of the last third")):
        values = [getattr(one, figure) for one in ranked]
        print(f"  {what}: {statistics.mean(values):.2%}, from {min(values):.2%} to {max(values):.2%}")
    print(
        f"  Spearman {rank_correlation(ranked):.2f}; shared weights took {shared_s:.0f} s, a query {query_s:.1f} s, "
        f"a training alone {each_s:.0f} s",
        flush=True,
    )
    return ranked


def schedules_of(source: Source, options: argparse.Namespace) -> Schedules:
    """Give the usual schedules, but for the epochs that were given."""
    usual = source.schedules
    given = {name: getattr(options, f"{name}_epochs") for name in ("shared", "tuning", "alone")}
    return replace(
        usual,
        **{name: replace(getattr(usual, name), epochs=epochs) for name, epochs in given.items() if epochs is not None},
    )


if __name__ == "__main__":
    main()
