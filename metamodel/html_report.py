"""An evaluation as one HTML page that needs nothing else: pictures are inside, and so is the style.

The page says of each figure what it stands on. The paper's own figures are quoted as the paper's: they are of other phones,
other layers and another split, so that only the order of the predictors can be compared.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
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
from parsers.schema import Origin

NOMINAL_PERCENT = (50, 60, 70, 80, 90, 95)
"""Levels at which intervals are held to their promise."""
_INTERVAL_FOLDS = 5

_TITLES = {"bob": "B-o-B", "bob-mlp": "B-o-B of MLPs", "xgboost": "XGBoost", "svr": "SVR", "mlp": "MLP"}
_PAPER = {
    "bob": ("0.9417", "1.32", "31 ms"),
    "xgboost": ("0.91", "1.354", "29.9 ms"),
    "mlp": ("0.8748", "1.36", "28.8 ms"),
    "svr": ("0.8253", "1.5142", "199.5 µs"),
}
"""R², RMSE and time as the paper's Table II prints them."""

_CSS = """
:root { color-scheme: light dark; --ink: #1d2127; --page: #ffffff; --line: #c9cfd6; --soft: #545c66; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --page: #16191d; --line: #454d57; --soft: #aab2bc; } }
body { color: var(--ink); background: var(--page); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
figure { margin: 1rem 0; break-inside: avoid; } img { max-width: 100%; height: auto; background: #ffffff; }
figcaption { color: var(--soft); }
@media print { :root { --ink: #000000; --page: #ffffff; --line: #999999; --soft: #333333; } body { max-width: none; } }
""".strip()


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
    body = "\n".join(_body(report))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Predictors of layer costs, held to what they have not seen</title>\n<style>\n{_CSS}\n</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    yield "<h1>Predictors of layer costs, held to what they have not seen</h1>"
    for section in report.sections:
        yield from _section(section)
    for reason in report.absent:
        yield f"<p>Not scored: {escape(reason)}</p>"
    yield "<h2>What this page stands on</h2>"
    yield _table(
        "The tables.",
        ("table", "rows", "SHA-256"),
        [(table.name, str(table.rows), table.sha256) for table in report.tables],
    )
    yield _table(
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
    yield _figure(
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
    yield _table(
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
    return _table(
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
    return _table(
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
    return _table(
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
    yield _figure(
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


def _figure(png: bytes, alternative: str, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alternative)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    lines = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>"
    )
