"""An evaluation as one HTML page that needs nothing else: pictures are inside, and so is the style.

The page says of each figure what it stands on. The paper's own figures are quoted as the paper's: they are of other phones,
other layers and another split, so that only the order of the predictors can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from metamodel.conformal import coverage_percent, fit_intervals
from metamodel.evaluation.contest import Contest
from metamodel.evaluation.samples import Samples, Words
from metamodel.evaluation.scores import Figure
from metamodel.html_report_plots import coverage_plot, response_plot
from metamodel.interface import FloatArray
from metamodel.manifest import ParentTable
from metamodel.rows import Reject, RowCount
from parsers.html_page import html_figure, html_page, html_table
from parsers.schema import Origin

NOMINAL_PERCENT = (50, 60, 70, 80, 90, 95)
"""Levels at which intervals are held to their promise."""
_INTERVAL_FOLDS = 5

_TITLE = "Predictors of layer costs, held to what they have not seen"
_TITLES = {"bob": "B-o-B", "bob-mlp": "B-o-B of MLPs", "xgboost": "XGBoost", "svr": "SVR", "mlp": "MLP"}
_PAPER = {
    "bob": ("0.9417", "1.32", "31 ms"),
    "xgboost": ("0.91", "1.354", "29.9 ms"),
    "mlp": ("0.8748", "1.36", "28.8 ms"),
    "svr": ("0.8253", "1.5142", "199.5 µs"),
}
"""R², RMSE and time as the paper's Table II prints them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One response: what was asked, what came of it, and what was left out."""

    contest: Contest
    samples: Samples
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the page is made of."""

    sections: tuple[Section, ...]
    absent: tuple[str, ...]
    """Responses that the tables do not tell, each with the reason."""
    tables: tuple[ParentTable, ...]
    rows: tuple[RowCount, ...]
    """All rows of the tables."""


def report_html(report: Report) -> str:
    """Write the page."""
    return html_page(_TITLE, _body(report))


def _body(report: Report) -> Iterator[str]:
    yield f"<h1>{_TITLE}</h1>"
    for section in report.sections:
        yield from _section(section)
    for reason in report.absent:
        yield f"<p>Not scored: {escape(reason)}</p>"
    yield "<h2>What this page stands on</h2>"
    yield html_table(
        "The tables.",
        ("table", "rows", "SHA-256"),
        [(table.name, str(table.rows), table.sha256) for table in report.tables],
    )
    yield html_table(
        "Their rows by origin and kind of device. Modelled rows come from a formula: they are neither learned from nor "
        "scored here.",
        ("origin", "device kind", "rows", "scored"),
        [
            (
                count.origin,
                count.device_kind,
                str(count.rows),
                "no" if count.origin == Origin.MODELLED else "where usable",
            )
            for count in report.rows
        ],
    )


def _section(section: Section) -> Iterator[str]:
    contest, samples = section.contest, section.samples
    unit = _unit(samples)
    standing = _basis(section)
    yield f"<h2>{escape(contest.target.capitalize())}, {escape(contest.plan.protocol.value)}</h2>"
    first_seed = {_title(name): samples.told(one.predictions[0]) for name, one in contest.standings.items()}
    yield html_figure(
        response_plot(samples.told(samples.truth), first_seed, unit),
        f"True against predicted {contest.target} of {', '.join(first_seed)}; points on the diagonal are exact.",
        f"Response plots, as in the paper's appendix, Fig. 1 and 2: every sample by what did not learn from it. {standing} "
        "The first seed is drawn.",
    )
    yield _paper_table(section)
    yield _scores_table(section)
    yield _errors_table("Operator family", samples.family, section)
    yield _errors_table("Device", samples.device, section)
    yield from _calibration(section)
    yield html_table(
        f"Rows of the tables that are not among the {len(samples)} of this section.",
        ("reason", "rows"),
        [(reject.reason, str(reject.rows)) for reject in section.rejects],
    )


def _basis(section: Section) -> str:
    contest = section.contest
    devices = ", ".join(contest.devices)
    plan = contest.plan
    return (
        f"{contest.rows} rows of {devices}; {plan.folds} folds, {plan.seeds} {'seed' if plan.seeds == 1 else 'seeds'}."
    )


def _paper_table(section: Section) -> str:
    rows = [
        (
            _title(name),
            _told(one.figures["r2"], 4),
            _told(one.figures["rmse"], 3),
            f"{_told(one.figures['predict_us'], 1)} µs",
            *_PAPER.get(name, ("", "", "")),
        )
        for name, one in section.contest.standings.items()
    ]
    unit = _unit(section.samples)
    return html_table(
        f"Table II as measured here, mean ± sd over folds and seeds, beside the figures that the paper prints for latency: "
        f"those are of other phones, layers and splits. Time here is of one sample in a fold's batch. {_basis(section)}",
        ("predictor", "R²", f"RMSE, {unit}", "time", "R², paper", "RMSE, paper", "time, paper"),
        rows,
    )


def _scores_table(section: Section) -> str:
    contest = section.contest
    names = ("mape", "median_ape", "within_10", "r2_log")
    ceiling = contest.noise_ceiling
    rows = [
        (
            _title(name),
            *(_told(one.figures[item], 4 if item == "r2_log" else 1) for item in names),
            _told(one.figures["network_sum_mape"], 1, spreads=contest.plan.seeds > 1),
            f"{one.lead['mean']:+.2f} [{one.lead['low']:+.2f}, {one.lead['high']:+.2f}]" if one.lead else "",
        )
        for name, one in contest.standings.items()
    ]
    told = ["" if ceiling.get(item) is None else f"{ceiling[item]:.4g}" for item in names]
    rows.append(("noise ceiling", *told, "", ""))
    return html_table(
        f"Errors, mean ± sd over folds and seeds. The noise ceiling predicts a row by the median of its twins, "
        f"{ceiling['samples'] or 0:.0f} rows that have one: no predictor of attributes can be asked for more. The last column "
        f"is the first predictor's MAPE less this one's, with its 95 % interval. {_basis(section)}",
        (
            "predictor",
            "MAPE, %",
            "median APE, %",
            "within 10 %",
            "R² of logarithms",
            "network sums, MAPE, %",
            "lead, points",
        ),
        rows,
    )


def _errors_table(heading: str, kinds: Words, section: Section) -> str:
    """Tell each predictor's median APE per kind of sample."""
    contest, samples = section.contest, section.samples
    truth = samples.told(samples.truth)
    rows = []
    for kind in sorted(set(kinds.tolist())):
        here = kinds == kind
        cells = []
        for one in contest.standings.values():
            told = [samples.told(values)[here] for values in one.predictions]
            ape = np.concatenate([100 * np.abs(values / truth[here] - 1) for values in told])
            ape = ape[np.isfinite(ape)]
            cells.append(f"{np.median(ape):.1f} / {ape.mean():.1f}" if len(ape) else "not tested")
        rows.append((kind, str(int(here.sum())), *cells))
    return html_table(
        f"{heading}: median / mean APE, %, over all samples and seeds. {_basis(section)}",
        (heading.lower(), "rows", *map(_title, contest.standings)),
        rows,
    )


def _calibration(section: Section) -> Iterator[str]:
    name, standing = next(iter(section.contest.standings.items()))
    levels = coverage(section.samples, standing.predictions[0])
    if not levels:
        yield "<p>Too few configurations to hold intervals to their promise.</p>"
        return
    told = ", ".join(f"{nominal} %: {covered:.1f} %" for nominal, covered in levels.items())
    yield html_figure(
        coverage_plot(list(levels), list(levels.values())),
        f"Observed against nominal coverage: {told}.",
        f"Calibration of {_title(name)}'s conformal intervals. Their quantiles are learned from the unseen predictions of "
        f"{_INTERVAL_FOLDS - 1} in {_INTERVAL_FOLDS} configurations and held to those of the others (first seed). {told}. "
        f"{_basis(section)}",
    )


def coverage(samples: Samples, prediction: FloatArray) -> Mapping[int, float]:
    """Hold intervals to their promise at the levels of :data:`NOMINAL_PERCENT`.

    Args:
        samples: the samples.
        prediction: of each by what did not learn from it, shape (n,); NaN where it was not tested.

    Returns:
        Observed by nominal coverage, %; a level that so few configurations cannot promise is absent.
    """
    known = np.flatnonzero(np.isfinite(prediction))
    samples, prediction = samples.take(known), prediction[known]
    names, group = np.unique(samples.configuration, return_inverse=True)
    fold = np.random.default_rng(0).permutation(np.arange(len(names)) % _INTERVAL_FOLDS)[group]
    if len(names) < _INTERVAL_FOLDS:
        return {}
    observed = {}
    for level in NOMINAL_PERCENT:
        shares, finite = np.empty(len(known)), True
        for number in range(_INTERVAL_FOLDS):
            test, seen = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
            learned, held = samples.take(seen), samples.take(test)
            model = fit_intervals(
                prediction[seen],
                learned.truth,
                learned.configuration,
                learned.family.tolist(),
                learned.matrix,
                alpha=1 - level / 100,
            )
            interval = model.interval(prediction[test], held.family.tolist(), held.matrix)
            finite &= bool(np.isfinite(interval.upper).all())
            shares[test] = coverage_percent(interval, held.truth)
        if finite:
            observed[level] = float(shares.mean())
    return observed


def _unit(samples: Samples) -> str:
    return "1/s" if samples.per_second else samples.response.unit


def _title(name: str) -> str:
    return _TITLES.get(name, name)


def _told(figure: Figure, digits: int, *, spreads: bool = True) -> str:
    """Write a figure, with its standard deviation where it has several values."""
    if figure.mean is None:
        return "unknown"
    return f"{figure.mean:.{digits}f} ± {figure.sd:.{digits}f}" if spreads else f"{figure.mean:.{digits}f}"
