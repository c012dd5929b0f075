from __future__ import annotations

import json

import numpy as np
import pytest
from xgboost import XGBRegressor

from metamodel.ubjson import read_ubjson


@pytest.fixture(scope="module")
def booster():
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 3))
    return XGBRegressor(n_estimators=200, max_depth=2).fit(features, features[:, 0]).get_booster()


def plain(value):
    """The same value with arrays as lists of float32 numbers, as the text form rounds them."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, np.ndarray)):
        return [plain(item) for item in value]
    return np.float32(value) if isinstance(value, (float, int, np.number)) else value


def test_a_boosters_two_forms_say_the_same(booster):
    binary, text = (bytes(booster.save_raw(form)) for form in ("ubj", "json"))

    assert plain(read_ubjson(binary)) == plain(json.loads(text))


def test_every_kind_of_value_is_read():
    written = (
        b"{" + b"L\0\0\0\0\0\0\0\1a" + b"[#L\0\0\0\0\0\0\0\5" + b"i\xff" + b"U\xff" + b"I\1\0" + b"l\0\0\1\0" + b"ZL"
        b"\0\0\0\0\0\0\0\1bT" + b"L\0\0\0\0\0\0\0\1cF" + b"L\0\0\0\0\0\0\0\1dd\x3f\xc0\0\0"
        b"L\0\0\0\0\0\0\0\1eD\x3f\xf8\0\0\0\0\0\0" + b"L\0\0\0\0\0\0\0\1fSL\0\0\0\0\0\0\0\2\xc3\xa4" + b"}"
    )

    assert read_ubjson(written) == {"a": [-1, 255, 256, 256, None], "b": True, "c": False, "d": 1.5, "e": 1.5, "f": "ä"}


def test_a_document_that_is_cut_short_is_refused_wherever_it_is_cut(booster):
    whole = bytes(booster[:1].save_raw("ubj"))

    for end in range(len(whole)):
        with pytest.raises(ValueError, match="UBJSON"):
            read_ubjson(whole[:end])


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        (b"{}Z", "ends at byte 2, but there are 3"),
        (b"N", r"b'N' at byte 0"),
        (b"[]", r"b'\]' at byte 1"),
        (b"[$S#L\0\0\0\0\0\0\0\1", r"b'S' at byte 2"),
        (b"SU\1a", r"b'U' at byte 1"),
        (b"SL\xff\xff\xff\xff\xff\xff\xff\xff", "count of -1"),
        (b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff", "hold a value, but there are 13"),
        (b"SL\0\0\0\0\0\0\0\1\xff", "utf-8"),
    ],
)
def test_what_xgboost_does_not_write_is_refused_by_its_place(written, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_ubjson(written)
