"""What the command line says about a fit, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from metamodel.correction import Correction
from metamodel.evaluate import Evaluation, NoiseCeiling
from metamodel.manifest import Manifest
from metamodel.model import ResponseRecord
from metamodel.rows import RowCount
from parsers.schema import Origin

_FEW_NETWORKS = 10
"""As many are shown one by one."""


def fit_summary(manifest: Manifest) -> RenderableType:
    """Say what a model stands on and how good it is, origin by origin."""
    parts: list[RenderableType] = [_rows_table(manifest), *_left_out(manifest), _responses_table(manifest.responses)]
    parts += _intervals(manifest)
    parts += [f"Not fitted: {reason}." for reason in manifest.missing]
    if manifest.evaluations:
        parts.append(_evaluations_table(manifest.evaluations))
    else:
        parts.append("Unseen networks: not scored (no two networks of measured rows, or --no-evaluate).")
    parts += _corrections(manifest.corrections)
    identity = sorted({seen.device for seen in manifest.settings} - {fit.device for fit in manifest.corrections})
    if identity:
        parts.append(f"No whole network was measured on {', '.join(identity)}: there, layers add up uncorrected.")
    return Group(*parts)


def _rows_table(manifest: Manifest) -> Table:
    table = Table(title="Rows", title_justify="left")
    for heading in ("used for", "origin", "device kind", "rows"):
        table.add_column(heading, justify="right" if heading == "rows" else "left")
    for use, counts in (("layers", manifest.rows), ("networks", manifest.network_rows)):
        for count in counts:
            table.add_row(use, count.origin, count.device_kind, str(count.rows))
    return table


def _left_out(manifest: Manifest) -> Iterator[str]:
    if manifest.infeasible:
        yield f"Infeasible pairs of layer and setting (the set B): {len(manifest.infeasible)}. {_likely(manifest)}"
    for reject in manifest.rejects:
        yield f"Left out: {reject.rows} × {reject.reason}."


def _likely(manifest: Manifest) -> str:
    """Say whether likely members of B are told beside the known ones."""
    calibration = manifest.feasibility.calibration
    if calibration is None:
        return f"Likely ones are not told: {manifest.feasibility.reason}."
    return (
        f"Likely ones are told: {calibration.detection_rate:.0%} of failures of unseen layers are found, at a false-alarm rate of "
        f"{manifest.feasibility.false_alarm_rate:.0%}."
    )


def _intervals(manifest: Manifest) -> Iterator[str]:
    """Say around which responses there are intervals, and on how many layer configurations they stand."""
    for record in manifest.responses:
        interval = record.interval
        if interval is not None:
            own = ", ".join(family.family for family in interval.families) or "none"
            wide = "" if interval.quantile is not None else "; too few for a finite one"
            yield (
                f"{1 - interval.alpha:.0%} intervals of {record.response.target.value}: by cross-fit on "
                f"{interval.configurations} layer configurations; families with a quantile of their own: {own}{wide}."
            )
    devices = sorted({one.device for one in manifest.corrections if one.network_factor is not None})
    if devices:
        yield f"A network's latency on {', '.join(devices)} has an interval by that device's own held-out networks."
    factor, elsewhere = manifest.network_factor, ", elsewhere" if devices else ""
    if factor is not None:
        yield (
            f"A network's latency{elsewhere}, in 90 of 100: predicted ÷ {factor:.3f} to × {factor:.3f}, by held-out networks."
        )
    elif manifest.evaluations:
        yield f"A network's latency{elsewhere} has no interval: too few networks were held out."


def _responses_table(responses: Sequence[ResponseRecord]) -> Table:
    table = Table(title="Bags, and their error on rows that their members did not see", title_justify="left")
    for heading in ("response", "members", "origin", "rows", "MAPE", "median"):
        table.add_column(heading, justify="left" if heading in {"response", "origin"} else "right")
    for record in responses:
        for place, error in enumerate(record.out_of_bag):
            first = (record.response.target.value, str(record.members)) if place == 0 else ("", "")
            origin = f"{error.origin}{' (agreement with a formula)' if error.origin == Origin.MODELLED.value else ''}"
            rows = sum(count.rows for count in record.rows if count.origin == error.origin)
            table.add_row(*first, origin, str(rows), f"{error.mape_percent:.2f} %", f"{error.median_ape_percent:.2f} %")
    return table


def _evaluations_table(evaluations: Sequence[Evaluation]) -> Table:
    table = Table(title="Latency of layers of unseen networks, MAPE: mean ± sd over networks", title_justify="left")
    for heading in ("origin", "networks", "rows", "B-o-B", "one XGBoost", "noise ceiling"):
        table.add_column(heading, justify="left" if heading == "origin" else "right")
    for evaluation in evaluations:
        table.add_row(
            evaluation.origin,
            str(len(evaluation.networks)),
            str(evaluation.rows),
            f"{evaluation.bob.mean:.2f} ± {evaluation.bob.sd:.2f} %",
            f"{evaluation.xgboost.mean:.2f} ± {evaluation.xgboost.sd:.2f} %",
            _ceiling(evaluation.noise_ceiling),
        )
    return table


def _corrections(corrections: Sequence[Correction]) -> Iterator[Table]:
    """Show a few networks one by one, and many by their mean errors."""
    yield from (_correction_table(one) for one in corrections if len(one.networks) <= _FEW_NETWORKS)
    many = [one for one in corrections if len(one.networks) > _FEW_NETWORKS]
    if not many:
        return
    table = Table(title="From layers to networks, MAPE of the networks' latency", title_justify="left")
    for heading in ("device, provider, threads", "networks", "a·Σt + b·nodes + c·bytes"):
        table.add_column(heading, justify="right" if heading == "networks" else "left")
    for heading in ("Σ layers", "corrected", "held out", "predicted unseen", "90 % factor"):
        table.add_column(heading, justify="right")
    for one in many:
        wall_ms = [fit.wall_ms for fit in one.networks]
        columns = zip(
            *((fit.sum_ms, fit.corrected_ms, fit.held_out_ms, fit.unseen_ms) for fit in one.networks), strict=True
        )
        table.add_row(
            f"{one.device}, {one.provider}, {one.threads}",
            str(len(one.networks)),
            _law(one),
            *(_mape(column, wall_ms) for column in columns),
            "unknown" if one.network_factor is None else f"{one.network_factor:.3f}",
        )
    yield table


def _law(correction: Correction) -> str:
    return (
        f"{correction.per_time:.3f}·Σt + {1e3 * correction.per_node_ms:.2f} µs·nodes "
        f"+ {1e9 * correction.per_byte_ms:.1f} µs·MB"
    )


def _mape(times_ms: Sequence[float | None], wall_ms: Sequence[float]) -> str:
    known = [abs(time / wall - 1) for time, wall in zip(times_ms, wall_ms, strict=True) if time is not None]
    return f"{100 * sum(known) / len(known):.2f} %" if known else "unknown"


def _correction_table(correction: Correction) -> Table:
    title = f"From layers to networks on {correction.device}, {correction.provider}, {correction.threads} threads: {_law(correction)}"
    table = Table(title=title, title_justify="left")
    for heading in ("network", "layers", "not measured alone", "wall ms", "Σ layers", "corrected", "held out"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for fit in correction.networks:
        table.add_row(
            fit.network,
            str(fit.layers),
            str(fit.predicted_layers),
            f"{fit.wall_ms:.3f}",
            *(_against(time_ms, fit.wall_ms) for time_ms in (fit.sum_ms, fit.corrected_ms, fit.held_out_ms)),
        )
    return table


def _against(time_ms: float | None, wall_ms: float) -> str:
    return "unknown" if time_ms is None else f"{time_ms:.3f} ({100 * (time_ms / wall_ms - 1):+.1f} %)"


def _ceiling(ceiling: NoiseCeiling) -> str:
    if ceiling.mape_percent is None:
        return "unknown"
    unit = "pairs" if ceiling.source == "duplicates" else "rows"
    return f"{ceiling.mape_percent:.2f} % ({ceiling.source}, {ceiling.basis} {unit})"


def rows_text(counts: Sequence[RowCount]) -> str:
    """Count rows by origin and device kind, in words."""
    return ", ".join(f"{count.rows} {count.origin} ({count.device_kind})" for count in counts)
