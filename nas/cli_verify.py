"""``nas verify``: measure what a search found on a device."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli_common import JsonOption, load_model
from parsers.console import EXIT_INCOMPLETE, progress, result_console, tell

if TYPE_CHECKING:
    from metamodel.interface import NetworkCalibration
    from nas.verification.comparison import Verification
    from nas.verification.rounds import NextRound
    from nas.verify import How

PROCESSES = 5
"""Of each network: the range over as many holds the median of all in 94 of 100 cases."""


def verify_command(
    search: Annotated[Path, typer.Argument(help="Folder of a finished search.")],
    device: Annotated[str, typer.Option("--device", help="A phone's serial or address, or host for this machine.")],
    best: Annotated[int, typer.Option("--best", min=1, help="Networks of the search, the winner among them.")] = 5,
    random: Annotated[int, typer.Option("--random", min=0, help="Networks drawn from all within the same limits.")] = 5,
    provider: Annotated[
        str | None, typer.Option("--provider", help="Execution provider; else that of the device searched for.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Threads; else as the search was for, or what this machine has."),
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Processes per network; their range is the measurement's error.")
    ] = PROCESSES,
    policy: Annotated[
        str, typer.Option("--policy", help="strict measures again what was disturbed; quick only says so.")
    ] = "strict",
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="On a miss, teach the predictor what was measured, and search again with it."),
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="With --calibrate: how many searches at most.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the random networks.")] = 0,
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of the predictor; else the one that searched.")
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all campaigns.")] = Path("runs"),
    adb: Annotated[
        list[str] | None, typer.Option("--adb", help="adb server of another bench host, as host:port. Repeatable.")
    ] = None,
    runtime: Annotated[
        Path | None, typer.Option("--runtime", help="ONNX Runtime for Android: the official AAR, or a library.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure anew what was measured before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the best networks of a search and random ones on a device, beside what was predicted: verify.json.

    A broken limit is a finding. Exit code 3: a network could not be measured, or with --calibrate none was found that keeps
    its limit.
    """
    from nas.verify import How

    if policy not in {"strict", "quick"}:
        raise typer.BadParameter(f"--policy is strict or quick, not {policy!r}")
    wishes = Wishes(
        device=device,
        how=How(best=best, random=random, provider=provider, threads=threads, seed=seed),
        processes=processes,
        quick=policy == "quick",
        model=model,
        runs=runs,
        servers=tuple(adb or ()),
        runtime=runtime,
        fresh=fresh,
    )
    if calibrate:
        proved = prove(search, wishes, most=rounds, quiet=as_json)
        if as_json:
            print(
                json.dumps({"schema": 1, "outcome": proved.outcome, "rounds": [one.document for one in proved.rounds]})
            )
        complete = proved.keeps
    else:
        found = verify_search(search, wishes)
        print_json(found) if as_json else show(found)
        complete = not found.verification.missing
    if not complete:
        raise typer.Exit(EXIT_INCOMPLETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is asked for on the command line."""

    device: str
    how: How
    processes: int = PROCESSES
    quick: bool = False
    model: Path | None = None
    runs: Path = Path("runs")
    servers: tuple[str, ...] = ()
    runtime: Path | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A verification, and where it was written."""

    verification: Verification
    document: dict[str, object]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Searches, each verified, until one keeps its limits."""

    rounds: tuple[Found, ...]
    outcome: str
    """How it ended, in a line."""
    keeps: bool


def verify_search(folder: Path, wishes: Wishes) -> Found:
    """Verify a search and write ``verify.json``.

    Raises:
        NasError: no finished search, no predictor, or a device that cannot measure.
    """
    from nas.searching.finished import read_finished
    from nas.searching.run_file import model_of
    from nas.verification.report import verification_json, write_verification
    from nas.verify import OnDevice, verify

    search = read_finished(folder)
    model = wishes.model or model_of(search.options)
    predictor = load_model(model)
    networks = wishes.how.best + wishes.how.random
    with progress(f"Measuring networks on {wishes.device}", networks * wishes.processes) as advance:
        measure = OnDevice(
            device=wishes.device,
            runs=wishes.runs,
            processes=wishes.processes,
            policy="quick" if wishes.quick else "strict",
            servers=wishes.servers,
            runtime=wishes.runtime,
            fresh=wishes.fresh,
            advance=advance,
            waiting=lambda: tell("Another program is measuring on this machine; waiting for it."),
        )
        verification = verify(search, predictor, measure, wishes.how)
    document = verification_json(verification, search=folder, model=model, serial=wishes.device)
    return Found(verification=verification, document=document, path=write_verification(document, folder))


def check_verify(device: str) -> None:
    """See that a device is there, before a search that it is to verify.

    Raises:
        MeasuringError: it is not, or cannot measure now.
    """
    from nas.verify import OnDevice

    OnDevice(device=device).check()


def verify_found(folder: Path, device: str) -> Found:
    """Verify a search that has just ended, as ``nas verify FOLDER --device DEVICE`` does."""
    from nas.verify import How

    return verify_search(folder, Wishes(device=device, how=How()))


def prove(folder: Path, wishes: Wishes, *, most: int, quiet: bool) -> Proved:
    """Verify a search; as long as its winner misses its latency, calibrate the predictor, search and verify again.

    Raises:
        NasError: as :func:`verify_search`, or of a search.
    """
    from nas.searching.finished import read_finished
    from nas.searching.run_file import model_of
    from nas.verification.rounds import next_step, prepare_round
    from nas.verification.verdicts import Verdict

    first, rounds = read_finished(folder), [verify_search(folder, wishes)]
    model = wishes.model or model_of(first.options)
    while True:
        if not quiet:
            show(rounds[-1])
        last = rounds[-1].verification
        ending = next_step(last)
        if ending is None and len(rounds) == most:
            ending = f"None of {most} searches found a network that surely keeps its limit on {last.on.device}."
        if ending is None:
            following = prepare_round(first, [one.verification for one in rounds], model, number=len(rounds) + 1)
            ending = _search_again(following)
        if ending is not None:
            break
        rounds.append(verify_search(following.folder, replace(wishes, model=None)))
    if not quiet:
        print(ending)
    keeps = last.verdict(last.winner.candidate.name) is Verdict.KEEPS
    return Proved(rounds=tuple(rounds), outcome=ending, keeps=keeps)


def _search_again(following: NextRound) -> str | None:
    """Run a round's search, or go on with it; says so where no network keeps the limit any more."""
    from nas.cli_run import run_search
    from nas.errors import InfeasibleError

    tell(f"{following.folder.name}: {told(following.calibration)}")
    old = following.is_old
    try:
        run_search(following.options, config=None, output=following.folder, resume=old, fresh=not old)
    except InfeasibleError as exc:
        return f"By what was measured, there is none: {exc}"
    return None


def told(calibration: NetworkCalibration) -> str:
    """Say what a calibration did."""
    after = calibration.after_percent
    held_out = "" if after is None else f", now {after:.1f} % when each is predicted by the others"
    return f"the predictor was {calibration.before_percent:.1f} % off the median of {calibration.networks} networks{held_out}."


def print_json(found: Found) -> None:
    """Print a verification as JSON."""
    print(json.dumps(found.document))


def show(found: Found) -> None:
    """Print a verification: what it is about, a line per network, what came out."""
    from rich import box
    from rich.table import Table

    from nas.verification.report import findings, headline, table_cells, table_columns

    verification = found.verification
    for line in headline(verification):
        print(line)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in table_columns(verification):
        table.add_column(name, justify="left" if name in {"network", "limits"} else "right", no_wrap=True)
    for one in verification.networks:
        table.add_row(*table_cells(one, verification))
    result_console(pipe_width=100).print(table)
    for line in findings(verification):
        print(line)
    print(found.path)
