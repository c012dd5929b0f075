from __future__ import annotations

import torch
from torch import nn

from nas.datasets.augmentation import Augmentation
from nas.datasets.data import Data, Split
from nas.networks.network import Network
from nas.space import Space
from nas.training.quality import accuracy_of
from nas.training.schedule import Schedule
from nas.training.train import descend, reproducible, train_alone


def quiet(_done: int, _note: str) -> None:
    """Hear nothing."""


def test_a_network_learns_to_tell_stripes_apart(small_space: Space, easy_data: Data):
    untrained = Network(small_space, small_space.manual()).eval()
    schedule = Schedule(epochs=12, batch_size=32)

    trained = train_alone(small_space, small_space.manual(), easy_data, schedule, seed=0, threads=1, advance=quiet)

    assert accuracy_of(untrained, easy_data.test) < 0.6
    assert accuracy_of(trained.network, easy_data.test) > 0.9


def test_the_same_seed_trains_the_same_network_to_the_last_bit(small_space: Space, easy_data: Data):
    schedule = Schedule(epochs=2, batch_size=32)
    first, again, other = (
        train_alone(small_space, small_space.manual(), easy_data, schedule, seed=seed, threads=1, advance=quiet).network
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


def test_torch_is_set_back_after_a_reproducible_stretch():
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)

    with reproducible(0, 1):
        inside = torch.rand(1), torch.are_deterministic_algorithms_enabled()

    assert inside[1]
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(1), expected)


def test_a_training_is_looked_at_on_validation_images_up_to_its_end(small_space: Space, easy_data: Data):
    schedule = Schedule(epochs=24, batch_size=64)

    trained = train_alone(small_space, small_space.manual(), easy_data, schedule, seed=0, threads=1, advance=quiet)

    assert [point.epochs for point in trained.curve] == [float(epoch) for epoch in range(2, 25, 2)]
    assert trained.curve[-1].accuracy == accuracy_of(trained.network, easy_data.validation)


def test_part_of_an_epoch_is_part_of_its_batches():
    images, labels = torch.randn(64, 1, 2, 2), torch.zeros(64, dtype=torch.int64)
    linear, seen = nn.Linear(4, 2), []

    descend(
        linear,
        lambda batch: seen.append(len(batch)) or linear(batch.flatten(1)),
        Split(images=images, labels=labels),
        Schedule(epochs=0.5, batch_size=8),
        seed=0,
        advance=quiet,
    )

    assert seen == [8] * 4


def test_every_pixel_of_a_mask_is_learned_from():
    images = torch.tensor([0.0, 1.0, 0.0, 1.0]).repeat(32, 1, 1, 1)
    split = Split(images=images, labels=images[:, 0].long(), augmentation=Augmentation())
    pixelwise = nn.Conv2d(1, 2, 1)

    descend(pixelwise, pixelwise.forward, split, Schedule(epochs=40, batch_size=16), seed=0, advance=quiet)

    assert accuracy_of(pixelwise, split) == 1.0


def test_batches_are_handed_out_where_networks_are_trained(easy_data: Data):
    elsewhere = easy_data.on("meta")

    images, labels = elsewhere.train.batch(slice(0, 4))
    changed, _ = elsewhere.validation.augmented(torch.arange(4), torch.Generator())

    assert {images.device.type, labels.device.type, changed.device.type} == {"meta"}
    assert elsewhere.test.images.device.type == "cpu"
    assert elsewhere.task is easy_data.task
