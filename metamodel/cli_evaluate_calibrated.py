"""``metamodel evaluate --protocol calibrated-phone``: its JSON document and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metamodel.cli_evaluate_table import LEAD, devices_cell, lead_cell, new_table, number_cell, print_table, spread_cell
from parsers.console import progress

if TYPE_CHECKING:
    from metamodel.evaluation.calibrated import CalibratedContest, CalibratedFigures
    from metamodel.evaluation.samples import Samples

_SHOWN = {"mape": "MAPE", "median_ape": "median", "within_10": "in ±10 %", "r2_log": "log R²", "spearman": "Spearman"}
_WITH_SPREAD = frozenset({"mape", "median_ape"})


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
    from metamodel.evaluation.scores import ceiling_json

    return {
        "protocol": CALIBRATED_PHONE,
        "target": contest.target,
        "rows": contest.rows,
        "devices": list(contest.devices),
        "folds": contest.plan.folds,
        "seeds": contest.plan.seeds,
        "noise_ceiling": ceiling_json(contest.noise_ceiling),
        "models": {
            name: {"k": _by_k_json(standing.seen_layers), "k_unseen_layers": _by_k_json(standing.unseen_layers)}
            for name, standing in contest.standings.items()
        },
    }


def _by_k_json(by_k: Mapping[int, CalibratedFigures]) -> dict[str, Any]:
    from metamodel.evaluation.scores import figures_json

    return {
        str(k): {
            **figures_json(one.figures),
            "per_device": {device: figures_json(figures) for device, figures in one.per_device.items()},
            **({"lead_of_first": dict(one.lead)} if one.lead else {}),
        }
        for k, one in by_k.items()
    }


def _show(contest: CalibratedContest) -> None:
    words = ("model", "layers")
    table = new_table((*words, "k", *_SHOWN.values(), LEAD), words=words)
    for name, standing in contest.standings.items():
        for layers, by_k in (("seen", standing.seen_layers), ("unseen", standing.unseen_layers)):
            for k, one in by_k.items():
                figures = [
                    spread_cell(one.figures[item]) if item in _WITH_SPREAD else number_cell(one.figures[item].mean)
                    for item in _SHOWN
                ]
                table.add_row(name, layers, str(k), *figures, lead_cell(one.lead))
    devices = devices_cell(contest.devices)
    print_table(table, f"calibrated-phone, {contest.target}: {contest.rows} rows of {devices}, each held out in turn")
