"""``metamodel evaluate --protocol calibrated-phone``: its JSON document and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parsers.console import progress

if TYPE_CHECKING:
    from metamodel.evaluation.calibrated import CalibratedContest, CalibratedFigures
    from metamodel.evaluation.samples import Samples

_SHOWN = ("median_ape", "mape", "within_10", "r2_log", "spearman")


def evaluate_calibrated(
    samples: Samples, learners: Sequence[str], measurements: Sequence[int], *, folds: int, seeds: int
) -> dict[str, Any]:
    """Hold the contest, print its table, and lay it out as the JSON document that ``--json`` writes.

    Raises:
        TableError: an unknown learner, one device alone, or one with too few layers.
    """
    from metamodel.evaluation.calibrated import (
        CALIBRATED_PHONE,
        MEASUREMENTS,
        CalibrationPlan,
        count_calibrated_runs,
        hold_calibrated,
    )
    from metamodel.parallel import available_cores

    asked = tuple(sorted(set(measurements))) or MEASUREMENTS
    plan = CalibrationPlan(learners=tuple(learners), measurements=asked, folds=folds, seeds=seeds)
    with progress(f"Evaluating {CALIBRATED_PHONE}", count_calibrated_runs(samples, plan)) as advance:
        contest = hold_calibrated(samples, plan, workers=available_cores(), advance=advance)
    _show(contest)
    return calibrated_json(contest)


def calibrated_json(contest: CalibratedContest) -> dict[str, Any]:
    """Lay a contest out; figures stand one level deeper than other protocols', below each k."""
    from metamodel.evaluation.calibrated import CALIBRATED_PHONE

    return {
        "protocol": CALIBRATED_PHONE,
        "target": contest.target,
        "rows": contest.rows,
        "devices": list(contest.devices),
        "folds": contest.plan.folds,
        "seeds": contest.plan.seeds,
        "noise_ceiling": dict(contest.noise_ceiling),
        "models": {
            name: {"k": _by_k_json(standing.seen_layers), "k_unseen_layers": _by_k_json(standing.unseen_layers)}
            for name, standing in contest.standings.items()
        },
    }


def _by_k_json(by_k: Mapping[int, CalibratedFigures]) -> dict[str, Any]:
    return {
        str(k): {
            **_figures_json(one.figures),
            "per_device": {device: _figures_json(figures) for device, figures in one.per_device.items()},
            **({"lead_of_first": dict(one.lead)} if one.lead else {}),
        }
        for k, one in by_k.items()
    }


def _figures_json(figures: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    return {name: {"mean": one.mean, "sd": one.sd} for name, one in figures.items()}


def _show(contest: CalibratedContest) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"calibrated-phone, {contest.target}: {contest.rows} rows of {', '.join(contest.devices)}, each held out in "
        "turn; mean ± sd over devices × seeds"
    )
    for name in ("model", "measured", "layers", *_SHOWN, "first − this, MAPE"):
        table.add_column(name, justify="left" if name in {"model", "layers"} else "right")
    for name, standing in contest.standings.items():
        for layers, by_k in (("seen", standing.seen_layers), ("unseen", standing.unseen_layers)):
            for k, one in by_k.items():
                told = (f"{one.figures[item].mean:.3g} ± {one.figures[item].sd:.2g}" for item in _SHOWN)
                lead = one.lead
                ahead = f"{lead['mean']:+.2f} [{lead['low']:+.2f}, {lead['high']:+.2f}]" if lead else ""
                table.add_row(name, str(k), layers, *told, ahead)
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)
