from __future__ import annotations

import pytest

from nas.training.curve import CurvePoint, gain_of_last_third, is_watched
from nas.training.schedule import Schedule


def curve(*accuracies: float) -> list[CurvePoint]:
    return [CurvePoint(epochs=float(epoch), accuracy=one) for epoch, one in enumerate(accuracies, start=1)]


def test_what_the_last_third_gains_is_counted_from_the_best_before_it():
    assert gain_of_last_third(curve(0.5, 0.8, 0.7, 0.75, 0.79, 0.81)) == pytest.approx(0.01)
    assert gain_of_last_third(curve(0.5, 0.8, 0.9, 0.7, 0.8, 0.8)) == 0.0


def test_a_training_that_was_looked_at_too_late_tells_nothing():
    with pytest.raises(ValueError, match="not looked at before its last third"):
        gain_of_last_third(curve(0.5)[-1:])


def test_a_long_training_is_looked_at_about_twelve_times_and_at_its_end():
    schedule = Schedule(epochs=30, batch_size=100)

    looks = [step for step in range(1, 301) if is_watched(step, schedule, 1000)]

    assert looks == [*range(20, 301, 20)]


def test_a_training_that_ends_within_an_epoch_is_looked_at_there():
    schedule = Schedule(epochs=2.5, batch_size=100)

    assert [step for step in range(1, 26) if is_watched(step, schedule, 1000)] == [10, 20, 25]
