from __future__ import annotations

from pathlib import Path

import pytest

from parsers.jobs import JobLayer, JobSpec, read_job
from parsers.schema import Layer, Scope
from profiler.errors import CampaignError
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore

SETTINGS = CampaignSettings(suite="demo", suite_sha256="00", device="host")
RELU = Layer(type="Relu", in_channels=4, channels=4, input_volume=4, output_volume=4)


def spec(job: str) -> JobSpec:
    return JobSpec(
        job=job,
        scope=Scope.ISOLATED,
        networks=("alexnet",),
        layers=(JobLayer(name="Relu", layer=RELU, nodes=("relu1",), tensors=("r1",)),),
        provider="cpu",
        threads=1,
        cpus=(0,),
        spinning=True,
        processes=3,
        evict_kb=0,
        model_sha256="ab",
    )


def add_run(store: CampaignStore, job: str, run: int, log: bytes = b"") -> None:
    fetched = store.incoming("host")
    fetched.mkdir()
    (fetched / "runner.log").write_bytes(log)
    store.add_run("host", job, run, fetched)


def test_a_job_is_done_only_when_its_folder_is_in_place(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    store.begin("host", spec("relu"))
    add_run(store, "relu", 0, b"evidence")

    before = store.is_done("host", "relu")
    store.finish("host", "relu")

    assert (before, store.is_done("host", "relu")) == (False, True)
    folder = store.device_folder("host") / "relu"
    assert sorted(path.name for path in folder.iterdir()) == ["job.json", "run-0"]
    assert (folder / "run-0" / "runner.log").read_bytes() == b"evidence"
    assert read_job(folder) == spec("relu")


def test_what_was_fetched_waits_in_order_until_it_is_put_in_place(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    for _ in range(3):
        store.incoming("host").mkdir()
    store.write_order("host", [("relu", 0), ("conv", 2)])
    first, second, third = store.fetched("host")
    first.rename(tmp_path / "away")

    assert [path.name for path in (first, second, third)] == ["0", "1", "2"]
    assert store.fetched("host") == (second, third)
    assert store.incoming("host") == first
    assert store.read_order("host") == [("relu", 0), ("conv", 2)]


def test_a_campaign_started_over_is_another_campaign(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    with store.opened(SETTINGS, fresh=False):
        before, again = store.identity(), store.identity()
    with store.opened(SETTINGS, fresh=True):
        after = store.identity()

    assert before == again
    assert before != after


def test_a_campaign_is_held_by_one_program_and_free_again_afterwards(tmp_path: Path) -> None:
    first, second = CampaignStore(tmp_path / "demo"), CampaignStore(tmp_path / "demo")

    with (
        first.opened(SETTINGS, fresh=False),
        pytest.raises(CampaignError, match="another program"),
        second.opened(SETTINGS, fresh=False),
    ):
        pass

    with second.opened(SETTINGS, fresh=False):
        assert (tmp_path / "demo" / "campaign.json").is_file()


def test_other_settings_are_refused_unless_the_campaign_is_started_over(tmp_path: Path) -> None:
    store = CampaignStore(tmp_path / "demo")
    other = CampaignSettings(suite="demo", suite_sha256="00", device="host", threads=2)
    with store.opened(SETTINGS, fresh=False):
        store.begin("host", spec("relu"))
        add_run(store, "relu", 0)

    with pytest.raises(CampaignError, match="other settings"), store.opened(other, fresh=False):
        pass
    with store.opened(other, fresh=True):
        runs = store.runs_of("host", "relu")

    assert runs == ()


@pytest.mark.parametrize("serial", ["..", ".", "a/../../b", "192.168.1.5:5555", "/etc"])
def test_no_serial_leads_out_of_the_campaign_s_folder(tmp_path: Path, serial: str) -> None:
    store = CampaignStore(tmp_path / "demo")

    folder = store.device_folder(serial)

    assert folder.parent == tmp_path / "demo"
    assert folder.resolve().parent == (tmp_path / "demo").resolve()


def test_the_same_settings_name_the_same_campaign_and_any_other_another() -> None:
    names = {
        CampaignSettings(suite="demo", suite_sha256="00", device="host").campaign,
        CampaignSettings(suite="demo", suite_sha256="00", device="host").campaign,
        CampaignSettings(suite="demo", suite_sha256="01", device="host").campaign,
        CampaignSettings(suite="demo", suite_sha256="00", device="host", seed=1).campaign,
    }

    assert len(names) == 3
