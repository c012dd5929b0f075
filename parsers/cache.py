"""What a network does to the caches between two runs of one of its layers.

A measurement imitates it, and a predictor asks for it; both must mean the same by it.
"""

from __future__ import annotations

from parsers.schema import Context

_ASSUMED_CACHE_MB = 32.0
"""Last-level cache of a device that does not say."""
_CACHES = 1.5
"""Walking over more than this many last-level caches evicts no more."""


def evicted_mb(touched_mb: float, context: Context) -> float:
    """Say how much of what a network touches in one run evicts caches, in MB of 2^20 bytes.

    Args:
        touched_mb: the network's weights and the most activations that are alive at once, MB of 2^20 bytes.
        context: where it runs; its last-level cache bounds what can be evicted.
    """
    return min(touched_mb, _CACHES * (context.last_level_cache_mb or _ASSUMED_CACHE_MB))
