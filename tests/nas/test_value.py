from __future__ import annotations

import torch

from nas.value import Ensemble


def ensemble(seed: int) -> Ensemble:
    return Ensemble(5, members=3, generator=torch.Generator().manual_seed(seed))


def test_one_members_values_are_its_row_of_the_ensembles():
    network, states = ensemble(0), torch.randn(7, 5)

    together = network(states)

    assert together.shape == (3, 7)
    for index in range(3):
        torch.testing.assert_close(network.member(index, states), together[index])


def test_every_member_can_look_at_states_of_its_own():
    network, states = ensemble(0), torch.randn(3, 7, 5)

    values = network(states)

    for index in range(3):
        torch.testing.assert_close(values[index], network.member(index, states[index]))


def test_members_differ_and_the_same_seed_makes_the_same_ensemble():
    first, second = ensemble(1), ensemble(1)

    assert not torch.equal(first.first[0], first.first[1])
    assert torch.equal(first.first, second.first)
