"""What decides a search, and the name of its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from nas.controllers.assistance import Assist
from nas.controllers.comet import EpsilonRule, Shaping
from nas.datasets.data import data_label, data_source
from nas.errors import SettingsError
from nas.limits.signals import ACCURACY, Limit, check_signals
from nas.limits.user_signal import load_user_signals, signal_names
from nas.searching.goals import Goals, check_confidence, check_primary
from nas.searching.problem import ControllerName, PotentialName, check_names
from nas.spaces import make_space, space_label
from nas.training.accuracy import AccuracyName
from nas.training.known_ranks import usual_accuracy
from nas.training.schedule import MNIST_5K_SCHEDULES, Schedule
from parsers.device_config import DeviceConfig

DEFAULT_SPACE = "mobilenetv2"
DEFAULT_DATA = "mnist-5k"

FEWEST_RANKS = 3
CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Everything that decides a search; the same settings give the same search on the same machine."""

    device: DeviceConfig
    limits: tuple[Limit, ...]
    """What no network may cost."""
    primary: str = ACCURACY
    """What is maximised: accuracy, a signal of the user's, or the inverse of a cost."""
    secondary: tuple[str, ...] = ()
    """Costs that shape the search; none named are those that are limited."""
    confidence: float = 0.0
    """The share of networks that are to keep a limit once they are measured; 0 takes predictions as they are."""
    signals: tuple[str, ...] = ()
    """The user's own, each as ``module:function``."""
    space: str = DEFAULT_SPACE
    data: str = DEFAULT_DATA
    controller: str = ControllerName.COMET
    assist: str = Assist.NEAR_BUDGET
    """What any controller but AutoCoMET's gets of the predictor, which that one has as a part of it."""
    potential: str = PotentialName.EXACT
    """Of AutoCoMET's, as the next two."""
    epsilon: str = EpsilonRule.CO_REGULATED
    shaping: str = Shaping.POLICY
    budget: int = 50
    """Accuracy queries, each about another network."""
    patience: int = 0
    """Queries in a row without a better network after which the search ends; 0 spends the whole budget."""
    seed: int = 0
    accuracy: str = AccuracyName.BRIEF
    """How queries judge networks."""
    shared: Schedule = MNIST_5K_SCHEDULES.shared
    """Of the weight-sharing network."""
    tuning: Schedule = MNIST_5K_SCHEDULES.tuning
    """Of each path's copy of the shared weights, before it is judged."""
    brief: Schedule = MNIST_5K_SCHEDULES.brief
    """Of every network that is asked about, where it is trained briefly."""
    finalists: int = 5
    """How many of the networks that queries find best are trained alone; the best of those wins."""
    alone: Schedule = MNIST_5K_SCHEDULES.alone
    """Of every finalist."""
    rank_check: int = 0
    """How many other networks are trained alone at the end, to see whether queries rank them alike; 0 for none."""
    threads: int = 1
    """Of torch."""
    torch_device: str = CPU
    """Where networks are trained and judged: ``cpu``, or a GPU as ``cuda`` or ``cuda:1``."""


def usual_settings(
    device: DeviceConfig, limits: tuple[Limit, ...], data: str, space: str = DEFAULT_SPACE
) -> RunSettings:
    """Give what is usual where nothing else is said: how long networks learn hangs on how many images there are.

    Raises:
        DataError: an unknown data set.
    """
    usual = data_source(data).schedules
    return RunSettings(
        device=device,
        limits=limits,
        space=space,
        data=data,
        accuracy=usual_accuracy(space, data),
        shared=usual.shared,
        tuning=usual.tuning,
        brief=usual.brief,
        alone=usual.alone,
    )


def check_settings(settings: RunSettings) -> None:
    """Refuse what cannot be before anything is computed.

    Raises:
        SettingsError: a budget below 1, an unknown signal, an unknown controller or a way of it that is not known.
        DataError: an unknown data set.
        SpaceError: an unknown space.
    """
    check_names(settings.controller, settings.potential)
    check_goals(settings)
    for option, name, known in (
        ("assist", settings.assist, Assist),
        ("epsilon", settings.epsilon, EpsilonRule),
        ("shaping", settings.shaping, Shaping),
        ("accuracy", settings.accuracy, AccuracyName),
    ):
        if name not in set(known):
            raise SettingsError(f"No --{option} {name!r}. Known: {', '.join(known)}.")
    source = data_source(settings.data)
    space = make_space(settings.space, image=source.image, classes=source.classes)
    if space.task is not source.task:
        raise SettingsError(
            f"{settings.space} is a space for {space.task}, and {settings.data} a data set for {source.task}. "
            "Give another --space or another --data."
        )
    check_torch_device(settings.torch_device)
    if settings.budget < 1:
        raise SettingsError(f"A budget of {settings.budget} accuracy queries finds nothing. Give --budget 1 or more.")
    if settings.patience < 0:
        raise SettingsError(
            f"A patience of {settings.patience} queries cannot be. Give --patience 0 for none, or more."
        )
    if settings.rank_check and settings.rank_check < FEWEST_RANKS:
        raise SettingsError(
            f"{settings.rank_check} networks have no ranks to compare. Give --rank-check {FEWEST_RANKS} or more, or 0."
        )
    if settings.finalists < 1:
        raise SettingsError(f"{settings.finalists} finalists leave no winner. Give --finalists 1 or more.")


def check_goals(settings: RunSettings) -> None:
    """Refuse goals that cannot be; nothing of the user's is loaded yet.

    Raises:
        SettingsError: a signal that nobody knows, or a confidence outside [0, 1).
    """
    own = signal_names(settings.signals)
    check_signals([limit.target for limit in settings.limits], own, option="--limit")
    check_signals(settings.secondary, own, option="--secondary")
    check_primary(settings.primary, own)
    check_confidence(settings.confidence)


def goals_of(settings: RunSettings) -> Goals:
    """Say what is asked of networks, the user's signals loaded.

    Raises:
        SettingsError: a function that is not there, or what :func:`check_goals` refuses.
    """
    return Goals(
        limits=settings.limits,
        primary=settings.primary,
        secondary=settings.secondary,
        confidence=settings.confidence,
        own=load_user_signals(settings.signals),
    )


def check_torch_device(name: str) -> None:
    """Refuse a device that torch does not have here.

    Raises:
        SettingsError: no such device, or none that torch can use.
    """
    kind, _, number = name.partition(":")
    if name == CPU:
        return
    if kind != "cuda" or not (number.isdigit() or name == kind):
        raise SettingsError(f"No --torch-device {name!r}. Known: {CPU}, cuda, cuda:0, cuda:1 and so on.")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= there:
        raise SettingsError(
            f"There is no GPU {name} that torch {torch.__version__} can use (it sees {there}). Leave --torch-device out to "
            "search on the CPU."
        )


def search_name(settings: RunSettings, model: Path) -> str:
    """Name a search's folder by what decides it; what is as usual is left out.

    The same settings have the same name, and other settings another one.
    """
    usual = usual_settings(settings.device, settings.limits, settings.data, settings.space)
    parts = [
        settings.device.name,
        space_label(settings.space),
        data_label(settings.data),
        settings.controller,
        f"seed{settings.seed}",
    ]
    as_usual_ms = settings.device.latency_limit_ms
    limits = [limit for limit in settings.limits if (limit.target, limit.value) != ("latency", as_usual_ms)]
    said: tuple[tuple[str, object, object], ...] = (
        ("", settings.assist, usual.assist),
        ("", settings.potential, usual.potential),
        ("", settings.epsilon, usual.epsilon),
        ("", settings.shaping, usual.shaping),
        ("budget", settings.budget, usual.budget),
        ("patience", settings.patience, usual.patience),
        ("", "-".join(f"{limit.target}{limit.value:g}{limit.unit}" for limit in limits), ""),
        ("", settings.primary, usual.primary),
        ("by-", "-".join(settings.secondary), ""),
        ("confidence", f"{settings.confidence:g}", f"{usual.confidence:g}"),
        ("with-", "-".join(signal_names(settings.signals)), ""),
        ("shared", f"{settings.shared.epochs:g}", f"{usual.shared.epochs:g}"),
        ("tuning", f"{settings.tuning.epochs:g}", f"{usual.tuning.epochs:g}"),
        ("", settings.accuracy, usual.accuracy),
        ("brief", f"{settings.brief.epochs:g}", f"{usual.brief.epochs:g}"),
        ("finalists", settings.finalists, usual.finalists),
        ("alone", f"{settings.alone.epochs:g}", f"{usual.alone.epochs:g}"),
        ("ranks", settings.rank_check, usual.rank_check),
        ("threads", settings.threads, usual.threads),
        ("", settings.torch_device.replace(":", ""), usual.torch_device),
        ("", model.name, "default"),
    )
    return "-".join([*parts, *(f"{word}{value}" for word, value, as_usual in said if value != as_usual)])
