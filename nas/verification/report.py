"""A verification as ``verify.json``, and in words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from metamodel.interface import Standing
from nas.limits.signals import column_name
from nas.space import architecture_to_json, choice_label
from nas.verification.comparison import Checked, CheckedLimit, Group, Verification
from nas.verification.verdicts import CONFIDENCE, Judgement, MeanError, Range, Verdict, range_confidence
from nas.writing import writing
from parsers.atomic import written_whole
from parsers.schema import Context, DeviceKind, Origin

SCHEMA = 1
"""Of ``verify.json``."""

VERIFY_FILE = "verify.json"

_KINDS: Mapping[DeviceKind, str] = {
    DeviceKind.HOST: "this machine",
    DeviceKind.PHONE: "a phone",
    DeviceKind.VIRTUAL: "a virtual phone: this machine's times under a phone's name",
}


def write_verification(document: Mapping[str, object], folder: Path) -> Path:
    """Put ``verify.json`` into a search's folder, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / VERIFY_FILE
    with writing(path, "Make room, and say the same again: what was measured is kept."), written_whole(path) as file:
        file.write((json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())
    return path


def verification_json(verification: Verification, *, search: Path, model: Path, serial: str) -> dict[str, object]:
    """Lay a verification out as JSON.

    Args:
        verification: what was found.
        search: the search's folder.
        model: the predictor's.
        serial: the device as the user asked for it.
    """
    on, device = verification.on, verification.searched_for
    return {
        "schema": SCHEMA,
        "search": search.as_posix(),
        "verdict": verification.verdict(verification.winner.candidate.name).value,
        "measured_on": {
            "asked_for": serial,
            "device": on.device,
            "device_kind": on.kind.value,
            "origin": Origin.MEASURED.value,
            "soc": on.soc,
            "provider": on.setting.provider,
            "threads": on.setting.threads,
            "runtime_version": on.runtime_version,
            "context": _context(on.setting.context),
            "campaign": on.campaign.as_posix(),
            "was_measured_before": on.is_old,
        },
        "searched_for": {
            "device": device.name,
            "kind": device.kind,
            "provider": device.provider,
            "threads": device.threads,
            "context": _context(device.context),
            "is_measured_device": verification.is_target,
            "predictions": _standing(verification.target_standing),
        },
        "predictor": {
            "model": model.as_posix(),
            "is_the_searchs": verification.other_predictor is None,
            "predictions": _standing(verification.standing),
        },
        "networks": [_network(one, verification) for one in verification.networks],
        "groups": {group.value: _mean(verification.mean_error(group)) for group in Group},
        "winners_curse": _mean(verification.winners_curse),
        "limits": [_limit(one) for one in verification.limits],
        "missing": list(verification.missing),
        "troubles": list(on.troubles),
    }


def _network(one: Checked, verification: Verification) -> dict[str, object]:
    candidate, runs = one.candidate, one.runs
    asked = {column_name(s.name): cost for s, cost in zip(verification.signals, candidate.costs, strict=True)}
    interval = one.predicted.latency_interval_ms
    memory = None if runs is None else Range.of(runs.memory_mb)
    return {
        "name": candidate.name,
        "group": candidate.group.value,
        "query": "random" if candidate.query is None else candidate.query,
        "winner": candidate.is_winner,
        "query_accuracy": candidate.accuracy,
        "architecture": json.loads(architecture_to_json(candidate.architecture)),
        "labels": [choice_label(choice) for choice in candidate.architecture],
        "search_predicted": asked,
        "predicted_ms": one.predicted.latency_ms,
        "predicted_interval_ms": None if interval is None else list(interval),
        "measured_ms": None if one.measured_ms is None else one.measured_ms.middle,
        "measured_range_ms": _ends(one.measured_ms),
        "processes_ms": [] if runs is None else list(runs.latency_ms),
        "range_confidence": 0.0 if runs is None else range_confidence(len(runs.latency_ms)),
        "signed_error": one.error,
        "predicted_memory_mb": one.predicted.memory_mb,
        "measured_memory_mb": None if memory is None else memory.middle,
        "measured_memory_range_mb": _ends(memory),
        "status": "missing" if runs is None else runs.status.value,
        "layers_elsewhere": 0 if runs is None else runs.layers_elsewhere,
        "evidence": None if runs is None else runs.evidence.as_posix(),
    }


def _limit(one: CheckedLimit) -> dict[str, object]:
    return {
        "target": one.signal.name,
        "limit": one.limit,
        "unit": one.signal.unit,
        "unmeasured": one.unmeasured,
        "networks": {
            name: {"verdict": told.verdict.value, "beyond": told.beyond} for name, told in one.judgements.items()
        },
    }


def _mean(mean: MeanError | None) -> dict[str, object] | None:
    if mean is None:
        return None
    return {
        "networks": mean.networks,
        "mean_signed_error": mean.mean,
        f"ci{CONFIDENCE * 100:.0f}": None if mean.interval is None else list(mean.interval),
    }


def _ends(measured: Range | None) -> list[float] | None:
    return None if measured is None else [measured.low, measured.high]


def _standing(standing: Standing | None) -> dict[str, object] | None:
    if standing is None:
        return None
    return {
        "origin": Origin.MODELLED.value if standing.modelled else Origin.MEASURED.value,
        "knows_device": standing.known,
        "outside": list(standing.outside),
    }


def _context(context: Context) -> dict[str, object]:
    return {item.name: getattr(context, item.name) for item in fields(context)}


def headline(verification: Verification) -> Iterator[str]:
    """Say what was measured, and what predictions are about."""
    on, device = verification.on, verification.searched_for
    yield f"Measured on {on.device} ({_KINDS[on.kind]}), {_way(on.setting.provider, on.setting.threads)}."
    if on.is_old:
        yield "All of it was measured before; --fresh measures anew."
    standing, target = verification.standing, verification.target_standing
    if not verification.is_target:
        kind = "a tier, no device" if device.kind == "tier" else _way(device.provider, device.threads)
        told = ", modelled by a formula" if target is not None and target.modelled else ""
        yield f"The search was for {device.name} ({kind}{told}): what it saw is in column 'search', of another device."
        yield f"Column 'predicted', its intervals and errors are of predictions for {on.device}."
    if (other := verification.other_predictor) is not None:
        yield (
            f"The predictor is another than the search's, which had {_figure(other[0])} ms for the winner where this one has "
            f"{_figure(other[1])} ms."
        )
    if standing is not None and standing.modelled:
        yield f"Predictions for {on.device} are modelled by a formula, not learned from measurements."
    if standing is not None and not standing.known:
        way = _way(on.setting.provider, on.setting.threads)
        yield f"The predictor never saw {on.device} with {way}: it goes by what the device says of its hardware."


def table_columns(verification: Verification) -> tuple[str, ...]:
    """Name the columns of :func:`table_cells`."""
    search = () if verification.is_target else ("search",)
    return ("network", "accuracy", *search, "predicted, ms", "measured, ms", "error", "limits")


def table_cells(one: Checked, verification: Verification) -> tuple[str, ...]:
    """Write a network's row: figures with their intervals, or with the range over processes."""
    candidate, predicted, measured = one.candidate, one.predicted, one.measured_ms
    names = [signal.name for signal in verification.signals]
    searched = _figure(candidate.costs[names.index("latency")]) if "latency" in names else ""
    verdict = verification.verdict(candidate.name)
    status = "missing" if one.runs is None else one.runs.status.value
    return (
        candidate.name,
        "" if candidate.accuracy is None else f"{candidate.accuracy:.1%}",
        *(() if verification.is_target else (searched,)),
        _figure(predicted.latency_ms, predicted.latency_interval_ms),
        status if measured is None else _figure(measured.middle, (measured.low, measured.high)),
        "" if one.error is None else f"{100 * one.error:+.0f} %",
        "" if verdict is Verdict.NOT_MEASURED else verdict.value,
    )


def findings(verification: Verification) -> Iterator[str]:
    """Say what came out: errors of both groups, limits, what is missing."""
    for group in Group:
        if (mean := verification.mean_error(group)) is not None:
            names = f"The best {mean.networks} are" if group is Group.BEST else f"{mean.networks} random ones are"
            yield f"{names} predicted {_more(mean, 'more', 'less')} than measured on average{_interval(mean)}."
    curse = verification.winners_curse
    if curse is not None and curse.interval is not None:
        chance = ", which may be chance" if curse.interval[0] <= 0 <= curse.interval[1] else ""
        yield f"Beside random ones, the best are predicted {_more(curse, 'higher', 'lower')}{_interval(curse)}{chance}."
    for limit in verification.limits:
        yield _limit_line(limit, verification)
    for one in verification.missing:
        yield f"Not known: {one}."
    yield from verification.on.troubles


def _limit_line(limit: CheckedLimit, verification: Verification) -> str:
    name = f"{limit.signal.name} within {limit.limit:g} {limit.signal.unit}".rstrip()
    if limit.unmeasured is not None:
        return f"Cannot be checked here: {name}; {limit.unmeasured}."
    told = limit.judgements[verification.winner.candidate.name]
    there = "" if verification.is_target else f", on {verification.on.device}"
    kept = sum(one.verdict is Verdict.KEEPS for one in limit.judgements.values())
    return f"{name}{there}: the winner {_words(told)}. {kept} of {len(limit.judgements)} networks keep it."


def _words(told: Judgement) -> str:
    match told.verdict, told.beyond:
        case (Verdict.KEEPS, float(beyond)):
            return f"keeps it, by {-100 * beyond:.1f} %"
        case (Verdict.BREAKS, float(beyond)):
            return f"breaks it, by {100 * beyond:.1f} %"
        case (Verdict.CANNOT_TELL, float(beyond)):
            return f"is {_share(beyond)} from it, which its processes cannot tell apart"
        case _:
            return "was not measured"


def _more(mean: MeanError, above: str, below: str) -> str:
    return f"{100 * abs(mean.mean):.1f} % {below if mean.mean < 0 else above}"


def _interval(mean: MeanError) -> str:
    if mean.interval is None:
        return ""
    return f" ({100 * CONFIDENCE:.0f} %: {_share(mean.interval[0])} to {_share(mean.interval[1])})"


def _share(value: float) -> str:
    return f"{100 * value:+.1f} %"


def _figure(value: float | None, ends: tuple[float, float] | None = None) -> str:
    """Write a number with three digits, and in brackets its ends with as many decimals."""
    if value is None:
        return ""
    decimals = max(0, 2 - math.floor(math.log10(value))) if 0 < value < math.inf else 0
    between = "" if ends is None else f" ({ends[0]:.{decimals}f}–{ends[1]:.{decimals}f})"
    return f"{value:.{decimals}f}{between}"


def _way(provider: str, threads: int) -> str:
    return f"{provider}, {threads} thread{'' if threads == 1 else 's'}"
