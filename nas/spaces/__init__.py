"""The search spaces, one file each, and the kinds of blocks that they are made of.

A space has a name, or lies in a file of the user's: ``my-space.toml``, or ``my_space.py:build``, a function that takes the
image's size and the number of classes and gives a :class:`nas.space.Space`.
"""

from __future__ import annotations

import hashlib
import inspect
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from nas.errors import SpaceError
from nas.space import Image, Space
from nas.spaces.checks import check_space
from nas.spaces.inceptionv3 import inceptionv3
from nas.spaces.mobilenetv2 import mobilenetv2, mobilenetv2_tiny
from nas.spaces.mobilenetv2_decoder import mobilenetv2_decoder
from nas.spaces.nasbench201 import nasbench201
from nas.spaces.space_file import read_space
from nas.user_code import load_function

SPACES: Mapping[str, Callable[[Image, int], Space]] = MappingProxyType(
    {
        "inceptionv3": inceptionv3,
        "mobilenetv2": mobilenetv2,
        "mobilenetv2-decoder": mobilenetv2_decoder,
        "mobilenetv2-tiny": mobilenetv2_tiny,
        "nasbench201": nasbench201,
    }
)
"""Spaces by name; each takes the data's image size and number of classes."""


def make_space(name: str, *, image: Image, classes: int) -> Space:
    """Build a space by its name, from a TOML file, or by a function of the user's.

    Raises:
        SpaceError: no space of that name, one that has no place for such images, or one that does not fit together.
        SettingsError: no such function.
    """
    if name in SPACES:
        return SPACES[name](image, classes)
    if name.endswith(".toml"):
        space = read_space(Path(name), image, classes)
    elif ":" in name:
        space = _built(name, image, classes)
    else:
        raise SpaceError(
            f"No search space {name!r}. Known: {', '.join(sorted(SPACES))}; or name a .toml file, or file.py:function."
        )
    check_space(space, image, classes)
    return space


def space_file(name: str) -> Path | None:
    """Give the file that a space lies in; ``None`` for one that is known by name, or among installed modules."""
    path = Path(name if name.endswith(".toml") else name.rpartition(":")[0])
    return path if name not in SPACES and path.suffix in {".toml", ".py"} else None


def space_sha256(name: str) -> str | None:
    """Give the checksum of a space's file, by which a changed one is noticed; ``None`` where it has none.

    Raises:
        SpaceError: the file cannot be read.
    """
    path = space_file(name)
    try:
        return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise SpaceError(f"Cannot read the search space {path}: {exc.strerror or exc}.") from exc


def space_label(name: str) -> str:
    """Make a space's name fit for a file's: of a path, its last part and a checksum are left."""
    if name in SPACES:
        return name
    return f"{Path(name.partition(':')[0]).stem}-{zlib.crc32(name.encode()):08x}"


def _built(reference: str, image: Image, classes: int) -> Space:
    build = load_function(reference, option="--space")
    try:
        inspect.signature(build).bind(image, classes)
    except TypeError as exc:
        raise SpaceError(f"{reference} cannot be called with an image size and a number of classes: {exc}.") from exc
    space = build(image, classes)
    if not isinstance(space, Space):
        raise SpaceError(f"{reference} gives {type(space).__name__}, no nas.space.Space.")
    return space
