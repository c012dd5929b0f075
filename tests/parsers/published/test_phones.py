from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from parsers.device_config import available_device_configs
from parsers.errors import DeviceConfigError
from parsers.published.phones import (
    Cluster,
    Phone,
    cores_of,
    cpu_hardware,
    gpu_hardware,
    read_phones,
    unstated_cpu_hardware,
)
from parsers.schema import Context

PHONE = Phone(
    title="Phone",
    soc="Chip",
    cores=6,
    clock_ghz=3.0,
    memory_gb=4.0,
    memory_bw_gbs=20.0,
    gpu="GPU",
    gpu_units=5,
    gpu_clock_ghz=0.5,
    large=Cluster(cores=2, clock_ghz=3.0),
    small=Cluster(cores=4, clock_ghz=1.5),
    source="a test",
)


def test_the_phones_of_the_published_tables_are_described_and_are_no_device_configs():
    phones = read_phones()

    assert {"pixel1", "pixel4", "s10", "mi8se", "iphone7", "iphonexs", "note10"} <= set(phones)
    assert "published_phones" not in available_device_configs()


def test_what_is_uncertain_is_a_figure_and_every_phone_has_a_source():
    names = {item.name for item in fields(Phone)}

    for phone in read_phones().values():
        assert set(phone.uncertain) <= names
        assert phone.source


def test_clusters_add_up_to_the_phones_cores_and_the_fastest_gives_its_clock():
    for phone in read_phones().values():
        clusters = [cluster for cluster in (phone.large, phone.medium, phone.small) if cluster]
        if clusters:
            assert sum(cluster.cores for cluster in clusters) == phone.cores
            assert max(cluster.clock_ghz for cluster in clusters) == phone.clock_ghz


def test_no_clock_of_an_apple_gpu_is_claimed():
    phones = read_phones()

    assert [phones[name].gpu_clock_ghz for name in ("iphone7", "iphonexs")] == [None, None]


def test_a_gpus_context_has_its_clock_and_units_and_no_cores():
    hardware = gpu_hardware(PHONE)

    assert hardware.context == Context(
        cores=None, compute_units=5, memory_gb=4.0, clock_freq_ghz=0.5, memory_bw_gbs=20.0
    )
    assert (hardware.threads, hardware.affinity, hardware.unknown) == (1, None, ())


def test_a_cpus_context_has_the_cores_that_ran_and_the_clock_of_their_fastest():
    both = cpu_hardware(PHONE, "1large2small", {"large": 1, "small": 2})
    small = cpu_hardware(PHONE, "4small", {"small": 4})

    assert both.context == Context(cores=3, memory_gb=4.0, clock_freq_ghz=3.0, memory_bw_gbs=20.0)
    assert (both.threads, both.affinity) == (3, "1large2small")
    assert (small.context.cores, small.context.clock_freq_ghz) == (4, 1.5)


def test_a_cluster_that_nobody_described_leaves_the_clock_unknown():
    hardware = cpu_hardware(PHONE, "1large1med", {"large": 1, "medium": 1})

    assert (hardware.context.cores, hardware.context.clock_freq_ghz) == (2, None)


def test_cores_that_are_not_told_are_all_that_could_have_run_and_threads_are_unknown():
    hardware = unstated_cpu_hardware(PHONE)

    assert (hardware.context.cores, hardware.context.clock_freq_ghz, hardware.threads) == (6, 3.0, None)


def test_of_a_phone_that_nobody_described_nothing_is_known_not_even_units():
    hardware = gpu_hardware(None)

    assert hardware.soc is None
    assert hardware.context.memory_gb is None
    assert hardware.unknown == ("compute_units",)
    assert cpu_hardware(None, "2small", {"small": 2}).context == Context(cores=2, memory_gb=None, clock_freq_ghz=None)


@pytest.mark.parametrize(
    ("words", "cores"),
    [
        ("1large", {"large": 1}),
        ("1large1med", {"large": 1, "medium": 1}),
        ("2large2med4small", {"large": 2, "medium": 2, "small": 4}),
        ("gpu", None),
        ("", None),
        ("large", None),
        ("0large", None),
        ("1large1large", None),
        ("1large ", None),
        ("1huge", None),
        ("٣large", None),
    ],
)
def test_words_for_cores_are_read_or_refused_whole(words: str, cores: dict[str, int] | None):
    assert cores_of(words) == cores


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title = 'no phone'", "must be a list of tables"),
        ("[x]\ntitle = 'a'\nkores = 4", r"x\.kores in .* is not understood"),
        ("[x]\ntitle = 'a'", r"x\.soc in .* is missing"),
    ],
)
def test_a_figure_that_is_not_understood_is_an_error_that_names_it(tmp_path: Path, text: str, complaint: str):
    path = tmp_path / "phones.toml"
    path.write_text(text)

    with pytest.raises(DeviceConfigError, match=complaint):
        read_phones(path)
