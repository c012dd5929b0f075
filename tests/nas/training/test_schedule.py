from __future__ import annotations

import pytest

from nas.training.schedule import MNIST_5K_SCHEDULES, Schedule, usual_schedules


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


def test_part_of_an_epoch_is_part_of_its_batches_and_none_is_no_step():
    assert Schedule(epochs=0.5, batch_size=64).steps(640) == 5
    assert Schedule(epochs=0.001, batch_size=64).steps(640) == 1
    assert Schedule(epochs=0, batch_size=64).steps(640) == 0


def test_a_settled_schedule_keeps_a_hundredth_of_its_rate_for_its_last_steps():
    schedule = Schedule(epochs=1, learning_rate=0.5, warmup=0.1, settled=1 / 3)

    rates = [schedule.rate(step, 30) for step in range(30)]

    assert max(rates) == pytest.approx(0.5)
    assert rates[20:] == pytest.approx([0.005] * 10)
    assert rates == [*rates[:3], *sorted(rates[3:], reverse=True)]


def test_few_images_are_looked_at_often_and_many_seldom():
    looks = {
        images: [round(schedule.epochs * images) for schedule in (usual.shared, usual.tuning, usual.alone)]
        for images, usual in ((n, usual_schedules(n)) for n in (400, 2000, 1_000_000))
    }

    assert looks == {
        400: [200_000, 6_000, 60_000],
        2000: [200_000, 6_000, 60_000],
        1_000_000: [600_000, 12_800, 660_000],
    }


def test_two_thousand_images_are_learned_from_as_mnist_5k_is_but_for_the_settling():
    usual = usual_schedules(2000)

    assert (usual.shared, usual.tuning) == (MNIST_5K_SCHEDULES.shared, MNIST_5K_SCHEDULES.tuning)
    assert usual.alone.epochs == MNIST_5K_SCHEDULES.alone.epochs


def test_of_more_images_batches_are_larger_and_the_learning_rate_with_them():
    sizes = {
        images: [(one.batch_size, one.learning_rate) for one in (usual.shared, usual.tuning, usual.alone)]
        for images, usual in ((n, usual_schedules(n)) for n in (1_999, 2_000, 9_999, 10_000))
    }

    assert sizes == {
        1_999: [(16, 0.05), (16, 0.025), (16, 0.05)],
        2_000: [(64, 0.1), (64, 0.05), (64, 0.1)],
        9_999: [(64, 0.1), (64, 0.05), (64, 0.1)],
        10_000: [(128, 0.2), (128, 0.1), (128, 0.2)],
    }
