"""Controllers as a benchmark names them: ``comet``, ``comet:epsilon=constant:temperature=0.5``, ``tpe:assist=mask``.

A name may be followed by settings, each behind a colon; what is not set is as the benchmark's own options say. The text
as written is the controller's name in every result, so that variants of one controller stand side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, TypeVar

from nas.controllers.assistance import Assist
from nas.controllers.comet import CometSettings
from nas.controllers.rivals import RIVALS
from nas.errors import SettingsError
from nas.searching.problem import PotentialName

COMET = "comet"

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A controller and how it is set."""

    name: str
    """As written."""
    controller: str
    assist: Assist = Assist.NONE
    """Of a rival."""
    potential: PotentialName = PotentialName.EXACT
    """Of AutoCoMET, as the settings."""
    comet: CometSettings = field(default_factory=CometSettings)


def parse_variant(text: str, usual: Variant) -> Variant:
    """Read one controller with its settings.

    Args:
        text: as in ``comet:epsilon=constant``.
        usual: holds where nothing is set.

    Raises:
        SettingsError: an unknown controller or setting, or a value that it cannot have.
    """
    controller, *written = text.split(":")
    known = (COMET, *RIVALS)
    if controller not in known:
        raise SettingsError(f"No controller {controller!r} for a table. Known: {', '.join(known)}.")
    variant = replace(usual, name=text, controller=controller)
    for setting in written:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SettingsError(f"{text!r}: {setting!r} sets nothing. Write {controller}:SETTING=VALUE.")
        variant = _set(variant, name, value)
    return variant


def _set(variant: Variant, name: str, value: str) -> Variant:
    """Set one thing of a variant."""
    if variant.controller != COMET:
        if name != "assist":
            raise SettingsError(f"{variant.name!r}: {variant.controller} has no setting {name!r}. It has: assist.")
        return replace(variant, assist=_choice(variant, name, value, Assist))
    if name == "potential":
        return replace(variant, potential=_choice(variant, name, value, PotentialName))
    known = [item.name for item in fields(CometSettings)]
    if name not in known:
        raise SettingsError(f"{variant.name!r}: comet has no setting {name!r}. It has: potential, {', '.join(known)}.")
    changed: dict[str, Any] = {name: _value(variant, name, value, getattr(variant.comet, name))}
    return replace(variant, comet=replace(variant.comet, **changed))


def _value(variant: Variant, name: str, value: str, usual: object) -> StrEnum | float:
    """Read a value of the kind that the setting usually has."""
    if isinstance(usual, StrEnum):
        return _choice(variant, name, value, type(usual))
    kind = int if isinstance(usual, int) else float
    try:
        return kind(value)
    except ValueError as exc:
        wanted = "whole number" if kind is int else "number"
        raise SettingsError(f"{variant.name!r}: {name} is a {wanted}, not {value!r}.") from exc


def _choice(variant: Variant, name: str, value: str, kind: type[Word]) -> Word:
    if value not in set(kind):
        raise SettingsError(f"{variant.name!r}: {name} cannot be {value!r}. Known: {', '.join(kind)}.")
    return kind(value)
