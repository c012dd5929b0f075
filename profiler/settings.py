"""How a campaign measures. Its settings name it, so that the same command finds its own work again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

Policy = Literal["strict", "quick"]
"""``strict`` measures again what was contended, throttled or torn; ``quick`` only says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSettings:
    """What decides a campaign's numbers.

    Iterations are counted at fixed check points and stop at the first where the mean is known to
    ``target_relative_error``, or when ``budget_ms`` is spent; the error of a row comes from the spread between
    ``processes``, never from one of them.
    """

    suite: str
    suite_sha256: str
    """Names the suite's layers and networks: a suite of the same name that measures something else is another."""
    device: str
    """The devices as the user asked for them: ``host``, ``all``, or serials joined with ``+``."""
    policy: Policy = "strict"
    provider: str = "cpu"
    threads: int = 1
    processes: int = 3
    warmup: int = 3
    checkpoints: tuple[int, ...] = (30, 60, 120, 240)
    target_relative_error: float = 0.01
    budget_ms: int = 400
    min_iterations: int = 10
    profile_iterations: int = 30
    timeout_s: int = 120
    spinning: bool = True
    sentinel_every: int = 20
    """On a phone, runs between two looks at whether it still is as fast as at the start; 0 for none."""
    share: bool = False
    """Phones that are alike divide the jobs among themselves, instead of doing all of them each."""
    power: str = "none"
    """Where the power comes from: ``none``, ``auto``, ``battery``, ``odpm`` or ``monsoon:FILE.csv``."""
    seed: int = 0

    @property
    def campaign(self) -> str:
        """The campaign's name where the user gives none."""
        canonical = json.dumps(asdict(self), sort_keys=True)
        return f"{self.suite}-{self.device}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"
