"""``nas run``: search, train the best, write the search folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli_common import DATA_HELP, JsonOption, load_model
from nas.cli_found import print_search
from nas.cli_verify import check_verify, verify_found
from nas.errors import ResumeError, SettingsError
from parsers.console import EXIT_INCOMPLETE, progress, tell

if TYPE_CHECKING:
    from nas.searching.prepared import Prepared
    from nas.searching.run_file import RunOptions
    from nas.searching.search import Record
    from nas.searching.workspace import Workspace

SEARCHES = Path("searches")


def run_search_command(
    tier: Annotated[str | None, typer.Option("--tier", help="flagship, mid or low.")] = None,
    device_config: Annotated[
        str | None, typer.Option("--device-config", help="A phone's TOML: its name or its path.")
    ] = None,
    space: Annotated[str | None, typer.Option("--space", help="Search space; else mobilenetv2.")] = None,
    data: Annotated[str | None, typer.Option("--data", help=f"{DATA_HELP[:-1]}; else mnist-5k.")] = None,
    controller: Annotated[
        str | None,
        typer.Option(
            "--controller",
            help="comet, random, evolution, local-search, scalarised-q, reinforce, linear-thompson, tpe, nsga2 or comet-literal; else comet.",
        ),
    ] = None,
    assist: Annotated[
        str | None,
        typer.Option(
            "--assist",
            help="What any controller but comet gets of the predictor: none, mask (the limits) or near-budget (draws, too); else near-budget.",
        ),
    ] = None,
    potential: Annotated[
        str | None,
        typer.Option(
            "--potential",
            help="Of comet: exact (dynamic programming), learned offline, or online as printed; else exact.",
        ),
    ] = None,
    epsilon: Annotated[
        str | None,
        typer.Option("--epsilon", help="Weight of comet's potential: co-regulated or constant; else co-regulated."),
    ] = None,
    shaping: Annotated[
        str | None,
        typer.Option("--shaping", help="Where comet's potential enters: policy, update or both; else policy."),
    ] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", help="Accuracy queries, each about another network; else 50.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", help="End after so many queries without a better network; 0 spends the budget."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", help="As latency=25ms (also energy, power, memory, macs, weights, throughput=40/s). Repeatable."
        ),
    ] = None,
    primary: Annotated[
        str | None, typer.Option("--primary", help="What is asked for: accuracy, or a cost that is to be low.")
    ] = None,
    secondary: Annotated[
        str | None,
        typer.Option("--secondary", help="Costs that shape the search, as latency,energy; else the limited."),
    ] = None,
    confidence: Annotated[
        float | None, typer.Option("--confidence", help="Share of networks that keep a limit when measured, as 0.9.")
    ] = None,
    signal: Annotated[
        list[str] | None, typer.Option("--signal", help="A signal of your own, as module:function. Repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The same seed gives the same search.")] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of the predictor, from 'metamodel fit'; else models/default.")
    ] = None,
    accuracy: Annotated[
        str | None,
        typer.Option(
            "--accuracy", help="How a query judges a network: by shared weights, or by a brief training of its own."
        ),
    ] = None,
    brief_epochs: Annotated[
        float | None, typer.Option("--brief-epochs", min=0.01, help="How long that brief training is.")
    ] = None,
    shared_epochs: Annotated[
        float | None, typer.Option("--shared-epochs", min=0.01, help="How long the weight-sharing network is trained.")
    ] = None,
    tuning_epochs: Annotated[
        float | None,
        typer.Option("--tuning-epochs", min=0.0, help="How long a path's weights are tuned before it is judged."),
    ] = None,
    finalists: Annotated[
        int | None, typer.Option("--finalists", help="How many of the best are trained alone to find the winner.")
    ] = None,
    alone_epochs: Annotated[
        float | None, typer.Option("--alone-epochs", min=0.01, help="How long every finalist is trained alone.")
    ] = None,
    rank_check: Annotated[
        int | None,
        typer.Option(
            "--rank-check",
            min=0,
            help="Train so many other networks alone, too, and warn where queries rank poorly.",
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Of torch; else 1.")] = None,
    torch_device: Annotated[
        str | None, typer.Option("--torch-device", help="Where networks are trained: cpu, or a GPU as cuda; else cpu.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's event files into the search's folder.")
    ] = False,
    verify: Annotated[
        str | None,
        typer.Option(
            "--verify", help="Then measure what was found on a phone (its serial), or on host; see 'nas verify'."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="A search's run.toml: its settings, where no option says otherwise.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the search, instead of one under searches/.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a search that was stopped; the winner is the same.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw away a search that was stopped, and start over.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Search, train the best alone, and write the winner as ONNX with its history, front and learning curve."""
    from nas.searching.run_file import RunOptions

    said = RunOptions(
        device=_device(tier, device_config),
        limits=tuple(limit) if limit else None,
        primary=primary,
        secondary=None if secondary is None else tuple(part.strip() for part in secondary.split(",")),
        confidence=confidence,
        signals=tuple(signal) if signal else None,
        space=space,
        data=data,
        controller=controller,
        assist=assist,
        potential=potential,
        epsilon=epsilon,
        shaping=shaping,
        budget=budget,
        patience=patience,
        seed=seed,
        model=None if model is None else model.as_posix(),
        accuracy=accuracy,
        brief_epochs=brief_epochs,
        shared_epochs=shared_epochs,
        tuning_epochs=tuning_epochs,
        finalists=finalists,
        alone_epochs=alone_epochs,
        rank_check=rank_check,
        threads=threads,
        torch_device=torch_device,
    )
    if verify is not None:
        check_verify(verify)
    folder = run_search(
        said,
        config=config,
        output=output,
        resume=resume,
        fresh=fresh,
        watched=_event_files if tensorboard else _unwatched,
    )
    verified = None if verify is None else verify_found(folder, verify)
    print_search(folder, as_json=as_json, verified=verified)
    if verified is not None and verified.verification.missing:
        raise typer.Exit(EXIT_INCOMPLETE)


Watch = Callable[["Sequence[Record]"], None]
Watched = Callable[["Prepared", Path], AbstractContextManager[Watch]]
"""Opens what is told of every query of a search in a folder."""


@contextmanager
def _unwatched(_prepared: Prepared, _folder: Path) -> Iterator[Watch]:
    yield lambda _: None


@contextmanager
def _event_files(prepared: Prepared, folder: Path) -> Iterator[Watch]:
    from nas.limits.signals import column_name
    from nas.searching.events import FOLDER, event_files

    costs = [column_name(signal.name) for signal in prepared.problem.budget.signals]
    with event_files(folder / FOLDER, costs) as events:
        yield events.query


def run_search(
    said: RunOptions,
    *,
    config: Path | None,
    output: Path | None,
    resume: bool,
    fresh: bool,
    watched: Watched = _unwatched,
) -> Path:
    """Start a search, or go on with one, and give its folder when it is finished.

    Args:
        said: settings, as flags say them.
        config: a ``run.toml`` that says the others.
        output: folder of the search; else one under ``searches/``.
        resume: go on with what is there.
        fresh: throw away what is not finished.
        watched: who else is told of the queries.

    Raises:
        NasError: settings that cannot be, a place that cannot be written, a search that cannot be gone on with.
    """
    from nas.searching.output import write_search
    from nas.searching.prepared import prepare
    from nas.searching.problem import notes
    from nas.searching.run import conduct
    from nas.searching.run_file import check_versions, model_of, read_run_file, run_toml, settings_of
    from nas.searching.settings import check_settings, search_name
    from nas.searching.workspace import Workspace
    from nas.training.known_ranks import rank_warning

    if resume and fresh:
        raise SettingsError("--resume goes on and --fresh starts over: give one of them.")
    if config is not None:
        said = said.over(read_run_file(config))
    if output is None:
        check_settings(settings_of(said))
        output = SEARCHES / search_name(settings_of(said), model_of(said))
    workspace = Workspace(output)
    said = _kept(said, workspace, resume=resume, fresh=fresh)
    settings = settings_of(said)
    check_settings(settings)
    workspace.check()
    if resume and workspace.finished and not workspace.begun:
        workspace.tidy()
        tell(f"{output} is finished already.")
        return output
    if workspace.begun and not fresh:
        check_versions(workspace.run_file)
    prepared = prepare(settings, load_model(model_of(said)))
    for note in notes(prepared.problem, settings.potential):
        tell(note)
    warning = rank_warning(settings.space, settings.data, settings.accuracy)
    if warning is not None and prepared.trains_to_judge:
        tell(warning)
    if fresh:
        workspace.discard()
    with workspace.opened(run_toml(said)):
        with watched(prepared, workspace.folder) as watch:
            outcome = conduct(prepared, progress, workspace, watch)
        write_search(outcome, workspace.folder, model=model_of(said))
        workspace.publish()
    return output


def _kept(said: RunOptions, workspace: Workspace, *, resume: bool, fresh: bool) -> RunOptions:
    """Take the settings of a search that is gone on with from its own file; what is said beside it must agree.

    Raises:
        ResumeError: an unfinished search that nobody said what to do with.
        SettingsError: something else was said.
    """
    from nas.searching.run_file import check_agreement, read_run_file

    if workspace.begun and not (resume or fresh):
        raise ResumeError(
            f"{workspace.folder} holds a search that was stopped. Go on with it by --resume, or start over by --fresh."
        )
    if not resume:
        return said
    if workspace.begun:
        path = workspace.run_file
    elif workspace.finished:
        path = workspace.final / workspace.run_file.name
    elif said.device is None:
        raise ResumeError(f"There is no search in {workspace.final} to go on with. Start one: nas run --tier low.")
    else:
        return said  # stopped before there was anything to keep: it begins
    kept = read_run_file(path)
    check_agreement(said, kept, path)
    return kept


def _device(tier: str | None, device_config: str | None) -> str | None:
    if tier is not None and device_config is not None:
        raise SettingsError("Name one device: --tier flagship, or --device-config with a phone's name or TOML file.")
    return tier or device_config
