from __future__ import annotations

from pathlib import Path

import pytest

from parsers.jobs import job_to_json, read_job
from parsers.schema import Context, DeviceKind, Layer
from profiler.device import DeviceFacts
from profiler.errors import CampaignError
from profiler.job_plans import choose_cores, plan_jobs
from profiler.settings import CampaignSettings
from profiler.suite import Suite, SuiteLayer

PRIME = Context(cores=1, memory_gb=8, clock_freq_ghz=2.91, core_part="0xd4e")
BIG = Context(cores=4, memory_gb=8, clock_freq_ghz=2.37, core_part="0xd4d")
RELU = Layer(type="Relu", in_channels=4, channels=4, input_volume=4, output_volume=4, input_shapes=((1, 4),))


def facts(*clusters: tuple[int, ...]) -> DeviceFacts:
    return DeviceFacts(
        kind=DeviceKind.PHONE,
        soc="Tensor G3",
        os_build="15",
        context=PRIME,
        clusters=clusters,
        cluster_contexts=(PRIME, BIG)[: len(clusters)],
        flops_per_cycle=32,
    )


def settings(threads: int) -> CampaignSettings:
    return CampaignSettings(suite="demo", suite_sha256="00", device="all", threads=threads)


def test_one_thread_runs_on_the_fastest_core_and_four_on_the_fastest_four_of_one_kind() -> None:
    pixel8 = facts((8,), (4, 5, 6, 7))

    one, four = choose_cores(pixel8, 1), choose_cores(pixel8, 4)

    assert (one.cpus, one.context, one.is_first) == ((8,), PRIME, True)
    assert (four.cpus, four.context, four.is_first) == ((4, 5, 6, 7), BIG, False)
    assert choose_cores(pixel8, 2).cpus == (6, 7)


def test_more_threads_than_any_cluster_has_cores_are_refused_with_the_most_that_go() -> None:
    with pytest.raises(CampaignError, match=r"Tensor G3 has 5 cores.*--threads 4"):
        choose_cores(facts((8,), (4, 5, 6, 7)), 5)


def test_a_phone_that_hides_its_cores_is_measured_unbound() -> None:
    assert choose_cores(facts(), 4).cpus == ()


def test_a_job_on_another_cluster_carries_what_that_cluster_is(tmp_path: Path) -> None:
    suite = Suite(name="relu", layers=(SuiteLayer(layer=RELU),))
    (one,) = plan_jobs(suite, facts((8,), (4, 5, 6, 7)), settings(1))
    (four,) = plan_jobs(suite, facts((8,), (4, 5, 6, 7)), settings(4))
    (tmp_path / "job.json").write_text(job_to_json(four.spec))

    assert one.spec.context is None
    assert read_job(tmp_path) == four.spec
    assert four.spec.context == BIG
