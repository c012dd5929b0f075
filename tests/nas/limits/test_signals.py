from __future__ import annotations

import pytest

from nas.errors import SettingsError
from nas.limits.signals import Limit, check_signals, column_name, parse_limit, parse_limits


@pytest.mark.parametrize("text", ["latency=25ms", "latency=25", " latency = 25.0 ms "])
def test_a_limit_is_written_with_or_without_its_unit(text: str):
    assert parse_limit(text) == Limit(target="latency", value=25.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("25ms", "Cannot limit '25ms'"),
        ("beauty=3", "known costs: latency, energy, power, memory, macs, weights, throughput"),
        ("memory=2GB", "Write it as memory=25MB"),
        ("macs=many", "Write it as macs=3M"),
        ("throughput=0/s", "must be above zero"),
        ("latency=fast", "has no number"),
        ("latency=25s", "has no number"),
        ("latency=0", "must be above zero"),
        ("latency=-1ms", "must be above zero"),
        ("latency=inf", "must be above zero"),
        ("latency=nan", "must be above zero"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(text: str, message: str):
    with pytest.raises(SettingsError, match=message):
        parse_limit(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("energy=3mJ", Limit(target="energy", value=3.0)),
        ("memory=2.5MB", Limit(target="memory", value=2.5)),
        ("power=800 mW", Limit(target="power", value=800.0)),
        ("macs=3M", Limit(target="macs", value=3e6)),
        ("weights=100k", Limit(target="weights", value=1e5)),
        ("weights=12345", Limit(target="weights", value=12345.0)),
        ("throughput=40/s", Limit(target="latency", value=25.0)),
    ],
)
def test_every_cost_has_its_unit_and_a_throughput_is_a_latency(text: str, limit: Limit):
    assert parse_limit(text) == limit


def test_a_limit_is_written_as_it_is_read():
    for text in ("latency=25.0ms", "macs=3000000.0", "energy=0.1mJ"):
        assert str(parse_limit(text)) == text


def test_a_cost_of_the_users_own_is_limited_without_a_unit():
    assert parse_limit("reads=3k", own=("reads",)) == Limit(target="reads", value=3000.0)


def test_several_limits_are_on_several_costs():
    assert [str(one) for one in parse_limits(["energy=3mJ", "latency=25ms"])] == ["energy=3.0mJ", "latency=25.0ms"]
    with pytest.raises(SettingsError, match="latency has 2 limits: latency=25ms, throughput=40/s"):
        parse_limits(["latency=25ms", "throughput=40/s"])


def test_signals_that_nobody_knows_or_that_come_twice_are_refused():
    check_signals(("latency", "reads"), ("reads",), option="--secondary")

    with pytest.raises(SettingsError, match=r"No signal 'beauty' for --secondary\. Known: latency"):
        check_signals(("beauty",), (), option="--secondary")
    with pytest.raises(SettingsError, match="names a signal twice"):
        check_signals(("latency", "latency"), (), option="--secondary")


def test_a_column_is_named_with_its_unit():
    assert [column_name(name) for name in ("latency", "energy", "memory", "macs")] == [
        "latency_ms",
        "energy_mj",
        "memory_mb",
        "macs",
    ]
