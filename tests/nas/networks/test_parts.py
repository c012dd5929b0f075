from __future__ import annotations

from nas.networks.operations import FeatureMap, Kind, Operation, concatenation, convolution, pooling
from nas.networks.parts import Part, parts_read


def side(channels: int) -> FeatureMap:
    return FeatureMap(channels=channels, height=4, width=4)


def block(first: int, second: int) -> list[Operation]:
    """Two branches put together; one convolution reads them as they are, another one behind a pool and filter by filter."""
    both = side(first + second)
    return [
        convolution("image", side(3), channels=first, weights="first", writes="a"),
        convolution("image", side(3), channels=second, weights="second", writes="b"),
        concatenation([("a", side(first)), ("b", side(second))], writes="both"),
        convolution("both", both, channels=5, weights="plain", writes="c"),
        pooling(Kind.MAX_POOL, "both", both, writes="pooled"),
        convolution("pooled", both, channels=both.channels, weights="depthwise", writes="d", depthwise=True),
        convolution("d", both, channels=7, weights="behind", writes="e"),
    ]


def test_a_concatenation_has_parts_which_pools_and_depthwise_convolutions_hand_on():
    read = {operation.weights: parts for operation, parts in parts_read(block(2, 6)) if operation.weights}

    parts = (Part("a/", 2), Part("b/", 6))
    whole = (Part("", 3),)
    assert read == {"first": whole, "second": whole, "plain": parts, "depthwise": parts, "behind": parts}


def test_over_many_networks_every_part_is_as_wide_as_its_widest():
    networks = [*block(2, 6), *block(4, 1)]

    read = {operation.weights: parts for operation, parts in parts_read(networks, of_all_paths=True)}

    assert read["plain"] == read["behind"] == (Part("a/", 4), Part("b/", 6))


def test_a_branch_alone_is_handed_on_under_another_name_and_keeps_its_place():
    alone = [
        convolution("image", side(3), channels=6, weights="second", writes="b"),
        concatenation([("b", side(6))], writes="both"),
        convolution("both", side(6), channels=5, weights="plain", writes="c"),
    ]

    read = {operation.weights: parts for operation, parts in parts_read(alone)}

    assert not alone[1].runs
    assert read["plain"] == (Part("b/", 6),)
