"""Is the network that a search finds any good? Trained for real, beside MobileNetV2 by hand, scaled, and random search.

    metamodel fit datasets/stats.parquet
    python benchmarks/bench_real_training.py train --seeds 5 -o benchmarks/results/fashion-mnist
    python benchmarks/bench_real_training.py compare --host -o benchmarks/results/fashion-mnist

For every seed: AutoCoMET's search and near-budget random search have as many queries, of the same kind; the winner of each
is chosen among its finalists by validation images. The design by hand is trained as it is, and scaled in depth and width
to the latency of AutoCoMET's winner. All are trained alone by one schedule. ``compare`` prints, over seeds, what the winner
gains on each of them, with the 95 % interval of Student, its predicted latency over the manual design's, and what the last
thirds of the trainings gained; with ``--host`` it measures all of them on this machine, and says whether their order is the
predicted one. Latencies are the predictor's; of a tier they are no phone's.

What was searched and trained is kept in the folder, so that the same command goes on, on another machine, too. A seed takes
one to two hours of a core.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from scipy import stats

from metamodel.interface import Predictor, load_predictor
from nas.datasets.data import data_source
from nas.limits.signals import Limit
from nas.networks.layers import network_layers
from nas.searching.prepared import Prepared, device_setting, prepare
from nas.searching.run import ask, measured_accuracy
from nas.searching.search import finalists
from nas.searching.settings import RunSettings, usual_settings
from nas.space import Architecture, Space, architecture_from_json, architecture_to_json
from nas.spaces import make_space
from nas.spaces.mobilenetv2 import scaled_mobilenetv2
from nas.spaces.mobilenetv2_decoder import scaled_mobilenetv2_decoder
from nas.training.accuracy import AccuracyName
from nas.training.curve import gain_of_last_third
from nas.training.quality import accuracy_of
from nas.training.train import reproducible, train_alone
from nas.trellis import architecture_of
from nas.verify import OnDevice, with_any_weights
from parsers.atomic import written_whole
from parsers.console import progress
from parsers.device_config import load_device_config
from parsers.roofline import macs

CONTROLLERS = ("comet", "random")
EVERYBODY = ("comet", "manual", "scaled", "random")
PROCESSES = 3
"""Of each network that is measured."""
APART = 1.1
"""Latencies over each other, from which on an order is expected."""
SCALED = {"mobilenetv2": scaled_mobilenetv2, "mobilenetv2-decoder": scaled_mobilenetv2_decoder}
DEPTHS = (0.25, 0.4, 0.5, 0.75, 1.0)
WIDTHS = tuple(np.arange(0.5, 4.01, 0.125).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared; written beside what came of it, since every seed has to be of one."""

    tier: str
    space: str
    data: str
    accuracy: str
    budget: int
    finalists: int
    alone_epochs: float
    most_macs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One network that is compared."""

    who: str
    """``manual``, ``scaled``, or the controller that found it."""
    name: str
    space: Space
    architecture: Architecture
    scale: tuple[float, float] | None = None
    """Depth and width, where the design by hand is scaled; it is in a space of its own then."""


def main() -> None:
    """Train what is not trained yet, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "compare"))
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder that keeps what was trained")
    parser.add_argument("--model", type=Path, default=Path("models/default"), help="folder of the predictor")
    parser.add_argument("--tier", default="low", help="device searched for")
    parser.add_argument("--space", default="mobilenetv2", choices=sorted(SCALED), help="what is searched")
    parser.add_argument("--data", default="fashion-mnist", help="as of nas run")
    parser.add_argument(
        "--accuracy", default=AccuracyName.BRIEF.value, choices=list(AccuracyName), help="as of nas run"
    )
    parser.add_argument("--budget", type=int, default=60, help="queries of each search")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--finalists", type=int, default=2, help="of each search that are trained alone")
    parser.add_argument("--alone-epochs", type=float, default=6, help="of every training alone")
    parser.add_argument("--most-macs", type=float, default=3e6, help="of any network, but the one by hand")
    parser.add_argument("--host", action="store_true", help="compare: measure everybody's picks on this machine")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of what is measured")
    options = parser.parse_args()

    folder: Path = options.output
    if options.step == "compare":
        rows = [read_json(path) for path in sorted(folder.glob("seed*-*-*.json"))]
        print_comparison(rows)
        if options.host:
            print_host_order(rows, Plan(**read_json(folder / "plan.json")), load_predictor(options.model), options.runs)
        return
    plan = Plan(**{name: getattr(options, name) for name in Plan.__dataclass_fields__})
    folder.mkdir(parents=True, exist_ok=True)
    keep_plan(plan, folder)
    predictor = load_predictor(options.model)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        train_seed(seed, plan, predictor, folder)


def keep_plan(plan: Plan, folder: Path) -> None:
    """Write the plan, or see that the folder is of the same one."""
    path = folder / "plan.json"
    if path.exists() and read_json(path) != asdict(plan):
        raise SystemExit(f"{path} is of another plan: {read_json(path)}. Name another folder with -o.")
    write_json(path, asdict(plan))


def train_seed(seed: int, plan: Plan, predictor: Predictor, folder: Path) -> None:
    """Search twice, and train all that is compared; what the folder has is not done again."""
    prepared = prepare(settings_of(plan, seed), predictor)
    space = prepared.problem.space
    entrants = [Entrant(who="manual", name="by hand", space=space, architecture=space.manual())]
    for controller in CONTROLLERS:
        found = searched(prepared, controller, folder / f"seed{seed}-{controller}.json")
        entrants += found[: plan.finalists]
    found_ms = max(price(prepared, one)[0] for one in entrants if one.who == "comet")
    entrants += scaled(prepared, plan, found_ms)
    for entrant in entrants:
        path = folder / f"seed{seed}-{entrant.who}-{entrant.name.replace(' ', '-')}.json"
        if not path.exists():
            write_json(path, trained(prepared, entrant))
        print_row(read_json(path))


def settings_of(plan: Plan, seed: int) -> RunSettings:
    """Say how both searches go."""
    device = load_device_config(plan.tier)
    limits = (
        Limit(target="latency", value=float(device.latency_limit_ms or 0)),
        Limit(target="macs", value=plan.most_macs),
    )
    usual = usual_settings(device, limits, plan.data, plan.space)
    return replace(
        usual,
        accuracy=plan.accuracy,
        seed=seed,
        budget=plan.budget,
        alone=replace(usual.alone, epochs=plan.alone_epochs),
    )


def searched(prepared: Prepared, controller: str, path: Path) -> list[Entrant]:
    """Give all networks that a controller asks about, the best first."""
    space = prepared.problem.space
    if not path.exists():
        begun = time.perf_counter()
        asked = replace(prepared, settings=replace(prepared.settings, controller=controller))
        with reproducible(asked.settings.seed, asked.settings.threads):
            records = ask(asked, measured_accuracy(asked, progress), progress)
        ranked = [
            {"accuracy": one.accuracy, "blocks": json.loads(architecture_to_json(architecture_of(space, one.choices)))}
            for one in finalists(records, len(records))
        ]
        minutes = (time.perf_counter() - begun) / 60
        write_json(path, {"seed": asked.settings.seed, "searched": controller, "minutes": minutes, "best": ranked})
    return [
        Entrant(
            who=controller,
            name=f"finalist {place}",
            space=space,
            architecture=architecture_from_json(json.dumps(one["blocks"]), space),
        )
        for place, one in enumerate(read_json(path)["best"], start=1)
    ]


def scaled(prepared: Prepared, plan: Plan, most_ms: float) -> Iterator[Entrant]:
    """Scale the design by hand to a latency: for every depth the widest that keeps it, and the limit on MACs."""
    space = prepared.problem.space
    seen = set()
    for depth in DEPTHS:
        fitting = []
        for width in WIDTHS:
            one = SCALED[plan.space](space.image, space.classes, depth=depth, width=width)
            entrant = Entrant(
                who="scaled",
                name=f"{depth:g} by {width:g}",
                space=one,
                architecture=one.manual(),
                scale=(depth, width),
            )
            latency_ms, operations = price(prepared, entrant)
            if latency_ms <= most_ms and operations <= plan.most_macs:
                fitting.append(((latency_ms, operations), entrant))
        if fitting and fitting[-1][0] not in seen:
            seen.add(fitting[-1][0])
            yield fitting[-1][1]


def price(prepared: Prepared, entrant: Entrant) -> tuple[float, int]:
    """Predict a network's latency in milliseconds, and count its multiply-accumulates."""
    layers = network_layers(entrant.space, entrant.architecture)
    costs = prepared.predictor.predict_network(layers, device_setting(prepared.settings.device))
    return float(costs.latency_ms or np.nan), sum(map(macs, layers))


def trained(prepared: Prepared, entrant: Entrant) -> dict[str, Any]:
    """Train one network alone, and say how it came out."""
    settings, data = prepared.settings, prepared.images
    latency_ms, operations = price(prepared, entrant)
    begun = time.perf_counter()
    done = train_alone(
        entrant.space,
        entrant.architecture,
        data,
        settings.alone,
        seed=settings.seed,
        threads=settings.threads,
        advance=lambda *_: None,
    )
    return {
        "seed": settings.seed,
        "who": entrant.who,
        "name": entrant.name,
        "scale": entrant.scale,
        "blocks": None if entrant.scale else json.loads(architecture_to_json(entrant.architecture)),
        "latency_ms": latency_ms,
        "macs": operations,
        "validation": accuracy_of(done.network, data.validation),
        "test": accuracy_of(done.network, data.test),
        "late_gain": gain_of_last_third(done.curve),
        "minutes": (time.perf_counter() - begun) / 60,
    }


def print_row(row: dict[str, Any]) -> None:
    """Print one network."""
    print(
        f"seed {row['seed']}  {row['who']:8} {row['name']:12} {row['latency_ms']:7.1f} ms {row['macs'] / 1e6:6.2f} MMACs  "
        f"validation {row['validation']:.2%}  test {row['test']:.2%}  last third {100 * row['late_gain']:+.2f}",
        flush=True,
    )


def print_comparison(rows: Sequence[dict[str, Any]]) -> None:
    """Print what AutoCoMET's winner gains on each of the others, over the seeds that are complete."""
    picked = picks(rows)
    seeds = sorted({seed for seed, _ in picked if all((seed, who) in picked for who in EVERYBODY)})
    for seed, who in itertools.product(seeds, EVERYBODY):
        print_row(picked[seed, who])
    shares = [picked[seed, "comet"]["latency_ms"] / picked[seed, "manual"]["latency_ms"] for seed in seeds]
    print(f"predicted latency of the winner over that of the design by hand: {max(shares):.1%} at most")
    for who in EVERYBODY:
        tests = 100 * np.array([picked[seed, who]["test"] for seed in seeds])
        gains = 100 * np.array([picked[seed, "comet"]["test"] for seed in seeds]) - tests
        half = stats.t.ppf(0.975, len(seeds) - 1) * stats.sem(gains) if len(seeds) > 1 else np.nan
        lead = "" if who == "comet" else f"; the winner gains {gains.mean():+.2f} ± {half:.2f} points on it"
        print(f"{who}: test {tests.mean():.2f} over {len(seeds)} seeds{lead}")
    late = [100 * row["late_gain"] for row in rows]
    print(
        f"last thirds gained {np.mean(late):.2f} points on average, {max(late):.2f} at most, of {len(late)} trainings"
    )


def picks(rows: Sequence[dict[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    """Give everybody's pick of every seed: the best by validation images."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: float(row["validation"])):
        found[row["seed"], row["who"]] = row
    return found


def print_host_order(rows: Sequence[dict[str, Any]], plan: Plan, predictor: Predictor, runs: Path) -> None:
    """Measure everybody's picks on this machine, and tell whether they come in the order that was predicted."""
    picked = list(picks(rows).values())
    entrants = [entrant_of(row, plan) for row in picked]
    names = [f"seed{row['seed']}-{row['who']}" for row in picked]
    with tempfile.TemporaryDirectory() as folder, progress("Measuring on host", len(names) * PROCESSES) as advance:
        models = [Path(folder) / f"{name}.onnx" for name in names]
        for entrant, path in zip(entrants, models, strict=True):
            onnx.save(with_any_weights(entrant.space, entrant.architecture, seed=0), path)
        measure = OnDevice(device="host", runs=runs, processes=PROCESSES, advance=advance)
        found = measure(models, name=f"real-training-{plan.space}", provider="cpu", threads=1, fewer=False)
    measured = np.array([np.median(found.networks[name].latency_ms) for name in names])
    predicted = np.array(
        [
            predictor.predict_network(network_layers(one.space, one.architecture), found.setting).latency_ms
            for one in entrants
        ]
    )
    searched = np.array([row["latency_ms"] for row in picked])
    for name, took, thought in zip(names, measured, predicted, strict=True):
        print(f"{name:16} measured on host {took:6.3f} ms, predicted {thought:6.3f}")
    for label, values in (("predicted for host", predicted), (f"predicted for {plan.tier}", searched)):
        pairs = [(one, two) for one, two in itertools.combinations(range(len(names)), 2) if values[one] != values[two]]
        apart = [(one, two) for one, two in pairs if abs(np.log(values[one] / values[two])) > np.log(APART)]
        kept = sum((measured[one] < measured[two]) == (values[one] < values[two]) for one, two in apart)
        print(
            f"order {label}: Spearman {stats.spearmanr(values, measured).statistic:.2f}; of {len(apart)} pairs that are "
            f"{APART - 1:.0%} apart or more, {kept} are measured in that order"
        )


def entrant_of(row: dict[str, Any], plan: Plan) -> Entrant:
    """Build a network that was trained before."""
    source = data_source(plan.data)
    if row["scale"]:
        depth, width = row["scale"]
        space = SCALED[plan.space](source.image, source.classes, depth=depth, width=width)
        return Entrant(who=row["who"], name=row["name"], space=space, architecture=space.manual(), scale=(depth, width))
    space = make_space(plan.space, image=source.image, classes=source.classes)
    architecture = architecture_from_json(json.dumps(row["blocks"]), space)
    return Entrant(who=row["who"], name=row["name"], space=space, architecture=architecture)


def read_json(path: Path) -> dict[str, Any]:
    """Read what was kept."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Keep something, whole or not at all."""
    with written_whole(path) as file:
        file.write((json.dumps(document, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
