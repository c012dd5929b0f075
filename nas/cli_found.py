"""What ``nas run`` prints of a finished search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.cli_verify import show

if TYPE_CHECKING:
    from nas.cli_verify import Found


def print_search(folder: Path, *, as_json: bool, verified: Found | None) -> None:
    """Print what lies in a finished search's folder, and what a device said of it."""
    from nas.searching.output import FILES
    from nas.space import Task

    files = {name: str(folder / file) for name, file in FILES.items()}
    found: dict[str, Any] = json.loads(Path(files["architecture"]).read_text(encoding="utf-8"))
    if as_json:
        document = {
            "search": str(folder),
            "queries": found["queries"],
            "blocks": found["labels"],
            "latency_ms": found["predicted_latency_ms"],
            **{name: found[name] for name in _SHOWN},
            "ranks": found.get("ranks"),
            "files": files,
        }
        if verified is not None:
            document["verification"] = verified.document
        print(json.dumps(document))
        return
    print(f"Winner of {found['queries']}: {' | '.join(found['labels'])}")
    for name, cost in found["predicted"].items():
        limit = f"limit {found['limits'][name]:g}; " if name in found["limits"] else ""
        print(f"  predicted {name} {cost:.4g} ({limit}by hand {found['manual'][name]:.4g})")
    print(f"  {found['macs'] / 1e6:.2f} MMACs, {found['weight_elements'] / 1e3:.1f} k weights")
    if found["test_images"]:
        score = "accuracy" if found["task"] == Task.CLASSIFICATION else "intersection over union"
        print(
            f"  test {score} {found['test_accuracy']:.1%} of {found['test_images']} images; "
            f"best of {len(found['finalists'])} trained alone"
        )
    else:
        told = f"{found['validation_accuracy']:.2%} searched for, {found['test_accuracy']:.2%} reported"
        print(f"  accuracy by the table {told}; the weights written are not trained")
    if found.get("ranks"):
        weak = "; that is poor, so let more finalists be trained alone" if found["ranks"]["weak"] else ""
        print(
            f"  shared weights rank {found['ranks']['networks']} other networks as training alone does with a coefficient of "
            f"{found['ranks']['correlation']:.2f} (Spearman){weak}"
        )
    for name, path in files.items():
        print(f"  {name.replace('_', ' ')}: {path}")
    if verified is not None:
        show(verified)


_SHOWN = (
    "latency_limit_ms",
    "manual_latency_ms",
    "primary",
    "predicted",
    "limits",
    "manual",
    "query_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "test_images",
    "macs",
    "weight_elements",
)
"""Of the winner, in the JSON document."""
