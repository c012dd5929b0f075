from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.controllers.encoding import Encoder
from nas.datasets.data import Data
from nas.errors import ResumeError
from nas.limits.costs import Budget
from nas.limits.signals import Limit
from nas.networks.supernet import SuperNetwork
from nas.searching.goals import Goals
from nas.searching.problem import Problem, Sampler
from nas.space import Space
from nas.training.accuracy import train_shared_weights
from nas.training.checkpoint import Checkpoint
from nas.training.schedule import Schedule
from nas.training.train import Trained, train_alone

SCHEDULE = Schedule(epochs=3, batch_size=32)
"""18 steps over the easy images."""


class StoppedError(Exception):
    """What a test throws into a training."""


def quiet(_done: int, _note: str) -> None:
    """Hear nothing."""


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    left, right = first.state_dict(), second.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def sampler(small_budget: Budget, small_space: Space, encoder_of: Callable[[Budget], Encoder]) -> Callable[[], Sampler]:
    problem = Problem(
        space=small_space,
        trellis=small_budget.trellis,
        budget=small_budget,
        encoder=encoder_of(small_budget),
        goals=Goals(limits=(Limit(target="latency", value=15.0),)),
    )
    return lambda: Sampler(problem, seed=3)


@pytest.fixture
def share(small_space: Space, easy_data: Data, sampler: Callable[[], Sampler]) -> Callable[..., SuperNetwork]:
    """Train shared weights, thrown over before a step where a test says so."""

    def train(path: Path | None = None, *, stop_before: int | None = None, seconds: float = 0.0) -> SuperNetwork:
        paths, drawn = sampler(), 0

        def draw() -> object:
            nonlocal drawn
            if drawn == stop_before:
                raise StoppedError
            drawn += 1
            return paths.draw()

        checkpoint = Checkpoint(path, stream=paths, seconds=seconds) if path else None
        return train_shared_weights(
            small_space, easy_data, SCHEDULE, draw, seed=0, threads=1, advance=quiet, checkpoint=checkpoint
        )

    return train


@pytest.mark.parametrize("stop_before", [0, 1, 5, 6, 7, 17])
def test_shared_weights_that_were_stopped_and_gone_on_with_are_the_undisturbed_ones_to_the_last_bit(
    share: Callable[..., SuperNetwork], tmp_path: Path, stop_before: int
):
    undisturbed = share()

    with pytest.raises(StoppedError):
        share(tmp_path / "shared", stop_before=stop_before)
    resumed = share(tmp_path / "shared")

    assert same_weights(resumed, undisturbed)


def test_a_training_stopped_again_and_again_comes_to_the_same_weights(
    share: Callable[..., SuperNetwork], tmp_path: Path
):
    for _ in range(5):
        with pytest.raises(StoppedError):
            share(tmp_path / "shared", stop_before=3)

    assert same_weights(share(tmp_path / "shared"), share())


def test_a_training_that_is_done_is_taken_up_at_its_end_without_a_step(
    share: Callable[..., SuperNetwork], tmp_path: Path
):
    done = share(tmp_path / "shared")

    again = share(tmp_path / "shared", stop_before=0)

    assert same_weights(again, done)


def test_between_two_writes_work_is_lost_but_not_the_result(share: Callable[..., SuperNetwork], tmp_path: Path):
    with pytest.raises(StoppedError):
        share(tmp_path / "shared", stop_before=9, seconds=3600.0)

    assert not (tmp_path / "shared").exists()
    assert same_weights(share(tmp_path / "shared", seconds=3600.0), share())
    assert (tmp_path / "shared").exists()  # the last step is kept always


def test_a_network_trained_alone_goes_on_to_the_same_weights(small_space: Space, easy_data: Data, tmp_path: Path):
    def train(checkpoint: Checkpoint | None, *, stop: bool = False) -> Trained:
        def advance(_done: int, note: str) -> None:
            if stop and note != "kept from before":
                raise StoppedError

        return train_alone(
            small_space,
            small_space.manual(),
            easy_data,
            SCHEDULE,
            seed=1,
            threads=1,
            advance=advance,
            checkpoint=checkpoint,
        )

    for _ in range(2):
        with pytest.raises(StoppedError):
            train(Checkpoint(tmp_path / "alone", seconds=0), stop=True)
    resumed = train(Checkpoint(tmp_path / "alone", seconds=0))

    through = train(None)
    assert same_weights(resumed.network, through.network)
    assert resumed.curve == through.curve


@pytest.mark.parametrize("content", [b"half a file", b""])
def test_a_file_that_is_no_checkpoint_is_one_clear_line(
    share: Callable[..., SuperNetwork], tmp_path: Path, content: bytes
):
    (tmp_path / "shared").write_bytes(content)

    with pytest.raises(ResumeError, match="Cannot go on from") as caught:
        share(tmp_path / "shared")

    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("Start over with --fresh.")


def test_a_checkpoint_of_another_version_is_one_clear_line(share: Callable[..., SuperNetwork], tmp_path: Path):
    save_file({"order": torch.zeros(1)}, tmp_path / "shared", {"schema": "99"})

    with pytest.raises(ResumeError, match=r"shared is of another version\. Start over with --fresh\.") as caught:
        share(tmp_path / "shared")

    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_network_is_one_clear_line(
    small_space: Space, easy_data: Data, share: Callable[..., SuperNetwork], tmp_path: Path
):
    share(tmp_path / "shared")

    with pytest.raises(ResumeError, match=r"Cannot go on from .*shared") as caught:
        train_alone(
            small_space,
            small_space.manual(),
            easy_data,
            SCHEDULE,
            seed=0,
            threads=1,
            advance=quiet,
            checkpoint=Checkpoint(tmp_path / "shared"),
        )

    assert "\n" not in str(caught.value)


def test_a_sampler_put_back_where_it_stood_draws_the_same_networks(sampler: Callable[[], Sampler]):
    first = sampler()
    first.draw()
    state = first.state()
    expected = [first.draw() for _ in range(5)]

    other = sampler()
    other.restore(state)

    assert [other.draw() for _ in range(5)] == expected
