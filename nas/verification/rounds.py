"""From a search whose winner misses its limit on a device to one whose winner keeps it.

What was measured goes back into the predictor: the step from its layers to networks is learned on that device
(``metamodel.interface.calibrate_predictor``), from all networks that were measured so far. The same search then runs again
with that model, for that device, and holds its limit for so many times the prediction as nine of ten measured networks
stayed below, each predicted by the others. Every round keeps its folder::

    searches/NAME                   the first search
    searches/NAME-round2            the second, and so on
    searches/NAME-round2.given      what it was given: model/, and DEVICE.toml where the first was for another device
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from metamodel.interface import MeasuredNetwork, MetamodelError, NetworkCalibration, Setting, calibrate_predictor
from nas.errors import PredictorError
from nas.searching.finished import FinishedSearch
from nas.searching.prepared import device_setting
from nas.searching.run_file import RunOptions
from nas.verification.comparison import Verification
from nas.verification.device_file import write_device_config
from nas.verification.verdicts import Verdict
from parsers.device_config import DeviceConfig, load_device_config

CONFIDENCE = 0.9
"""Of the networks that are to keep a limit once they are measured."""
ENOUGH_NETWORKS = 9
"""As many say what nine of ten stay below; with fewer the limit is held for the prediction as it is."""

_LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRound:
    """A search to run."""

    options: RunOptions
    folder: Path
    calibration: NetworkCalibration
    is_old: bool
    """Whether this very round was prepared before, so that its search can be gone on with."""


def next_step(verification: Verification) -> str | None:
    """Say why nothing follows from a verification; None where a calibration and another search may help."""
    name = verification.winner.candidate.name
    told = {limit.signal.name: limit.judgements[name].verdict for limit in verification.limits if not limit.unmeasured}
    if verification.winner.measured_ms is None:
        return "The winner was not measured, so nothing follows."
    if told.get(_LATENCY) in {Verdict.BREAKS, Verdict.CANNOT_TELL}:
        return None
    broken = [signal for signal, verdict in told.items() if verdict is not Verdict.KEEPS]
    if broken:
        return f"The winner misses its {' and '.join(broken)}, but only latencies are calibrated: lower that limit."
    return "The winner keeps its limits." if told else "No limit of the search can be checked on this device."


def prepare_round(first: FinishedSearch, seen: Sequence[Verification], model: Path, *, number: int) -> NextRound:
    """Calibrate the predictor by all that was measured, and say what to search.

    Args:
        first: the search of the first round.
        seen: what each round measured, the first one's too.
        model: the predictor's folder as the first round had it; calibrations do not add up.
        number: of the round to come, 2 for the first repetition.

    Raises:
        PredictorError: the model cannot be calibrated.
        OutputError: a file cannot be written.
    """
    folder = first.folder.with_name(f"{first.folder.name}-round{number}")
    given = folder.with_name(f"{folder.name}.given")
    last = seen[-1]
    device, setting = first.options.device, device_setting(first.settings.device)
    if not last.is_target:
        path = write_device_config(measured_device(last), given)
        device, setting = str(path), device_setting(load_device_config(str(path)))
    calibrated, before = given / "model", _digest(given / "model")
    calibration = _calibrate(model, setting, seen, calibrated)
    confidence = first.options.confidence
    if calibration.networks >= ENOUGH_NETWORKS:
        confidence = max(CONFIDENCE, confidence or 0.0)
    options = RunOptions(device=device, model=calibrated.as_posix(), confidence=confidence).over(first.options)
    return NextRound(options=options, folder=folder, calibration=calibration, is_old=_digest(calibrated) == before)


def _digest(model: Path) -> str | None:
    """Name a model by its manifest; None where there is none."""
    manifest = model / "manifest.json"
    return hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None


def _calibrate(model: Path, setting: Setting, seen: Sequence[Verification], output: Path) -> NetworkCalibration:
    measured = [
        MeasuredNetwork(
            name=f"round {number}, {one.candidate.name}",
            layers=one.candidate.layers,
            latency_ms=one.measured_ms.middle,
        )
        for number, verification in enumerate(seen, start=1)
        for one in verification.networks
        if one.measured_ms is not None
    ]
    try:
        return calibrate_predictor(model, setting, measured, output)
    except MetamodelError as exc:
        raise PredictorError(str(exc)) from exc


def measured_device(verification: Verification) -> DeviceConfig:
    """Describe the device that was measured, as it was run."""
    on, like = verification.on, verification.searched_for
    return replace(
        like,
        name=on.device.replace("/", "_"),
        title=on.device,
        kind="phone",
        soc=on.soc,
        context=on.setting.context,
        provider=on.setting.provider,
        threads=on.setting.threads,
        latency_limit_ms=None,
        roofline=None,
        source=f"measured by nas verify ({on.kind.value})",
    )
