"""A search that can begin: settings looked at, the space priced, the data loaded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from joblib import cpu_count

from metamodel.interface import Predictor, Setting
from nas.datasets.data import Data, data_source
from nas.datasets.table_accuracy import TableAccuracy
from nas.errors import DataError
from nas.limits.signals import ACCURACY
from nas.searching.problem import Problem, pose
from nas.searching.settings import CPU, RunSettings, check_settings, goals_of
from nas.spaces import make_space
from nas.training.train import Advance
from parsers.device_config import DeviceConfig

Stage = Callable[[str, int], AbstractContextManager[Advance]]
"""Opens a stage of so many units under a title and yields the function that moves it."""


def device_setting(device: DeviceConfig) -> Setting:
    """Say where a searched network would run."""
    return Setting(context=device.context, provider=device.provider, threads=device.threads, device=device.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A search that can begin: all that could be refused has been looked at."""

    settings: RunSettings
    problem: Problem
    data: Data | None
    """None where accuracies are known already."""
    predictor: Predictor
    answers: TableAccuracy | None = None
    """What knows them."""

    @property
    def trains_to_judge(self) -> bool:
        """Whether a query trains something: accuracy is asked for, and no table knows it."""
        return self.problem.goals.primary == ACCURACY and self.answers is None

    @property
    def images(self) -> Data:
        """What networks are trained on.

        Raises:
            DataError: there is nothing.
        """
        if self.data is None:
            raise DataError(f"{self.settings.data} has no images to train networks on.")
        return self.data


def prepare(settings: RunSettings, predictor: Predictor) -> Prepared:
    """Price the space and load the data.

    Raises:
        NasError: see :func:`nas.searching.settings.check_settings` and :func:`nas.searching.problem.pose`.
    """
    check_settings(settings)
    source = data_source(settings.data)
    space = make_space(settings.space, image=source.image, classes=source.classes)
    problem = pose(space, predictor, device_setting(settings.device), goals_of(settings))
    if source.answers is not None:
        answers = source.answers(space)
        return Prepared(settings=settings, problem=problem, data=None, predictor=predictor, answers=answers)
    return Prepared(
        settings=settings,
        problem=problem,
        data=source.load(settings.seed).on(settings.torch_device),
        predictor=predictor,
    )


def workers_for(settings: RunSettings, trainings: int) -> int:
    """Say how many trainings go on beside each other: each has cores of its own, and a GPU has one of them."""
    return min(trainings, max(1, cpu_count() // settings.threads)) if settings.torch_device == CPU else 1
