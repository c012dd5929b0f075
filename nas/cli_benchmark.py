"""``nas benchmark``: controllers side by side on a table of accuracies, or on a search space."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli_common import DEFAULT_MODEL
from parsers.console import progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nas.benchmarking.arenas import Arena
    from nas.benchmarking.benchmark import BenchmarkSettings
    from nas.benchmarking.scores import Score


def benchmark_command(
    signal: Annotated[
        str,
        typer.Option(
            "--signal",
            help="Column of the accuracy that is searched for; of a space, module:function that gives percent.",
        ),
    ],
    limits: Annotated[
        str, typer.Option("--limits", help="As 5,8,10 in the cost's unit, or as q20,q40: what so many percent keep.")
    ],
    table: Annotated[
        Path | None,
        typer.Option("--table", help="An .npz file: op1, op2, …, signals in percent and costs, every network once."),
    ] = None,
    space: Annotated[
        str | None, typer.Option("--space", help="Instead of a table: a space's name, TOML file or file.py:function.")
    ] = None,
    latency: Annotated[
        str,
        typer.Option(
            "--latency", help="Column of the cost that is limited; without --cost-table, one of the predictor's."
        ),
    ] = "latency",
    cost_table: Annotated[
        Path | None,
        typer.Option(
            "--cost-table", help="What a space's layers cost: a .csv, .parquet or .json file, a row per layer."
        ),
    ] = None,
    data: Annotated[str, typer.Option("--data", help="Gives a space its image size and classes.")] = "mnist-5k",
    model: Annotated[
        Path, typer.Option("--model", help="Folder of the predictor, for a space without --cost-table.")
    ] = DEFAULT_MODEL,
    device: Annotated[
        str | None, typer.Option("--tier", "--device-config", help="What the predictor prices for: a tier or a phone.")
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", help="Column of the accuracy reported of a pick; else --signal.")
    ] = None,
    controllers: Annotated[
        str,
        typer.Option(
            "--controllers",
            help="comet, comet-literal, random, evolution, local-search, scalarised-q, reinforce, linear-thompson, tpe, nsga2; "
            "set as comet:epsilon=constant or tpe:assist=mask. Others are compared with the first.",
        ),
    ] = "comet,random",
    seeds: Annotated[int, typer.Option("--seeds", help="How many seeds.")] = 20,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="They count up from here.")] = 1000,
    budget: Annotated[int, typer.Option("--budget", help="Accuracy queries of each search.")] = 400,
    assist: Annotated[
        str,
        typer.Option(
            "--assist", help="What rivals get of the costs: none, mask (the limit) or near-budget (draws, too)."
        ),
    ] = "none",
    potential: Annotated[
        str, typer.Option("--potential", help="AutoCoMET's: exact, learned beforehand or online (as in the paper).")
    ] = "exact",
    epsilon: Annotated[str, typer.Option("--epsilon", help="AutoCoMET's: co-regulated or constant.")] = "co-regulated",
    shaping: Annotated[
        str, typer.Option("--shaping", help="Where AutoCoMET's potential enters: policy, update (Q's target) or both.")
    ] = "policy",
    noise: Annotated[
        float, typer.Option("--noise", help="Searches see every cost times a fixed factor exp(N(0, NOISE)) of its own.")
    ] = 0.0,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Hold limits against that error with so much confidence.")
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="Accuracy in percent and cost that hypervolumes are measured from.")
    ] = "60,36",
    cost_floor: Annotated[float, typer.Option("--cost-floor", help="Costs below count as this much.")] = 0.5,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Searches at once; else one per core.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--json", help="Write all scores to this file.")] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Draw regret.png and learning_curve.png into this folder.")
    ] = None,
) -> None:
    """Search a table with every controller under every limit, and compare what they find with the true optimum.

    Of a whole space (``--space``) the optimum is not known: the best that any of them finds stands in.
    """
    from joblib import cpu_count

    from nas.benchmarking.benchmark import BenchmarkSettings, check_benchmark
    from nas.benchmarking.hypervolume import parse_reference
    from nas.benchmarking.scores import document, scores
    from nas.controllers.assistance import Assist
    from nas.controllers.comet import CometSettings, EpsilonRule, Shaping
    from nas.errors import OutputError
    from nas.searching.problem import PotentialName

    if output is not None and not output.resolve().parent.is_dir():
        raise OutputError(f"Cannot write {output}: its folder is not there. Name another file with --json.")
    if plots is not None and plots.exists() and not plots.is_dir():
        raise OutputError(f"Cannot draw into {plots}: it is no folder. Name another one with --plots.")
    costs = _LayerCosts(table=cost_table, model=model, device=device)
    arena = _arena(
        table, space, signal=signal, report=report, cost=latency, cost_floor=cost_floor, data=data, layers=costs
    )
    settings = BenchmarkSettings(
        controllers=tuple(name.strip() for name in controllers.split(",")),
        limits=arena.limits(limits),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        budget=budget,
        assist=Assist(_known("--assist", assist, tuple(Assist))),
        potential=PotentialName(_known("--potential", potential, tuple(PotentialName))),
        comet=CometSettings(
            epsilon=EpsilonRule(_known("--epsilon", epsilon, tuple(EpsilonRule))),
            shaping=Shaping(_known("--shaping", shaping, tuple(Shaping))),
        ),
        noise=noise,
        confidence=confidence,
        reference=parse_reference(reference),
    )
    check_benchmark(settings)
    with progress("Searching", arena.searches(settings)) as advance:
        plays = arena.play(settings, workers=workers or cpu_count(), advance=advance)
    _print_scores(scores(plays), errs=noise > 0)
    if output is not None:
        head = {"schema": 1} | arena.about() | _head(settings)
        _write(output, json.dumps(head | document(plays), indent=1) + "\n")
    if plots is not None:
        from nas.benchmarking.plots import draw_benchmark

        draw_benchmark(plays.single, arena.title, plots)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LayerCosts:
    """Where the costs of a space's layers come from."""

    table: Path | None
    model: Path
    device: str | None


def _arena(
    table: Path | None,
    space: str | None,
    *,
    signal: str,
    report: str | None,
    cost: str,
    cost_floor: float,
    data: str,
    layers: _LayerCosts,
) -> Arena:
    """Open what is searched."""
    from nas.benchmarking.arenas import SpaceArena, TableArena
    from nas.benchmarking.priced_space import SpaceTask
    from nas.errors import SettingsError

    if table is not None and space is None:
        return TableArena(table, signal=signal, report=report or signal, cost=cost, cost_floor=cost_floor)
    if space is None or table is not None:
        raise SettingsError("Name one thing to search: --table FILE.npz, or --space with --signal module:function.")
    if report is not None:
        raise SettingsError("--report names a column of a table; of a space, the signal is reported. Leave it out.")
    predicted = layers.table is None
    return SpaceArena(
        SpaceTask(
            space=space,
            data=data,
            signal=signal,
            cost=cost,
            cost_table=layers.table,
            model=layers.model if predicted else None,
            device=layers.device if predicted else None,
        )
    )


def _head(settings: BenchmarkSettings) -> dict[str, object]:
    """Write what decides the scores, as JSON has it."""
    return {
        "limits": settings.limits,
        "seeds": settings.seeds,
        "budget": settings.budget,
        "assist": settings.assist,
        "potential": settings.potential,
        "epsilon": settings.comet.epsilon,
        "shaping": settings.comet.shaping,
        "noise": settings.noise,
        "confidence": settings.confidence,
        "reference": (settings.reference.accuracy, settings.reference.cost),
    }


def _known(option: str, name: str, known: tuple[str, ...]) -> str:
    from nas.errors import SettingsError

    if name not in known:
        raise SettingsError(f"No {option} {name!r}. Known: {', '.join(known)}.")
    return name


def _print_scores(found: Mapping[str, Score], *, errs: bool) -> None:
    from nas.benchmarking.scores import CHECKPOINTS

    heads = "".join(f"{at:>7}" for at in CHECKPOINTS)
    print(
        "Points to the best network within the limit, behind so many queries; queries to 0.5 points (median, share by 200)"
    )
    width = max(18, *(len(name) + 1 for name in found))
    print(f"{'controller':{width}}{heads}   median  share  beyond limit  front's area  ms/network")
    for name, score in found.items():
        regrets = "".join(f"{'-' if one is None else format(one.mean, '.2f'):>7}" for one in score.regret.values())
        half = score.queries_to_half_point
        median = "-" if half.median is None else f"{half.median:.0f}"
        area = next((one for one in reversed(score.hypervolume_share.values()) if one is not None), None)
        print(
            f"{name:{width}}{regrets}{median:>9}{half.share_by_200:>7.2f}{score.infeasible_share:>14.1%}"
            f"{'-' if area is None else format(area.mean, '.1%'):>14}{score.ms_per_network:>12.2f}"
        )
    if errs:
        picks = ", ".join(f"{name} {score.infeasible_picks:.1%}" for name, score in found.items())
        print(f"Final picks that break the limit, by their true cost: {picks}")


def _write(path: Path, text: str) -> None:
    """Write a file beside its place, then put it there."""
    from nas.writing import writing

    beside = path.with_name(path.name + ".partial")
    with writing(path, "Name another file with --json."):
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
