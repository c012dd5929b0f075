"""Does the search find different networks for different phones, and better ones than chance?

    metamodel fit datasets/stats.parquet
    python benchmarks/bench_search.py --model models/default

Searches for the tiers flagship and low, prices both winners on the low tier, and trains the low winner and ten random
networks that keep the low tier's limit alone, all by the same schedule. The latencies are the predictor's for modelled
tiers, not any phone's. About nine minutes on an idle core.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from metamodel.interface import Predictor, load_predictor
from nas.datasets.data import data_source
from nas.limits.signals import Limit
from nas.searching.prepared import device_setting
from nas.searching.problem import Problem, Sampler, pose
from nas.searching.run import Outcome, run
from nas.searching.settings import DEFAULT_DATA, goals_of, usual_settings
from nas.spaces import make_space
from nas.training.quality import accuracy_of
from nas.training.train import Advance, reproducible, train_alone
from nas.trellis import choices_of
from parsers.console import progress
from parsers.device_config import load_device_config


def main() -> None:
    """Print both winners, and the low winner beside the random networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="folder of the predictor")
    parser.add_argument("--seed", type=int, default=0, help="seed of searches, draws and trainings")
    parser.add_argument("--random", type=int, default=10, help="random networks to compare with")
    parser.add_argument("--budget", type=int, default=50, help="accuracy queries of each search")
    parser.add_argument("--alone-epochs", type=int, help="epochs of every network that is trained alone")
    options = parser.parse_args()

    predictor = load_predictor(options.model)
    flagship, low = (
        search_tier(tier, predictor, seed=options.seed, budget=options.budget, alone_epochs=options.alone_epochs)
        for tier in ("flagship", "low")
    )
    problem = problem_of(low, predictor)
    print_winners(flagship, low, problem)
    accuracies = random_accuracies(low, problem, options.random)
    better = sum(low.winner.test_accuracy > accuracy for accuracy in accuracies)
    print(
        f"trained alone, {low.winner.test_images} test images: low winner {low.winner.test_accuracy:.2%}; "
        f"{len(accuracies)} random networks within the limit: median {statistics.median(accuracies):.2%}, "
        f"from {min(accuracies):.2%} to {max(accuracies):.2%}; the winner beats {better}"
    )


def search_tier(tier: str, predictor: Predictor, *, seed: int, budget: int, alone_epochs: int | None) -> Outcome:
    """Search for one tier, as ``nas run --tier`` does; epochs that are not given are as usual there."""
    device = load_device_config(tier)
    limit = Limit(target="latency", value=device.latency_limit_ms)
    usual = usual_settings(device, (limit,), DEFAULT_DATA)
    alone = replace(usual.alone, epochs=alone_epochs or usual.alone.epochs)
    settings = replace(usual, seed=seed, budget=budget, alone=alone)

    @contextlib.contextmanager
    def stage(title: str, total: int) -> Iterator[Advance]:
        with progress(f"{tier}: {title}", total) as advance:
            yield advance

    return run(settings, predictor, stage)


def problem_of(outcome: Outcome, predictor: Predictor) -> Problem:
    """Price the space for the device that was searched for."""
    settings = outcome.settings
    source = data_source(settings.data)
    space = make_space(settings.space, image=source.image, classes=source.classes)
    return pose(space, predictor, device_setting(settings.device), goals_of(settings))


def print_winners(flagship: Outcome, low: Outcome, problem: Problem) -> None:
    """Print what each winner takes on the low tier, and that every network of both searches keeps its limit."""
    for outcome in (flagship, low):
        choices = choices_of(problem.space, outcome.winner.architecture)
        on_low_ms = problem.budget.costs(choices)[0]
        beyond = sum(record.cost > outcome.settings.limits[0].value for record in outcome.records)
        print(
            f"{outcome.settings.device.name:8} winner: {on_low_ms:.1f} ms on low; of its {len(outcome.records)} networks "
            f"{beyond} are beyond the limit of {outcome.settings.limits[0].value:g} ms"
        )


def random_accuracies(low: Outcome, problem: Problem, count: int) -> list[float]:
    """Train random networks within the limit alone, as the winner was; give their test accuracies."""
    settings = low.settings
    data = data_source(settings.data).load(settings.seed)
    sampler = Sampler(problem, seed=settings.seed, sharpness=0)
    steps = settings.alone.steps(len(data.train))
    accuracies: list[float] = []
    with reproducible(settings.seed, settings.threads), progress("Random networks alone", count * steps) as advance:
        for number in range(count):
            trained = train_alone(
                problem.space,
                sampler.draw(),
                data,
                settings.alone,
                seed=settings.seed,
                threads=settings.threads,
                advance=lambda done, note, before=number * steps: advance(before + done, note),
            )
            accuracies.append(accuracy_of(trained.network, data.test))
    return accuracies


if __name__ == "__main__":
    main()
