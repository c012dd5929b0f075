from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from parsers.jobs import JobSpec, write_verdict
from parsers.schema import Scope, Status
from profiler.job_plans import Job
from profiler.schedule import EXTRA_RUNS, Claims, Schedule, good_runs
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore

OK, LOST, CONTENDED, OOM = Status.OK, Status.LOST, Status.CONTENDED, Status.OUT_OF_MEMORY


def settings(**changes: int | str) -> CampaignSettings:
    return CampaignSettings(suite="demo", suite_sha256="00", device="all", **{"processes": 2, **changes})  # type: ignore[arg-type]


def job(name: str) -> Job:
    spec = JobSpec(
        job=name,
        scope=Scope.ISOLATED,
        networks=(),
        layers=(),
        provider="cpu",
        threads=1,
        cpus=(0,),
        spinning=True,
        processes=2,
        evict_kb=0,
        model_sha256="ab",
    )
    return Job(spec=spec, model=lambda: b"")


JOBS = [job(name) for name in ("a", "b", "c", "d", "e", "f")]


def schedule(
    store: CampaignStore,
    *,
    device: str = "phone",
    claims: Claims | None = None,
    jobs: Sequence[Job] = JOBS,
    **changes: str,
) -> Schedule:
    return Schedule(store, device, jobs, settings(**changes), claims or Claims(shared=False))


def put(store: CampaignStore, name: str, run: int, *, device: str = "phone") -> None:
    """Put a run without a log in place: it is lost."""
    store.begin(device, job(name).spec)
    folder = store.incoming(device)
    folder.mkdir()
    write_verdict(folder, status=LOST, reason="a test")
    store.add_run(device, name, run, folder)


@pytest.mark.parametrize(
    ("statuses", "good"),
    [
        ([], 0),
        ([OK, OK, CONTENDED], 2),
        ([LOST, CONTENDED, Status.THROTTLED], 0),
        ([OOM, OOM], 2),
        ([OOM, OK], 1),
        ([OOM, Status.CRASHED, OOM], 2),
    ],
)
def test_failures_count_unless_another_run_shows_that_the_job_can_run(statuses: list[Status], good: int) -> None:
    assert good_runs(statuses) == good


def test_every_job_has_its_first_run_before_any_has_its_second_and_each_round_its_own_order(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    plan = schedule(store)
    first = plan.pending()
    for name in "abcde":
        put(store, name, 0)
        plan.record(name, 0)
    last = plan.pending()
    put(store, "f", 0)
    plan.record("f", 0)
    second = plan.pending()

    assert sorted(part.spec.job for part, _ in first) == list("abcdef")
    assert {run for _, run in first} == {0}
    assert [(part.spec.job, run) for part, run in last] == [("f", 0)]
    assert {run for _, run in second} == {1}
    assert [part.spec.job for part, _ in first] != [part.spec.job for part, _ in second]
    assert [part.spec.job for part, _ in schedule(CampaignStore(tmp_path / "other")).pending()] == [
        part.spec.job for part, _ in first
    ]


def test_a_lost_run_is_repeated_so_often_and_no_more_and_not_at_all_under_the_quick_policy(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    strict, quick = schedule(store, jobs=JOBS[:1]), schedule(store, jobs=JOBS[:1], policy="quick")
    counts = []
    for run in range(2 + EXTRA_RUNS):
        put(store, "a", run)
        strict.record("a", run)
        quick.record("a", run)
        counts.append((len(strict.pending()), len(quick.pending())))

    assert counts == [(1, 1), (1, 0), (1, 0), (0, 0)]


def test_a_new_program_goes_on_from_what_lies_there(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    put(store, "a", 0)
    put(store, "b", 0)
    put(store, "b", 1)
    store.finish("phone", "b")

    plan = schedule(store, jobs=JOBS[:3])

    assert plan.done_jobs == {"b"}
    assert (plan.knows("a", 0), plan.knows("a", 1), plan.knows("b", 7), plan.knows("z", 0)) == (True, False, True, True)
    assert [(part.spec.job, run) for part, run in plan.pending()] == [("c", 0)]


def test_alike_phones_never_do_the_same_job_and_take_over_what_one_leaves(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    claims = Claims(shared=True)
    put(store, "a", 0, device="left")
    left, right = (schedule(store, device=name, claims=claims) for name in ("left", "right"))
    taken = [left.claim("b"), right.claim("b"), right.claim("c")]
    before = sorted(part.spec.job for part, _ in right.pending())
    claims.release("left", done=frozenset({"b"}))
    after = sorted(part.spec.job for part, _ in right.pending())

    assert taken == [True, False, True]
    assert before == ["c", "d", "e", "f"]
    assert after == ["a", "c", "d", "e", "f"]
    assert claims.is_free("a")
    assert not claims.is_free("b")
