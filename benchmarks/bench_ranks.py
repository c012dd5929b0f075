"""Do a search's queries rank networks as training each alone does, and what does either take?

    metamodel fit datasets/stats.parquet
    python benchmarks/bench_ranks.py --space mobilenetv2-tiny --data mnist-5k --seeds 3

Draws networks near the low tier's limit as a search first does, trains each alone by the usual schedule, and asks about each
in both ways that a search can: as a path through shared weights, trained as a search trains them, and by a brief training.
Prints Spearman's coefficient between either accuracy and that of training alone, for every seed and over them. Accuracies
are those on validation images; of masks, the intersection over union.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from metamodel.interface import Predictor, load_predictor
from nas.networks.layers import network_layers
from nas.searching.environment import SHARPNESS
from nas.searching.prepared import prepare
from nas.searching.problem import Sampler
from nas.searching.run import measured_accuracy
from nas.searching.run_file import RunOptions, settings_of
from nas.searching.settings import RunSettings
from nas.training.accuracy import JUDGED_BY, AccuracyName
from nas.training.rank import different, judge_alone, rank_correlation
from parsers.console import progress
from parsers.roofline import macs


def main() -> None:
    """Print each seed's networks and coefficients, and the coefficients' mean and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="folder of the predictor")
    parser.add_argument("--space", default="mobilenetv2", help="whose networks are drawn")
    parser.add_argument("--data", default="mnist-5k", help="as of nas run")
    parser.add_argument("--device", default="low", help="tier or phone whose limit networks keep")
    parser.add_argument("--limit", action="append", help="as of nas run, beside or instead of the device's")
    parser.add_argument("--accuracy", action="append", choices=list(AccuracyName), help="only these ways")
    parser.add_argument("--networks", type=int, default=20, help="of each seed")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, help="of splits, weights, draws and trainings")
    parser.add_argument(
        "--sharpness", type=int, default=SHARPNESS, help="of the draw near the limit; 0 draws uniformly within it"
    )
    for training in ("shared", "tuning", "brief", "alone"):
        parser.add_argument(f"--{training}-epochs", type=float, help="as of nas run")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--workers", type=int, default=1, help="networks that are trained alone beside each other")
    options = parser.parse_args()

    predictor = load_predictor(options.model)
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for way, coefficient in judge(seed, options, predictor).items():
            found[way].append(coefficient)
    for way, coefficients in found.items():
        print(
            f"{options.space} on {options.data}, {options.networks} networks, by {JUDGED_BY[way]}: Spearman's coefficient "
            f"{statistics.mean(coefficients):.2f}, from {min(coefficients):.2f} to {max(coefficients):.2f} over "
            f"{len(coefficients)} seeds ({', '.join(f'{one:.2f}' for one in coefficients)})"
        )


def judge(seed: int, options: argparse.Namespace, predictor: Predictor) -> dict[str, float]:
    """Draw networks by one seed, judge them in all ways, print what it came to, and give the coefficients."""
    settings = settings_for(seed, options)
    prepared = prepare(settings, predictor)
    space, data = prepared.problem.space, prepared.images
    networks = different(Sampler(prepared.problem, seed=seed + 1, sharpness=options.sharpness).draw, options.networks)
    millions = [sum(map(macs, network_layers(space, one))) / 1e6 for one in networks]
    print(f"seed {seed}: networks of {min(millions):.2f} to {max(millions):.2f} MMACs")
    begun = time.perf_counter()
    with progress(f"Seed {seed}: training alone", len(networks)) as advance:
        judged = judge_alone(
            space,
            networks,
            data,
            settings.alone,
            seed=seed,
            threads=options.threads,
            workers=options.workers,
            advance=advance,
        )
    alone = [one.accuracy for one in judged]
    each_s = (time.perf_counter() - begun) / len(networks)
    print(
        f"  alone: {spread(alone)}, the last third gains {spread([one.late_gain for one in judged])}; {each_s:.0f} s each"
    )
    found = {}
    for way in options.accuracy or AccuracyName:
        begun = time.perf_counter()
        source = measured_accuracy(replace(prepared, settings=replace(settings, accuracy=way)), progress)
        ready_s = time.perf_counter() - begun
        queried = [source.accuracy(one) for one in networks]
        query_s = (time.perf_counter() - begun - ready_s) / len(networks)
        found[way] = rank_correlation(queried, alone)
        print(
            f"  by {JUDGED_BY[way]}: {spread(queried)}, Spearman {found[way]:.2f}; {ready_s:.0f} s before the first query, "
            f"{query_s:.1f} s each",
            flush=True,
        )
    return found


def settings_for(seed: int, options: argparse.Namespace) -> RunSettings:
    """Say how a search would go."""
    said = RunOptions(
        device=options.device,
        limits=tuple(options.limit) if options.limit else None,
        space=options.space,
        data=options.data,
        seed=seed,
        threads=options.threads,
        shared_epochs=options.shared_epochs,
        tuning_epochs=options.tuning_epochs,
        brief_epochs=options.brief_epochs,
        alone_epochs=options.alone_epochs,
    )
    return settings_of(said)


def spread(values: Sequence[float]) -> str:
    """Give mean and range, in percent."""
    return f"{statistics.mean(values):.2%} ({min(values):.2%} to {max(values):.2%})"


if __name__ == "__main__":
    main()
