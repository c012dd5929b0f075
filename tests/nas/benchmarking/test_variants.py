from __future__ import annotations

import pytest

from nas.benchmarking.variants import Variant, parse_variant
from nas.controllers.assistance import Assist
from nas.controllers.comet import CometSettings, EpsilonRule, Shaping
from nas.errors import SettingsError
from nas.searching.problem import PotentialName

USUAL = Variant(name="", controller="", assist=Assist.MASK, comet=CometSettings(shaping=Shaping.BOTH))


def test_a_controller_alone_is_as_usual():
    assert parse_variant("comet", USUAL) == Variant(
        name="comet", controller="comet", assist=Assist.MASK, comet=CometSettings(shaping=Shaping.BOTH)
    )


def test_settings_follow_behind_colons_and_the_text_is_the_name():
    text = "comet:epsilon=constant:potential=online:temperature=0.5:draws=8"

    assert parse_variant(text, USUAL) == Variant(
        name=text,
        controller="comet",
        assist=Assist.MASK,
        potential=PotentialName.ONLINE,
        comet=CometSettings(epsilon=EpsilonRule.CONSTANT, shaping=Shaping.BOTH, temperature=0.5, draws=8),
    )


def test_a_rival_has_its_own_assistance():
    assert parse_variant("tpe:assist=none", USUAL).assist is Assist.NONE
    assert parse_variant("tpe", USUAL).assist is Assist.MASK


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oracle", "No controller 'oracle' for a table. Known: comet, random"),
        ("", "No controller ''"),
        ("comet:epsilon", "'comet:epsilon': 'epsilon' sets nothing. Write comet:SETTING=VALUE"),
        ("comet:", "'' sets nothing"),
        ("comet:speed=3", "comet has no setting 'speed'. It has: potential, epsilon, shaping, temperature"),
        ("comet:shaping=none", "shaping cannot be 'none'. Known: policy, update, both"),
        ("comet:potential=none", "potential cannot be 'none'. Known: exact, learned, online"),
        ("comet:draws=1.5", "draws is a whole number, not '1.5'"),
        ("comet:temperature=hot", "temperature is a number, not 'hot'"),
        ("comet:temperature=0", "A temperature of 0"),
        ("comet:temperature=nan", "A temperature of nan"),
        ("comet:draws=0", "draws of 0"),
        ("comet:scouts=-1", "scouts of -1. Give 0 or more"),
        ("comet:gain=inf", "gain of inf"),
        ("comet:assist=mask", "comet has no setting 'assist'"),
        ("random:draws=3", "random has no setting 'draws'. It has: assist"),
        ("random:assist=some", "assist cannot be 'some'. Known: none, mask, near-budget"),
    ],
)
def test_what_cannot_be_set_is_refused(text: str, message: str):
    with pytest.raises(SettingsError) as caught:
        parse_variant(text, USUAL)

    assert message in str(caught.value)
