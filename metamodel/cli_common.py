"""What the subcommands of ``metamodel`` have in common."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = Path("models/default")
