"""Which phones there are: what each says of itself, and how one is told from another.

A phone is ``<model>-<ro.serialno>``, not its address: Wi-Fi addresses change, and one phone may hang on two wires. Makers of
cheap phones give the same serial number to all of them, but no two phones share a boot id. Where two phones are alike in
model and serial number, the place of each (its USB port or address) is added to its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from parsers.printable import printable
from profiler.android.adb import AdbServer, Transport, adb_program, local_server, parse_server
from profiler.android.lookup import LOOK, LOOK_WITH_FACTS, PhoneLook, read_look
from profiler.android.states import NO_PHONE, READY, explain_state
from profiler.errors import AdbServerError, DeviceGoneError, DeviceNotFoundError, DeviceNotReadyError, NoPhoneError

_LOOK_S = 20.0
_ADDRESS = re.compile(r"[A-Za-z0-9.-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone that adb can use now."""

    name: str
    """``<model>-<ro.serialno>`` in words that fit a folder's name; with its place where that is not enough."""
    look: PhoneLook
    transports: tuple[Transport, ...]
    """Every wire that leads to it, the best first."""
    servers: tuple[AdbServer, ...]
    """Where it is looked for again when it went away."""

    @property
    def transport(self) -> Transport:
        """The wire to use: a cable before Wi-Fi."""
        return self.transports[0]

    def answers_to(self, word: str) -> bool:
        """Whether a person means this phone by a word: adb's serial, the phone's own, or its name."""
        return word in {self.name, self.look.serialno, *(transport.serial for transport in self.transports)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A phone that adb sees but cannot use, or one that did not answer."""

    transport: Transport
    error: DeviceNotReadyError | DeviceGoneError


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All that several adb servers see."""

    phones: tuple[Phone, ...]
    unusable: tuple[Unusable, ...]
    silent: tuple[AdbServerError, ...] = ()
    """Why some of the servers could not be asked."""


def servers_from(words: Sequence[str]) -> tuple[AdbServer, ...]:
    """This machine's adb server, then those of other bench hosts, given as ``host:port``.

    Raises:
        AdbServerError: a word is no server.
    """
    return tuple(dict.fromkeys((local_server(), *map(parse_server, words))))


def survey(servers: Sequence[AdbServer], *, with_facts: bool = False) -> Survey:
    """Look at every phone that the servers see, one service each, all at the same time.

    Args:
        servers: where to look.
        with_facts: ask each for what :mod:`profiler.android.facts` reads, too.
    """
    transports, silent = _all_transports(servers)
    looks: list[tuple[Transport, PhoneLook]] = []
    unusable: list[Unusable] = []
    with ThreadPoolExecutor(max_workers=max(1, len(transports))) as pool:
        script = LOOK_WITH_FACTS if with_facts else LOOK
        for transport, found in zip(transports, pool.map(lambda one: _look_at(one, script), transports), strict=True):
            if isinstance(found, PhoneLook):
                looks.append((transport, found))
            else:
                unusable.append(Unusable(transport=transport, error=found))
    return Survey(phones=tuple(_phones(looks, tuple(servers))), unusable=tuple(unusable), silent=silent)


def is_address(word: str) -> bool:
    """Whether a word is the ``host:port`` of a phone on Wi-Fi."""
    return _ADDRESS.fullmatch(word) is not None


def find_phones(wanted: Sequence[str] | None, *, servers: Sequence[str] = ()) -> tuple[Phone, ...]:
    """Find the phones that a person asks for.

    Args:
        wanted: by adb's serial, the phone's own serial number, or its name here; a ``host:port`` that is not connected is
            connected first. ``None`` takes every phone that is ready.
        servers: adb servers of other bench hosts as ``host:port``; this machine's own is always asked.

    Raises:
        AdbServerError: an adb server cannot be reached.
        DeviceNotFoundError: no such phone, or the word fits several.
        DeviceNotReadyError: it is there, but cannot be used now.
        DeviceGoneError: it did not answer, or an address cannot be connected.
        NoPhoneError: every phone is wanted, and none is ready.
    """
    known = servers_from(servers)
    seen = survey(known)
    if seen.silent:
        raise seen.silent[0]
    if wanted is None:
        if not seen.phones:
            raise next((one.error for one in seen.unusable), NoPhoneError(NO_PHONE))
        return seen.phones
    missing = [word for word in wanted if is_address(word) and not _is_listed(word, seen)]
    for address in missing:
        known[0].connect(address)
    if missing:
        seen = survey(known)
    return tuple(dict.fromkeys(_choose(word, seen) for word in wanted))


def find_again(phone: Phone) -> Phone:
    """Find a phone after it went away, whichever wire it hangs on now.

    Raises:
        AdbServerError: an address cannot be connected, since its adb server cannot be reached.
        DeviceGoneError: it is not there.
        DeviceNotReadyError: it is there, but cannot be used now.
    """
    seen = survey(phone.servers)
    if not (alike := _alike(phone, seen.phones)):
        for transport in phone.transports:
            if is_address(transport.serial) and not _is_listed(transport.serial, seen):
                transport.server.connect(transport.serial)
        seen = survey(phone.servers)
        alike = _alike(phone, seen.phones)
    if alike:
        return replace(alike[0], name=phone.name, servers=phone.servers)
    serials = {transport.serial for transport in phone.transports}
    for one in seen.unusable:
        if one.transport.serial in serials:
            raise one.error
    if seen.silent:
        raise DeviceGoneError(f"{phone.name} cannot be looked for: {seen.silent[0]}")
    raise DeviceGoneError(f"{phone.name} is not there. Check its cable or Wi-Fi, and whether it is switched on.")


def _all_transports(servers: Sequence[AdbServer]) -> tuple[tuple[Transport, ...], tuple[AdbServerError, ...]]:
    found: list[Transport] = []
    silent: list[AdbServerError] = []
    for server in servers:
        try:
            found += server.transports()
        except AdbServerError as error:
            silent.append(error)
    return tuple(found), tuple(silent)


def _look_at(transport: Transport, script: str) -> PhoneLook | DeviceNotReadyError | DeviceGoneError:
    if transport.state != READY:
        state, step = explain_state(printable(transport.state), transport.serial, adb=adb_program())
        return DeviceNotReadyError(transport.serial, state=state, next_step=step)
    try:
        transport.require_shell_v2()
        answer = transport.shell(["sh", "-c", script], timeout_s=_LOOK_S)
    except (DeviceNotReadyError, DeviceGoneError) as error:
        return error
    if answer.exit_code != 0 or not answer.stdout:
        said = printable(answer.stderr.strip().partition("\n")[0]) or "nothing"
        return DeviceGoneError(f"{transport.serial} does not say what it is ({said}). It may be starting; look again.")
    return read_look(answer.stdout)


def _phones(looks: Sequence[tuple[Transport, PhoneLook]], servers: tuple[AdbServer, ...]) -> Iterator[Phone]:
    """Put the wires of each phone together, and name the phones."""
    wires: dict[tuple[str, str, str], list[tuple[Transport, PhoneLook]]] = {}
    for transport, look in looks:
        serialno = look.serialno or transport.serial
        wires.setdefault((look.model, serialno, look.boot_id), []).append((transport, look))
    twins: dict[str, int] = {}
    for model, serialno, _ in wires:
        name = _tame(f"{model}-{serialno}")
        twins[name] = twins.get(name, 0) + 1
    for (model, serialno, _), ways in wires.items():
        best = sorted(ways, key=lambda way: (not way[0].path, not way[0].is_wired, way[0].serial))
        name = _tame(f"{model}-{serialno}")
        place = best[0][0].path or best[0][0].serial
        yield Phone(
            name=name if twins[name] == 1 else _tame(f"{name}-{place}"),
            look=best[0][1],
            transports=tuple(transport for transport, _ in best),
            servers=servers,
        )


def _alike(phone: Phone, phones: Iterable[Phone]) -> list[Phone]:
    """Which phones may be this one, the likeliest first; a different place tells twins apart, a new boot does not."""
    alike = [one for one in phones if (one.look.model, one.look.serialno) == (phone.look.model, phone.look.serialno)]
    same_boot = [one for one in alike if one.look.boot_id == phone.look.boot_id]
    same_place = [one for one in alike if one.name == phone.name or _places(one) & _places(phone)]
    is_twin = phone.name != _tame(f"{phone.look.model}-{phone.look.serialno or phone.transport.serial}")
    return same_boot or same_place or (alike if len(alike) == 1 and not is_twin else [])


def _places(phone: Phone) -> set[str]:
    return {transport.path or transport.serial for transport in phone.transports}


def _choose(word: str, seen: Survey) -> Phone:
    chosen = [phone for phone in seen.phones if phone.answers_to(word)]
    if len(chosen) == 1:
        return chosen[0]
    for one in seen.unusable:
        if not chosen and one.transport.serial == word:
            raise one.error
    raise DeviceNotFoundError(word, known=("host", *(phone.name for phone in chosen or seen.phones)))


def _is_listed(address: str, seen: Survey) -> bool:
    listed = [transport.serial for phone in seen.phones for transport in phone.transports]
    return address in listed or any(
        one.transport.serial == address and one.transport.state != "offline" for one in seen.unusable
    )


def _tame(text: str) -> str:
    """Make a phone's words fit for a folder's name."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:80] or "phone"
