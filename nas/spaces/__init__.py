"""The search spaces, one file each, and the kinds of blocks that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nas.errors import SpaceError
from nas.space import Image, Space
from nas.spaces.mobilenetv2 import mobilenetv2, mobilenetv2_tiny
from nas.spaces.nasbench201 import nasbench201

SPACES: Mapping[str, Callable[[Image, int], Space]] = MappingProxyType(
    {"mobilenetv2": mobilenetv2, "mobilenetv2-tiny": mobilenetv2_tiny, "nasbench201": nasbench201}
)
"""Spaces by name; each takes the data's image size and number of classes."""


def make_space(name: str, *, image: Image, classes: int) -> Space:
    """Build a space by its name.

    Raises:
        SpaceError: no space of that name, or one that has no place for such images.
    """
    if name not in SPACES:
        raise SpaceError(f"No search space {name!r}. Known: {', '.join(sorted(SPACES))}.")
    return SPACES[name](image, classes)
