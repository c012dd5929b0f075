from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.errors import ProfilerError
from profiler.plan import RunPlan, render_plan

PLAN = RunPlan(job="conv-1x1", run=2, model="/m/conv.onnx", out="/runs/conv-1x1/2")


def test_a_plan_is_a_header_and_one_line_per_run() -> None:
    other = replace(PLAN, cpus=(4, 5), spin=True, checkpoints=(10, 20), target=0.005, seed=9)

    text = render_plan([PLAN, other])

    whose = "job=conv-1x1\trun=2\tmodel=/m/conv.onnx\tout=/runs/conv-1x1/2\tprovider=cpu\tthreads=1"
    assert text == (
        "autocomet-plan 1\n"
        f"{whose}\tcpus=-\tspin=0\twarmup=5\tcheckpoints=30,60,120,240\ttarget=0.010000\tbudget_ms=2000\t"
        "min_iterations=10\tprofile_iterations=10\tevict_kb=0\ttimeout_s=60\tpower_source=none\tpower_loop_ms=0\tpower_idle_ms=0\t"
        "power_sample_ms=1000\tpower_wait_ms=0\tseed=0\n"
        f"{whose}\tcpus=4,5\tspin=1\twarmup=5\tcheckpoints=10,20\ttarget=0.005000\tbudget_ms=2000\t"
        "min_iterations=10\tprofile_iterations=10\tevict_kb=0\ttimeout_s=60\tpower_source=none\tpower_loop_ms=0\tpower_idle_ms=0\t"
        "power_sample_ms=1000\tpower_wait_ms=0\tseed=9\n"
    )


def test_a_plan_of_no_runs_is_its_header() -> None:
    assert render_plan([]) == "autocomet-plan 1\n"


def test_percent_signs_in_paths_are_escaped() -> None:
    assert "\tmodel=/m/100%25 sure.onnx\t" in render_plan([replace(PLAN, model="/m/100% sure.onnx")])


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=200))
def test_no_path_breaks_the_lines_apart(path: str) -> None:
    text = render_plan([replace(PLAN, model=path)])

    assert text.count("\n") == 2
    assert text.count("\t") == 21


@pytest.mark.parametrize("path", ["", "/m/a\nb", "/m/a\tb", "/m/\x1b[31m", "/m/\udcff.onnx"])
def test_a_path_with_control_characters_is_refused_with_the_path(path: str) -> None:
    with pytest.raises(ProfilerError, match="control characters"):
        render_plan([replace(PLAN, out=path)])


def test_a_path_that_the_runner_cannot_hold_is_refused() -> None:
    with pytest.raises(ProfilerError, match="longer than 1023 bytes"):
        render_plan([replace(PLAN, model="é" * 512)])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"job": "a b"}, "job 'a b' must be"),
        ({"job": ".hidden"}, "job '.hidden' must be"),
        ({"job": "j" * 101}, "must be 1 to 100"),
        ({"provider": ""}, "provider '' must be"),
        ({"threads": 0}, "threads is 0, but must be from 1 to 1024"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"evict_kb": -1}, "evict_kb is -1"),
        ({"profile_iterations": 501}, "profile_iterations is 501"),
        ({"target": 1.5}, "target is 1.5, but must be from 0 to 1"),
        ({"cpus": (1, 0)}, r"cpus \(1, 0\) must rise"),
        ({"cpus": (-1, 0)}, r"cpus \(-1, 0\) must rise"),
        ({"checkpoints": ()}, r"checkpoints \(\) must hold"),
        ({"checkpoints": (0, 30)}, r"checkpoints \(0, 30\) must rise and be from 1"),
        ({"cpus": tuple(range(129))}, "cpus has 129 values"),
        ({"checkpoints": (30, 30)}, r"checkpoints \(30, 30\) must rise"),
    ],
)
def test_a_value_that_the_runner_would_refuse_is_refused_here(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(PLAN, **changes)
