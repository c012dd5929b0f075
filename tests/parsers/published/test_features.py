from __future__ import annotations

import pytest

from parsers.published.features import read_features


def test_sizes_are_numbers_or_their_digits():
    features = read_features("{'side': '14', 'channels': 64, 'Kernel': '0', 'Filter': '-', 'groups': None}")

    assert features is not None
    assert (features.side("side"), features.channels("channels")) == (14, 64)
    assert features.is_zero("Kernel")
    assert [features.window(name) for name in ("Kernel", "Filter", "groups", "absent")] == [None] * 4
    assert [features.says(name) for name in ("Filter", "groups", "absent")] == [True, False, False]


def test_a_size_larger_than_any_layers_is_not_known():
    features = read_features("{'a': 1000001, 'b': '99999999999999999999', 'c': -3, 'd': 1.5, 'e': True}")

    assert features is not None
    assert [features.channels(name) for name in "abcde"] == [None] * 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "{'a'}",
        "{1: 2}",
        "{'a': f()}",
        "__import__('os')",
        "{'a': (1,)}",
        "{'a': 1if 1else 2}",
        "{'a': '\\d'}",
        "{" * 900,
        "{'a': " + "-" * 900 + "1}",
        "{'a': 1}" + " " * 2000,
        "{{}: 1}",
        "\x00",
    ],
)
def test_what_is_no_flat_dict_of_sizes_is_refused_without_a_word(text: str):
    assert read_features(text) is None
