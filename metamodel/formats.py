"""Manifests of earlier releases, brought to today's form before they are read.

Format 1 knew no intervals, no likely members of B, no ranges of what was seen, and no parents. Nothing is invented for them:
what a model does not say stays unknown, and a prediction from it has no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from metamodel.errors import ModelError

FORMAT = 2
"""What is written."""

_UNKNOWN_FEASIBILITY = {
    "failed": 0,
    "executed": 0,
    "false_alarm_rate": 0.01,
    "calibration": None,
    "reason": "the model is of format 1, which had known members only",
}


def upgraded(manifest: Mapping[str, Any], *, format_number: int) -> Mapping[str, Any]:
    """Bring a manifest of any readable format to :data:`FORMAT`.

    Raises:
        ModelError: a manifest that lacks what its format has.
    """
    try:
        for number in range(format_number, FORMAT):
            manifest = _STEPS[number](manifest)
    except (KeyError, TypeError) as error:
        raise ModelError(f"The manifest is no manifest of format {format_number} ({error}).") from error
    return manifest


def _from_1(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        **manifest,
        "responses": [
            {**record, "response": {**record["response"], "fitted": None}, "interval": None}
            for record in manifest["responses"]
        ],
        "evaluations": [
            {
                **evaluation,
                "networks": [{**one, "bob_sum_ratio": None} for one in evaluation["networks"]],
                "network_factor": None,
            }
            for evaluation in manifest["evaluations"]
        ],
        "corrections": [
            {
                **correction,
                "networks": [{**one, "unseen_ms": None} for one in correction["networks"]],
                "network_factor": None,
            }
            for correction in manifest["corrections"]
        ],
        "feasibility": _UNKNOWN_FEASIBILITY,
        "outside": None,
        "parent": None,
        "adaptations": [],
    }


_STEPS: Mapping[int, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = MappingProxyType({1: _from_1})
"""From each earlier format to the next."""
