from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.data import Data, Split
from nas.network import Network
from nas.space import Space
from nas.train import Schedule, accuracy_of, descend, reproducible, train_alone


def quiet(_done: int, _note: str) -> None:
    """Hear nothing."""


def test_a_schedule_rises_to_its_rate_and_falls_to_nothing_worked_by_hand():
    schedule = Schedule(epochs=1, learning_rate=0.4, warmup=0.2)

    rates = [schedule.rate(step, 10) for step in range(10)]

    # Two steps up, then 0.4 · (1 + cos(π k / 8)) / 2 for k = 0 … 7.
    assert rates[:3] == pytest.approx([0.2, 0.4, 0.4])
    assert rates[6] == pytest.approx(0.2)
    assert rates[9] == pytest.approx(0.4 * (1 + -0.9238795) / 2)


def test_an_incomplete_batch_at_an_epochs_end_is_left_out():
    assert Schedule(epochs=3, batch_size=64).steps(200) == 9
    assert Schedule(epochs=3, batch_size=64).steps(10) == 3


def test_a_network_learns_to_tell_stripes_apart(small_space: Space, easy_data: Data):
    untrained = Network(small_space, small_space.manual()).eval()
    schedule = Schedule(epochs=12, batch_size=32)

    network = train_alone(small_space, small_space.manual(), easy_data, schedule, seed=0, threads=1, advance=quiet)

    assert accuracy_of(untrained, easy_data.test) < 0.6
    assert accuracy_of(network, easy_data.test) > 0.9


def test_the_same_seed_trains_the_same_network_to_the_last_bit(small_space: Space, easy_data: Data):
    schedule = Schedule(epochs=2, batch_size=32)
    first, again, other = (
        train_alone(small_space, small_space.manual(), easy_data, schedule, seed=seed, threads=1, advance=quiet)
        for seed in (5, 5, 6)
    )

    for name, weights in first.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name])
    assert not torch.equal(*(one.get_parameter("layers.classifier.weight") for one in (first, other)))


def test_every_epoch_is_told_about_and_the_last_step_is_the_schedules_last(small_space: Space, easy_data: Data):
    told: list[int] = []
    schedule = Schedule(epochs=3, batch_size=64)

    train_alone(
        small_space,
        small_space.manual(),
        easy_data,
        schedule,
        seed=0,
        threads=1,
        advance=lambda done, note: told.append(done) if note.startswith("loss ") else None,
    )

    assert told == [3, 6, 9]
    assert told[-1] == schedule.steps(len(easy_data.train))


def test_descending_touches_only_the_module_it_was_given():
    images, labels = torch.randn(8, 1, 2, 2), torch.zeros(8, dtype=torch.int64)
    moving, still = nn.Linear(4, 2), nn.Linear(4, 2)
    before = still.weight.clone(), moving.weight.clone()
    schedule = Schedule(epochs=1, batch_size=8)

    descend(
        moving,
        lambda batch: moving(batch.flatten(1)) + still(batch.flatten(1)),
        Split(images=images, labels=labels),
        schedule,
        seed=0,
        advance=quiet,
    )

    assert torch.equal(still.weight, before[0])
    assert not torch.equal(moving.weight, before[1])


def test_accuracy_is_the_share_of_images_whose_label_scores_highest_in_any_batching():
    images = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]).reshape(4, 1, 1, 2)
    split = Split(images=images, labels=torch.tensor([0, 1, 0, 1]))

    accuracies = [accuracy_of(lambda batch: batch.flatten(1), split, batch_size=size) for size in (1, 3, 4)]

    assert accuracies == [0.75] * 3


def test_torch_is_set_back_after_a_reproducible_stretch():
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)

    with reproducible(0, 1):
        inside = torch.rand(1), torch.are_deterministic_algorithms_enabled()

    assert inside[1]
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(1), expected)
