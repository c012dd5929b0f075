from __future__ import annotations

import numpy as np

from nas.controllers.encoding import Encoder, context_attributes
from nas.limits.costs import Budget
from nas.trellis import Trellis
from parsers.schema import Context


def test_a_state_is_the_network_the_next_slot_its_layer_what_is_carried_and_spent_and_the_context():
    trellis = Trellis(
        successors=(np.array([[0, 1]]), np.array([[0, 0], [0, 0]])),
        backbone=(np.array([0]), np.array([0, 1])),
        attributes=(np.array([[[0.1], [0.2]]]), np.array([[[0.3], [0.4]], [[0.5], [0.6]]])),
        carried=(np.array([[0.0]]), np.array([[0.7], [0.8]]), np.array([[0.9]])),
    )
    encoder = Encoder(trellis, np.array([0.25]))

    # Choice 1 leads to node 1, where the backbone takes choice 1 (0.6); nothing of the second slot is decided yet.
    states = encoder.states(1, np.array([[1]]), np.array([1]), np.array([[0.5]]))

    assert states[0].tolist() == np.float32([0.2, 0.6, 0, 1, 0, 0.6, 0.8, 0.5, 0.25]).tolist()


def test_the_state_behind_a_choice_is_the_state_with_that_choice_decided(small_budget: Budget):
    encoder = Encoder(small_budget.trellis, np.array([0.5]))
    decided = small_budget.trellis.complete(())[:2]
    nodes = np.array([small_budget.trellis.path(decided)[-1]])
    spent = np.full((1, small_budget.trellis.successors[2].shape[1], 1), 0.5)

    after = encoder.afterstates(2, encoder.prefix(np.array([decided])), nodes, spent)[0]

    for choice in (0, 3):
        following = small_budget.trellis.path((*decided, choice))[-1]
        expected = encoder.states(3, np.array([[*decided, choice]]), np.array([following]), np.array([[0.5]]))
        assert np.array_equal(after[choice], expected[0])


def test_a_stronger_context_has_larger_attributes_and_an_unknown_one_is_0():
    weak = context_attributes(Context(cores=2, memory_gb=2.0, clock_freq_ghz=1.4))
    strong = context_attributes(Context(cores=8, memory_gb=12.0, clock_freq_ghz=3.0, task_roi=1))

    assert weak[4] == 0  # no bandwidth given
    assert np.all(strong[[0, 2, 3]] > weak[[0, 2, 3]])
    assert strong.tolist()[5:] == [0.0, 0.0, 1.0]
    assert np.all((strong >= 0) & (strong <= 1))
