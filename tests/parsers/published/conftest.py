"""The published tables themselves, where the person who runs the tests has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def published() -> Callable[[str], Path]:
    """Give the path of a published table under AUTOCOMET_DATA/phones."""

    def path_of(name: str) -> Path:
        path = Path(os.environ.get("AUTOCOMET_DATA", ""), "phones", name)
        if "AUTOCOMET_DATA" not in os.environ or not path.exists():
            pytest.skip(f"AUTOCOMET_DATA names no folder with phones/{name}")
        return path

    return path_of
