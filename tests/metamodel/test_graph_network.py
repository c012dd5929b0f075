from __future__ import annotations

import numpy as np
import pytest
import torch

from metamodel.cell_tables import CellGraphs, cell_graphs
from metamodel.graph_network import GraphConvolution, GraphNetwork, GraphRegressor, GraphSettings

SMALL = GraphSettings(layers=3, units=48, epochs=60, batch=20, learning_rate=3e-3)
BRIEF = GraphSettings(layers=3, units=16, epochs=3, batch=20)
COST_MS = np.array([0.1, 0.3, 1.0, 4.0, 1.5])


@pytest.fixture
def problem():
    """Networks of a made-up cell, whose latency is the sum of what their operations cost."""
    operations = np.random.default_rng(0).integers(0, len(COST_MS), size=(500, 6))
    return cell_graphs(operations, kinds=len(COST_MS)), 2.0 + COST_MS[operations].sum(axis=1)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_sum_of_costs_is_learned_to_a_few_percent(problem):
    graphs, costs = problem
    learned, held_out = np.arange(300), np.arange(300, 500)

    network = GraphRegressor(SMALL).fit(graphs.rows(learned), costs[learned])

    errors = np.abs(network.predict(graphs.rows(held_out)) / costs[held_out] - 1)
    assert errors.mean() < 0.05
    assert np.std(costs) / np.mean(costs) > 0.25  # a constant would not do


def test_the_order_of_the_nodes_changes_nothing(problem):
    graphs, costs = problem
    network = GraphRegressor(BRIEF).fit(graphs, costs)
    order = np.append(0, 1 + np.random.default_rng(1).permutation(8))  # the global node stays the first

    shuffled = CellGraphs(adjacency=graphs.adjacency[:, order][:, :, order], kinds=graphs.kinds[:, order])

    np.testing.assert_allclose(network.predict(shuffled), network.predict(graphs), rtol=1e-4)


def test_a_network_alone_costs_what_it_costs_among_others(problem):
    graphs, costs = problem
    network = GraphRegressor(BRIEF).fit(graphs, costs)

    alone = [network.predict(graphs.rows(np.array([row])))[0] for row in (0, 255, 256, 499)]

    np.testing.assert_allclose(alone, network.predict(graphs)[[0, 255, 256, 499]], rtol=1e-5)


def test_the_same_seed_gives_the_same_predictions_and_leaves_torchs_own_randomness_alone(problem):
    graphs, costs = problem
    state = torch.get_rng_state()

    first, again, other = (GraphRegressor(BRIEF, seed=seed).fit(graphs, costs).predict(graphs) for seed in (5, 5, 6))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_costs_in_another_unit_give_predictions_in_that_unit(problem):
    graphs, costs = problem

    ms, us = (GraphRegressor(BRIEF).fit(graphs, costs * unit).predict(graphs) for unit in (1, 1000))

    np.testing.assert_allclose(us / 1000, ms, rtol=1e-3)


def test_one_network_is_predicted_as_it_was_measured(problem):
    graphs, costs = problem
    one = graphs.rows(np.array([0]))

    network = GraphRegressor(GraphSettings(layers=1, units=8, epochs=200, learning_rate=0.01)).fit(one, costs[:1])

    assert network.predict(one) == pytest.approx(costs[:1], rel=0.05)


def test_a_layer_sums_neighbours_then_weighs_normalises_and_rectifies():
    layer = GraphConvolution(2, 2, torch.Generator())
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [1.0, 5.0]]))
        layer.bias.copy_(torch.tensor([0.0, 1.0]))

    states = layer(torch.tensor([[[1.0, 1.0], [0.0, 1.0]]]), torch.tensor([[[2.0, 0.0], [0.0, -1.0]]]))

    # A X = [[2, −1], [0, −1]]; A X W + bias = [[1, 0], [−1, −4]]; each row normalises to [1, −1].
    np.testing.assert_allclose(states.detach().numpy(), [[[1, 0], [1, 0]]], atol=1e-4)


def test_leaving_out_what_the_last_layer_does_to_other_nodes_changes_nothing(problem):
    graphs, _ = problem
    network = GraphNetwork(graphs.kinds.shape[2], BRIEF, torch.Generator().manual_seed(0))
    adjacency, states = torch.from_numpy(graphs.adjacency), torch.from_numpy(graphs.kinds)

    short = network(adjacency, states)

    for convolution in network.convolutions:
        states = convolution(adjacency, states)
    full = network.head(states[:, 0])[:, 0]
    torch.testing.assert_close(short, full)


def test_the_published_network_has_the_published_size():
    network = GraphNetwork(6, GraphSettings(), torch.Generator())

    shapes = [tuple(convolution.weight.shape) for convolution in network.convolutions]
    assert shapes == [(6, 600), (600, 600), (600, 600), (600, 600)]
    assert tuple(network.head.weight.shape) == (1, 600)


def test_epochs_are_told_one_by_one(problem):
    graphs, costs = problem
    told = []

    GraphRegressor(BRIEF).fit(graphs, costs, advance=lambda done, _: told.append(done))

    assert told == [1, 2, 3]


def test_no_graphs_are_predicted_as_nothing(problem):
    graphs, costs = problem

    assert GraphRegressor(BRIEF).fit(graphs, costs).predict(graphs.rows(np.arange(0))).tolist() == []


def test_costs_that_no_logarithm_takes_are_refused_with_their_range(problem):
    graphs, costs = problem

    with pytest.raises(ValueError, match=r"^Costs go from -1\.0 to "):
        GraphRegressor(BRIEF).fit(graphs, np.append(costs[1:], -1.0))
    with pytest.raises(ValueError, match=r"^500 graphs and costs of shape \(499,\)"):
        GraphRegressor(BRIEF).fit(graphs, costs[1:])
    with pytest.raises(ValueError, match=r"^0 graphs and costs of shape \(0,\)"):
        GraphRegressor(BRIEF).fit(graphs.rows(np.arange(0)), costs[:0])


def test_a_setting_below_one_is_refused():
    with pytest.raises(ValueError, match=r"epochs=0 and batch=30 must be at least 1\.$"):
        GraphSettings(epochs=0)
