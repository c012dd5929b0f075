from __future__ import annotations

import pytest

from nas.errors import SettingsError
from nas.limits.signals import Limit
from nas.limits.user_signal import UserSignal
from nas.searching.goals import Goals

LATENCY = Limit(target="latency", value=25.0)
ENERGY = Limit(target="energy", value=3.0)
READS = UserSignal(name="reads", compute=lambda _blocks, layers: float(len(layers)))
PREDICTED = ("latency", "throughput", "memory", "power", "energy")


def test_what_is_limited_shapes_the_search_where_nothing_else_is_named():
    assert Goals(limits=(LATENCY, ENERGY)).shaping == ("latency", "energy")
    assert Goals(limits=(LATENCY, ENERGY), secondary=("energy", "memory")).shaping == ("energy", "memory")
    assert Goals(limits=(LATENCY,), primary="reads", own=(READS,)).shaping == ("latency",)


def test_a_cost_that_is_to_be_low_shapes_itself_and_limits_ask_not_to_be_spent():
    assert Goals(limits=(LATENCY,), primary="energy").shaping == ("energy",)
    assert Goals(limits=(LATENCY,), primary="latency").shaping == ()
    assert Goals(limits=(LATENCY,), primary="energy", secondary=("latency",)).shaping == ("latency",)


def test_what_is_counted_is_what_is_asked_for_and_latency_wherever_it_is_known():
    assert Goals(limits=(ENERGY,)).counted(PREDICTED) == ("latency", "energy")
    assert Goals(limits=(ENERGY,)).counted(("energy",)) == ("energy",)
    assert Goals(limits=(LATENCY,), secondary=("weights", "memory")).counted(PREDICTED) == (
        "latency",
        "memory",
        "weights",
    )
    assert Goals(primary="power").counted(PREDICTED) == ("latency", "power")
    assert Goals().counted(()) == ("macs",)


def test_a_signal_of_the_users_is_counted_where_it_is_a_cost_and_not_where_it_is_the_primary():
    limited = Goals(limits=(LATENCY, Limit(target="reads", value=9.0)), own=(READS,))
    primary = Goals(limits=(LATENCY,), primary="reads", own=(READS,))

    assert limited.counted(PREDICTED) == ("latency", "reads")
    assert primary.counted(PREDICTED) == ("latency",)


@pytest.mark.parametrize(
    ("goals", "message"),
    [
        ({"primary": "beauty"}, "No signal 'beauty' for --primary"),
        ({"secondary": ("reads",)}, "No signal 'reads' for --secondary"),
        ({"secondary": ("accuracy",)}, "No signal 'accuracy' for --secondary"),
        ({"limits": (Limit(target="reads", value=1.0),)}, "No signal 'reads' for --limit"),
        ({"confidence": 1.0}, "A confidence of 1 cannot be"),
        ({"confidence": -0.1}, "A confidence of -0.1 cannot be"),
    ],
)
def test_goals_that_cannot_be_are_refused(goals: dict[str, object], message: str):
    with pytest.raises(SettingsError, match=message):
        Goals(**goals)  # type: ignore[arg-type]
