from __future__ import annotations

import numpy as np
import pytest

from nas.controllers.replay import Replay, Transitions


def of(episode: int, count: int) -> Transitions:
    """Transitions whose every entry tells the episode."""
    return Transitions(
        episode=np.full(count, episode),
        to_go=np.arange(count)[::-1],
        after=np.full((count, 3), episode, dtype=np.float32),
        shaping=np.full((count, 2), episode / 2),
        next_after=np.full((count, 4, 3), episode, dtype=np.float32),
        next_mask=np.full((count, 4), episode % 2 == 0),
    )


@pytest.fixture
def replay() -> Replay:
    return Replay(3, potentials=2, choices=4)


def test_what_was_added_stays_together_however_much_it_grows(replay: Replay):
    for episode in range(40):
        replay.add(of(episode, 5))

    batch = replay.sample(np.random.default_rng(0), 3, 500)

    assert len(replay) == 200
    assert batch.episode.shape == (3, 500)
    assert batch.next_after.shape == (3, 500, 4, 3)
    assert set(batch.episode.ravel().tolist()) == set(range(40))
    assert set(batch.to_go.ravel().tolist()) == set(range(5))
    assert np.all(batch.after == batch.episode[..., None])
    assert np.all(batch.shaping == batch.episode[..., None] / 2)
    assert np.all(batch.next_after == batch.episode[..., None, None])
    assert np.all(batch.next_mask == (batch.episode % 2 == 0)[..., None])


def test_every_member_draws_a_batch_of_its_own_and_the_same_one_for_the_same_seed(replay: Replay):
    for episode in range(40):
        replay.add(of(episode, 5))

    first, again = (replay.sample(np.random.default_rng(1), 2, 30).episode.tolist() for _ in range(2))

    assert first == again
    assert first[0] != first[1]
