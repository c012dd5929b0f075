from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.facts.getprop import KIND, Property, parse_properties


def read(text: str | bytes) -> tuple[list[Property], list[Reject]]:
    data = text if isinstance(text, bytes) else text.encode()
    dump = KIND.read(data, DumpSettings())
    return list(dump.records), list(dump.rejects)


def pairs(text: str | bytes) -> list[tuple[str, str]]:
    found, rejects = read(text)
    assert rejects == []
    return [(one.name, one.value) for one in found]


def test_a_property_is_a_record_with_its_place() -> None:
    assert read("[a.b]: [1]\n[c]: []\n") == (
        [Property(offset=0, name="a.b", value="1"), Property(offset=11, name="c", value="")],
        [],
    )


@pytest.mark.parametrize(
    "value",
    [
        "one\ntwo",
        "x]: [y]",
        "]",
        "[",
        "a]\nb",
        "a]\n\nb]",
        "\n",
        "\n\n]",
        " \t",
        "ends in a return\r",
        "[k]:[v]",
        "ü 😀",
    ],
)
def test_a_value_may_hold_brackets_and_line_breaks(value: str) -> None:
    assert pairs(f"[a]: [{value}]\n[b]: [2]\n") == [("a", value), ("b", "2")]


def test_windows_line_ends_are_not_part_of_a_value() -> None:
    assert pairs("[a]: [one\r\ntwo]\r\n[b]: [2]\r\n") == [("a", "one\ntwo"), ("b", "2")]


def test_powershells_utf_16_is_read() -> None:
    assert pairs(b"\xff\xfe" + "[a]: [ü\r\ntwo]\r\n[b]: [2]".encode("utf-16-le")) == [("a", "ü\ntwo"), ("b", "2")]


def test_a_value_that_is_cut_off_is_refused() -> None:
    found, rejects = read("[a]: [1]\n[b]: [cut")

    assert [one.name for one in found] == ["a"]
    assert rejects == [Reject(offset=9, reason="a value that is not closed", text=b"[b]: [cut")]


def test_a_value_that_may_hold_the_next_property_is_refused_with_it() -> None:
    found, rejects = read("[a]: [cut\n[b]: [2]\n[c]: [3]\n")

    assert [(one.name, one.value) for one in found] == [("c", "3")]
    assert rejects == [
        Reject(offset=0, reason="a value that is not closed before another property", text=b"[a]: [cut\n[b]: [2]")
    ]


def test_what_stands_before_between_and_behind_properties_belongs_to_nobody() -> None:
    found, rejects = read("$ getprop\n[a]: [1]\nnoise\n[b]: [2]\n\n$ exit\n")

    assert [(one.name, one.value) for one in found] == [("a", "1"), ("b", "2")]
    assert [(one.offset, one.reason) for one in rejects] == [
        (0, "before the first property"),
        (19, "between properties"),
        (34, "between properties"),
    ]


def test_a_value_longer_than_any_is_refused() -> None:
    found, rejects = read("[a]: [" + "x\n" * 40_000 + "]\n[b]: [2]\n")

    assert [one.name for one in found] == ["b"]
    assert [one.reason for one in rejects] == ["a value longer than 64 KiB"]


def test_what_has_no_property_is_refused() -> None:
    with pytest.raises(DumpError, match=r"The file has no line '\[key\]: \[value\]'"):
        read("ro.build.id=UQ1A\n")


@pytest.mark.parametrize(
    ("head", "is_it"), [("[a]: [1]\n", True), ("[a] [1]\n", False), ("a: [1]\n", False), ("", False)]
)
def test_it_is_told_by_how_it_begins(head: str, is_it: bool) -> None:
    assert KIND.looks_like(head.encode(), "") is is_it


def test_for_a_person_empty_values_are_left_out_and_control_characters_are_visible() -> None:
    text = "[a]: [one\ntwo]\n[b]: [x]: [y]]\n[empty]: []\n[c]: [\x1b[2J]"

    assert parse_properties(text) == {"a": "one\\ntwo", "b": "x]: [y]", "c": "\\x1b[2J"}


names = st.text(st.characters(exclude_characters="[]\r\n", exclude_categories=["Cs"]), min_size=1, max_size=30)
values = st.text(st.sampled_from("ab]\n[ :\tü") | st.characters(exclude_characters="\r", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(names, values), min_size=1, max_size=6))
def test_what_getprop_prints_is_read_back(properties: list[tuple[str, str]]) -> None:
    assume(not any(re.search(r"^\[[^\]\[\r\n]+\]: \[", value, re.MULTILINE) for _, value in properties))

    assert pairs("".join(f"[{name}]: [{value}]\n" for name, value in properties)) == properties
