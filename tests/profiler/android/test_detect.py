from __future__ import annotations

import re
from pathlib import Path

import pytest

from parsers.device_config import load_device_config
from parsers.errors import DeviceConfigError
from parsers.facts.socs import read_socs
from profiler.android.detect import config_text, detect_host, detect_phone, write_config
from profiler.android.facts import device_facts, parse_phone_facts
from profiler.errors import ConfigFileError
from profiler.host_facts import read_host_facts
from tests.profiler.android.phone_text import FLAGSHIP, answer

PIXEL_4 = {"ro.soc.model": "SM8150", "ro.product.manufacturer": "Google", "ro.product.model": "Pixel 4"}


def write(path: Path, properties: dict[str, str], *, limit_ms: float | None = None, force: bool = False) -> None:
    phone = parse_phone_facts(answer(FLAGSHIP, properties, memory_kb=5_600_000), read_socs())
    write_config(config_text(detect_phone(phone), limit_ms=limit_ms), path, force=force)


def test_what_is_detected_is_a_config_with_the_phones_own_context(tmp_path: Path) -> None:
    phone = parse_phone_facts(answer(FLAGSHIP, PIXEL_4, memory_kb=5_600_000), read_socs())

    write(tmp_path / "pixel-4.toml", PIXEL_4, limit_ms=20.0)

    config = load_device_config(str(tmp_path / "pixel-4.toml"))
    assert config.context == device_facts(phone).context
    assert (config.name, config.kind, config.soc, config.threads) == ("pixel-4", "phone", "Snapdragon 855", 4)
    assert (config.title, config.latency_limit_ms) == ("Google Pixel 4, CPU", 20.0)


def test_an_unknown_chip_leaves_its_bandwidth_to_the_reader_and_says_what_the_phone_calls_it(tmp_path: Path) -> None:
    path = tmp_path / "strange.toml"

    write(path, {"ro.soc.model": "T612", "ro.board.platform": "ums9230"})

    text = path.read_text()
    assert load_device_config(str(path)).context.memory_bw_gbs is None
    assert "# memory_bw_gbs =   # unknown: megatransfers per second x width in bits / 8000" in text
    assert "not in socs.toml; the phone calls it: T612, ums9230." in text


def test_without_a_limit_the_config_leaves_it_to_the_search(tmp_path: Path) -> None:
    write(tmp_path / "phone.toml", PIXEL_4)

    assert load_device_config(str(tmp_path / "phone.toml")).latency_limit_ms is None


def test_a_tier_must_have_a_limit(tmp_path: Path) -> None:
    write(tmp_path / "phone.toml", PIXEL_4)
    text = (tmp_path / "phone.toml").read_text()
    (tmp_path / "tier.toml").write_text(text.replace('kind = "phone"', 'kind = "tier"'))

    with pytest.raises(DeviceConfigError, match=r"latency_limit_ms in .*tier.toml is missing"):
        load_device_config(str(tmp_path / "tier.toml"))


def test_a_phone_that_hides_everything_is_a_config_to_fill_in(tmp_path: Path) -> None:
    text = "== files\n== properties\n== graphics\n== end\n"
    detected = detect_phone(parse_phone_facts(text, read_socs()))

    write_config(config_text(detected, limit_ms=None), tmp_path / "mute.toml", force=False)

    context = load_device_config(str(tmp_path / "mute.toml")).context
    assert (context.cores, context.memory_gb, context.clock_freq_ghz) == (None, None, None)
    assert [found.value for found in detected.context] == [None] * 7


def test_a_phones_words_cannot_break_out_of_the_config(tmp_path: Path) -> None:
    model = 'Evil"\n[task]\ntext = true # \\'

    write(tmp_path / "evil.toml", {**PIXEL_4, "ro.product.model": model})

    config = load_device_config(str(tmp_path / "evil.toml"))
    assert config.context.task_text == 0
    assert 'Evil"' in config.title


def test_a_config_is_never_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "phone.toml"
    path.write_text("filled in by hand")

    with pytest.raises(ConfigFileError, match=r"may hold what somebody filled in.*--force"):
        write(path, PIXEL_4)

    assert path.read_text() == "filled in by hand"
    write(path, PIXEL_4, force=True)
    assert load_device_config(str(path)).soc == "Snapdragon 855"


def test_what_would_be_no_config_is_not_written_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DeviceConfigError):
        write_config("title = 3", tmp_path / "broken.toml", force=False)

    assert list(tmp_path.iterdir()) == []


def test_a_config_has_the_ending_by_which_it_is_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=re.escape("a device config is a .toml file")):
        write(tmp_path / "phone", PIXEL_4)


def test_cpus_that_sleep_are_told() -> None:
    text = answer(FLAGSHIP, PIXEL_4).replace("cpu/online:0-7", "cpu/online:0-3")

    detected = detect_phone(parse_phone_facts(text, read_socs()))

    assert (
        "CPUs 4, 5, 6, 7 are switched off now and not counted: wake the phone, let it cool, ask again."
        in detected.remarks
    )


def test_clusters_are_described_as_a_person_would() -> None:
    detected = detect_phone(parse_phone_facts(answer(FLAGSHIP, PIXEL_4), read_socs()))

    assert "Clusters: 3 x Cortex-A76 2.42 GHz + 1 x Cortex-A76 2.84 GHz, 4 x Cortex-A55 1.79 GHz." in detected.remarks


def test_this_machine_is_a_config_too(tmp_path: Path) -> None:
    facts = read_host_facts()

    write_config(config_text(detect_host(facts), limit_ms=5.0), tmp_path / "here.toml", force=False)

    assert load_device_config(str(tmp_path / "here.toml")).context == facts.context
