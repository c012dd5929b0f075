"""What ``profile devices`` tells of every phone: what it is, how it is, and whether it could measure now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parsers.device_config import DeviceConfig, available_device_configs, load_device_config
from parsers.facts.socs import Soc, read_socs
from parsers.printable import printable
from parsers.schema import Context
from profiler.abi import Abi
from profiler.android.facts import device_facts, parse_phone_facts
from profiler.android.identity import Phone, Survey, Unusable
from profiler.android.states import READY, state_word
from profiler.device import Conditions, DeviceFacts
from profiler.errors import DeviceAnswerError, DeviceNotReadyError

OLDEST_API_LEVEL = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPhone:
    """One line of the list. What is not known is ``None``; every text is printable."""

    serial: str
    """adb's name of its best wire."""
    name: str | None = None
    model: str | None = None
    soc: str | None = None
    tier: str | None = None
    abi: str | None = None
    android: str | None = None
    battery_percent: float | None = None
    temperature_c: float | None = None
    state: str
    """adb's word; ``device`` where the phone can be used."""
    server: str
    ready: bool
    note: str
    """Why it is not ready, and what to do; of one that is ready, what it would wait for."""


def list_phones(seen: Survey) -> tuple[ListedPhone, ...]:
    """Describe what a survey with facts has seen, usable phones first.

    Raises:
        ParsersError: a tier's file or the table of SoCs cannot be read.
    """
    socs, tiers = read_socs(), load_tiers()
    usable = [_listed(phone, socs, tiers) for phone in seen.phones]
    return (*sorted(usable, key=lambda phone: phone.serial), *map(_unusable, seen.unusable))


def load_tiers() -> tuple[DeviceConfig, ...]:
    """Read the tiers of ``device_configs``.

    Raises:
        DeviceConfigError: a file cannot be read.
    """
    configs = [load_device_config(name) for name in available_device_configs()]
    return tuple(config for config in configs if config.kind == "tier")


def nearest_tier(context: Context, tiers: Sequence[DeviceConfig]) -> str | None:
    """Name the tier that a phone is most like.

    Of the tiers with the same core design the one with the nearest clock; where none has it, the one with the nearest peak
    rate of a core. Both are compared as ratios.

    Returns:
        The tier's name; ``None`` where the phone does not tell enough.
    """
    alike = [tier for tier in tiers if context.core_part and tier.context.core_part == context.core_part]
    measure = _clock_ghz if alike else _core_gflops
    own = measure(context)
    known = [(tier.name, theirs) for tier in alike or tiers if (theirs := measure(tier.context))]
    return min(known, key=lambda pair: abs(math.log(pair[1] / own)))[0] if own and known else None


def _clock_ghz(context: Context) -> float | None:
    return context.clock_freq_ghz


def _core_gflops(context: Context) -> float | None:
    return context.peak_gflops / context.cores if context.peak_gflops and context.cores else None


def _listed(phone: Phone, socs: Sequence[Soc], tiers: Sequence[DeviceConfig]) -> ListedPhone:
    look, facts = phone.look, _facts(phone, socs)
    ready, note = _readiness(phone)
    return ListedPhone(
        serial=printable(phone.transport.serial),
        name=phone.name,
        model=look.model or None,
        soc=printable(facts.soc) if facts and facts.soc else None,
        tier=nearest_tier(facts.context, tiers) if facts else None,
        abi=look.abis[0] if look.abis else None,
        android=look.android_version or None,
        battery_percent=look.battery_percent,
        temperature_c=look.temperature_c,
        state=READY,
        server=str(phone.transport.server),
        ready=ready,
        note=note,
    )


def _unusable(one: Unusable) -> ListedPhone:
    error = one.error
    return ListedPhone(
        serial=printable(one.transport.serial),
        state=printable(state_word(one.transport.state)),
        server=str(one.transport.server),
        ready=False,
        note=error.next_step if isinstance(error, DeviceNotReadyError) else str(error),
    )


def _facts(phone: Phone, socs: Sequence[Soc]) -> DeviceFacts | None:
    try:
        return device_facts(parse_phone_facts(phone.look.facts_text, socs))
    except DeviceAnswerError:
        return None


def _readiness(phone: Phone) -> tuple[bool, str]:
    look, limits = phone.look, Conditions()
    if look.api_level is not None and look.api_level < OLDEST_API_LEVEL:
        return False, f"Android 7 (API {OLDEST_API_LEVEL}) or later is needed"
    if not set(look.abis) & set(Abi) and not look.is_virtual:
        return False, f"no runner for {', '.join(look.abis) or 'an unknown processor'}"
    if look.holder:
        return False, f"measuring for {look.holder}"
    if look.battery_percent is not None and look.battery_percent < limits.min_battery_percent:
        return True, f"would wait for {limits.min_battery_percent} % of battery"
    if look.temperature_c is not None and look.temperature_c > limits.max_temperature_c:
        return True, f"would wait until below {limits.max_temperature_c:.0f} °C"
    return True, ""
