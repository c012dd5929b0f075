"""What no fit writes into a manifest, though its types are right: a bag without members, a negative quantile, a length of zero.

A manifest that was edited is told by its digest. One whose digest was made to match, or that another program wrote, is told
here, before a prediction divides by what it holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from metamodel.adaptation import Adaptation
from metamodel.errors import ModelError
from metamodel.manifest import Manifest
from metamodel.model import ResponseRecord
from metamodel.offset import SETTING

_MOST_MEMBERS = 1000
_GREATEST = 1e6
"""Of what an adaptation's covariance is made of, on the logarithm; with more, its matrix has no inverse."""


def check_manifest(manifest: Manifest) -> None:
    """Refuse a manifest that holds what no fit writes; numbers are known to be finite.

    Raises:
        ModelError: the message names the place.
    """
    place = next(_wrong(manifest), None)
    if place is not None:
        raise ModelError(f"manifest.{place}, which no fit writes.")


def _wrong(manifest: Manifest) -> Iterator[str]:
    """Yield every place and what is wrong there."""
    if not manifest.responses:
        yield "responses is empty"
    bags = [(record.response.target, record.ground) for record in manifest.responses]
    if len(set(bags)) < len(bags):
        yield "responses holds a response twice on the same ground"
    if len(set(manifest.feature_names)) < len(manifest.feature_names):
        yield "feature_names holds a name twice"
    for index, record in enumerate(manifest.responses):
        yield from (f"responses[{index}].{place}" for place in _wrong_response(record))
    for index, fit in enumerate(manifest.corrections):
        if min(fit.per_time, fit.per_node_ms, fit.per_byte_ms) < 0:
            yield f"corrections[{index}] holds a negative coefficient"
    for index, phone in enumerate(manifest.adaptations):
        names = manifest.space.names
        if any(layer.measured <= 0 for layer in phone.layers):
            yield f"adaptations[{index}].layers holds a measurement that is not positive"
        yield from (f"adaptations[{index}].adaptation.{place}" for place in _wrong_adaptation(phone.adaptation, names))
    yield from _wrong_numbers(manifest)


def _wrong_numbers(manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with single numbers."""
    if manifest.outside is not None and manifest.outside.margin < 1:
        yield f"outside.margin is {manifest.outside.margin}"
    calibration = manifest.feasibility.calibration
    if calibration is not None and not 0 <= calibration.threshold <= 1:
        yield f"feasibility.calibration.threshold is {calibration.threshold}"
    factors = [fit.network_factor for fit in manifest.corrections]
    factors += [evaluation.network_factor for evaluation in manifest.evaluations]
    if any(factor is not None and factor < 1 for factor in factors):
        yield "corrections or evaluations holds a network_factor below 1"
    bases_mb = [manifest.memory_base_mb, *(seen.memory_base_mb for seen in manifest.settings)]
    if any(base is not None and base < 0 for base in bases_mb):
        yield "memory_base_mb, or a setting's, is negative"


def _wrong_response(record: ResponseRecord) -> Iterator[str]:
    """Yield what is wrong with a bag, its offset and its intervals."""
    if not 1 <= record.members <= _MOST_MEMBERS:
        yield f"members is {record.members}"
    if record.response.offset_scale <= 0 or record.response.offset_floor < 0:
        yield "response has an offset that is not positive"
    if record.response.fitted is not None:
        rates = record.response.fitted.settings
        if not rates or any(len(one.setting) != len(SETTING) for one in rates):
            yield f"response.fitted.settings is empty, or not of {len(SETTING)} attributes each"
        if any(min(one.per_flop, one.per_byte, one.floor) <= 0 for one in rates):
            yield "response.fitted.settings holds a rate that is not positive"
    interval = record.interval
    if interval is None:
        return
    if not 0 < interval.alpha < 1 or interval.floor <= 0:
        yield "interval.alpha is no share, or interval.floor not positive"
    quantiles = [interval.quantile, *(family.quantile for family in interval.families)]
    if any(one is not None and one < 0 for one in quantiles):
        yield "interval holds a negative quantile"


def _wrong_adaptation(adaptation: Adaptation, names: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with a phone's Gaussian process."""
    layer_map = adaptation.layer_map
    width = len(layer_map.features) + 2
    if not set(layer_map.features) <= set(names):
        yield "layer_map.features names a feature that is not computed"
    if {len(layer_map.means), len(layer_map.scales), *map(len, adaptation.support)} != {width}:
        yield f"support, means or scales have not {width} columns"
    if not adaptation.residuals or len(adaptation.residuals) != len(adaptation.support):
        yield "residuals are not as many as the support's layers"
    if min(adaptation.drift, adaptation.length, adaptation.factor, adaptation.noise, *layer_map.scales) <= 0:
        yield "drift, length, factor, noise or a scale is not positive"
    if max(adaptation.drift, adaptation.length, adaptation.factor, adaptation.noise) > _GREATEST:
        yield f"drift, length, factor or noise is above {_GREATEST:g}"
