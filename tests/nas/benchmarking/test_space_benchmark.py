from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nas.benchmarking.benchmark import BenchmarkSettings
from nas.benchmarking.hypervolume import Reference
from nas.benchmarking.priced_space import PricedSpace, SpaceTask, fair_draws
from nas.benchmarking.scores import scores
from nas.benchmarking.space_benchmark import benchmark_space, space_searches
from nas.cli import app
from nas.controllers.assistance import Assist
from nas.errors import DataError, NasError, SettingsError
from nas.networks.layers import network_layers, space_layers
from nas.space import Image
from nas.spaces import make_space
from nas.trellis import NOWHERE, Choices, Trellis, architecture_of
from parsers.schema import layer_to_json

OWN = """
[stem]
channels = 4

[[stage]]
kind = "inverted-residual"
slots = 2
widths = [4, 6]
kernel_sizes = [3, 5]
expansions = [1, 2]

[[stage]]
kind = "convolution"
slots = 1
stride = 2
widths = [4, 8]
forms = ["plain", "separable"]

[head]
channels = 8
"""

SIGNAL = """
def accuracy(blocks):
    return 60 + sum(block["channels"] + block["kernel_size"] for block in blocks if block)

def by_layers(blocks, layers):
    return min(100.0, len(layers) + len(blocks))

def wild(blocks):
    return 101

def three(blocks, layers, more):
    return 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.toml").write_text(OWN)
    (folder / "signal_of_a_space.py").write_text(SIGNAL)
    layers = space_layers(
        make_space(str(folder / "own.toml"), image=Image(channels=1, height=28, width=28), classes=10)
    )
    rows = [layer_to_json(layer) | {"ms": 0.25 + layer.output_volume / 4096} for layer in layers]
    (folder / "costs.json").write_text(json.dumps({"layers": rows}))
    (folder / "few.json").write_text(json.dumps({"layers": rows[1:]}))
    return folder


@pytest.fixture(scope="module")
def task(folder: Path) -> SpaceTask:
    return SpaceTask(
        space=str(folder / "own.toml"),
        data="mnist-5k",
        signal=f"{folder / 'signal_of_a_space.py'}:accuracy",
        cost="ms",
        cost_table=folder / "costs.json",
    )


@pytest.fixture(scope="module")
def world(task: SpaceTask) -> PricedSpace:
    return PricedSpace(task)


def every_network(trellis: Trellis) -> Iterator[Choices]:
    paths: list[tuple[Choices, int]] = [((), 0)]
    for successor in trellis.successors:
        paths = [
            ((*path, choice), int(following))
            for path, node in paths
            for choice, following in enumerate(successor[node])
            if following != NOWHERE
        ]
    return (path for path, _ in paths)


def test_a_network_costs_what_its_layers_cost_and_is_worth_what_the_function_says(world: PricedSpace):
    for choices in itertools.islice(every_network(world.trellis), 0, None, 37):
        architecture = architecture_of(world.space, choices)
        layers = network_layers(world.space, architecture)

        assert world.cost(choices) == pytest.approx(sum(0.25 + layer.output_volume / 4096 for layer in layers))
        blocks = [block for block in architecture if block is not None]
        assert world.accuracy(choices) == 60 + sum(block.channels + block.kernel_size for block in blocks)


def test_a_function_of_two_arguments_is_given_blocks_and_layers(task: SpaceTask, folder: Path):
    task = SpaceTask(
        space=task.space,
        data=task.data,
        signal=f"{folder / 'signal_of_a_space.py'}:by_layers",
        cost="ms",
        cost_table=task.cost_table,
    )
    other = PricedSpace(task)
    choices = other.sample[0]

    assert other.accuracy(choices) == len(network_layers(other.space, architecture_of(other.space, choices))) + 3


def test_fair_draws_find_every_network_as_often(world: PricedSpace):
    networks = list(every_network(world.trellis))
    drawn = fair_draws(world.trellis, 40 * len(networks), np.random.default_rng(1))

    counts = dict.fromkeys(networks, 0)
    for row in map(tuple, drawn.tolist()):
        counts[row] += 1

    assert min(counts.values()) > 40 - 6 * 40**0.5
    assert max(counts.values()) < 40 + 6 * 40**0.5


def test_quantiles_are_of_networks_drawn_fairly_and_a_limit_that_nothing_keeps_names_the_lowest(world: PricedSpace):
    costs = [world.cost(choices) for choices in every_network(world.trellis)]

    (half,) = world.limits("q50")

    assert abs(np.mean(np.array(costs) <= half) - 0.5) < 0.06
    assert world.limits("6,7") == (6.0, 7.0)
    with pytest.raises(SettingsError, match=f"No network keeps ms within 0.1: the lowest possible is {min(costs):.4g}"):
        world.limits("0.1")


def test_regret_is_to_the_best_that_anybody_found_and_that_is_the_optimum_where_all_can_be_asked(
    task: SpaceTask, world: PricedSpace
):
    limit = world.limits("q15")[0]
    settings = BenchmarkSettings(
        controllers=("random", "evolution"),
        limits=(limit,),
        seeds=(0, 1),
        budget=100,
        assist=Assist.MASK,
        reference=Reference(accuracy=60, cost=20),
    )

    played = benchmark_space(task, settings, workers=1, advance=lambda *_: None)

    within = [choices for choices in every_network(world.trellis) if world.cost(choices) <= limit]
    assert len(within) <= 100
    assert played.best == {limit: max(map(world.accuracy, within))}
    found = scores(played.plays)
    assert list(found) == ["random", "evolution"]
    assert [one.regret["100"].mean for one in found.values() if one.regret["100"]] == [0.0, 0.0]
    assert [one.infeasible_share for one in found.values()] == [0.0, 0.0]
    assert all(0 < one.share[-1] <= 1 for one in played.plays.front)
    assert len(played.plays.single) + len(played.plays.front) == space_searches(task, settings)


def test_no_front_is_looked_for_where_no_network_costs_less_than_the_reference(task: SpaceTask, world: PricedSpace):
    reference = Reference(accuracy=60, cost=world.lowest)
    settings = BenchmarkSettings(
        controllers=("random",), limits=world.limits("q40"), seeds=(0,), budget=5, reference=reference
    )

    played = benchmark_space(task, settings, workers=1, advance=lambda *_: None)

    assert (len(played.plays.single), len(played.plays.front)) == (1, 0)
    assert space_searches(task, settings) == 1


def test_the_same_seeds_give_the_same_searches(task: SpaceTask, world: PricedSpace):
    settings = BenchmarkSettings(controllers=("comet",), limits=world.limits("q40"), seeds=(3,), budget=12)

    first, second = (benchmark_space(task, settings, workers=1, advance=lambda *_: None) for _ in range(2))

    assert first.best == second.best
    assert np.array_equal(first.plays.single[0].regret, second.plays.single[0].regret)
    assert len(first.plays.single[0].infeasible) == 12


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"cost_table": "few.json"}, DataError, r"few\.json has no cost of 1 of own's layers, such as Conv"),
        ({"signal": "three"}, SettingsError, "three cannot be called with a network's blocks"),
        ({"cost_table": None}, SettingsError, "Say what layers cost: --cost-table FILE, or --model"),
    ],
)
def test_what_cannot_be_priced_or_asked_is_refused(
    task: SpaceTask, folder: Path, changes: dict[str, str | None], error: type[NasError], complaint: str
):
    table, signal = changes.get("cost_table", "costs.json"), changes.get("signal", "accuracy")
    other = SpaceTask(
        space=task.space,
        data=task.data,
        signal=f"{folder / 'signal_of_a_space.py'}:{signal}",
        cost="ms",
        cost_table=None if table is None else folder / table,
    )

    with pytest.raises(error, match=complaint):
        PricedSpace(other)


def test_an_accuracy_that_is_none_is_refused(task: SpaceTask, folder: Path):
    other = SpaceTask(
        space=task.space,
        data=task.data,
        signal=f"{folder / 'signal_of_a_space.py'}:wild",
        cost="ms",
        cost_table=task.cost_table,
    )
    wild = PricedSpace(other)

    with pytest.raises(SettingsError, match="wild gives 101 for a network; an accuracy is 0 to 100 percent"):
        wild.accuracy(wild.sample[0])


def test_errors_of_predictions_are_for_tables_alone(task: SpaceTask):
    settings = BenchmarkSettings(controllers=("random",), limits=(8.0,), seeds=(0,), budget=5, noise=0.1)

    with pytest.raises(SettingsError, match="--noise and --confidence are of a table's costs"):
        benchmark_space(task, settings, workers=1, advance=lambda *_: None)


def test_the_command_writes_the_scores_of_a_space_and_says_that_the_optimum_is_unknown(
    task: SpaceTask, folder: Path, tmp_path: Path
):
    output = tmp_path / "scores.json"
    arguments = [
        "benchmark",
        "--space",
        task.space,
        "--signal",
        task.signal,
        "--cost-table",
        str(folder / "costs.json"),
    ]
    arguments += [
        "--latency",
        "ms",
        "--limits",
        "q50",
        "--controllers",
        "comet,random",
        "--seeds",
        "1",
        "--budget",
        "25",
    ]

    result = CliRunner().invoke(app, [*arguments, "--workers", "1", "--json", str(output)], catch_exceptions=False)

    document = json.loads(output.read_text())
    assert result.exit_code == 0
    assert "comet" in result.output
    assert document["optimum"].startswith("unknown")
    assert len(document["best_found"]) == 1
    assert set(document["controllers"]) == {"comet", "random"}
    assert document["controllers"]["comet"]["regret"]["25"]["mean"] >= 0
    assert document["controllers"]["comet"]["infeasible_share"] == 0


def test_a_table_or_a_space_is_named_and_not_both(tmp_path: Path):
    for named in ([], ["--space", "own.toml", "--table", str(tmp_path / "t.npz")]):
        with pytest.raises(SettingsError, match="Name one thing to search"):
            CliRunner().invoke(app, ["benchmark", *named, "--signal", "a:b", "--limits", "5"], catch_exceptions=False)
