from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nas.errors import OutputError
from nas.verification.device_file import write_device_config
from parsers.device_config import load_device_config


@pytest.mark.parametrize("tier", ["flagship", "mid", "low"])
def test_a_config_is_read_back_as_it_was_written(tier: str, tmp_path: Path):
    config = load_device_config(tier)

    path = write_device_config(config, tmp_path / "given")

    assert path == tmp_path / "given" / f"{tier}.toml"
    assert load_device_config(str(path)) == config


def test_what_is_unknown_of_a_phone_stays_unknown(tmp_path: Path):
    tier = load_device_config("low")
    phone = dataclasses.replace(
        tier,
        name='Pixel 3 "blueline" ü',
        kind="phone",
        soc=None,
        latency_limit_ms=None,
        roofline=None,
        context=dataclasses.replace(tier.context, cores=None, memory_bw_gbs=None, task_roi=1),
    )

    assert load_device_config(str(write_device_config(phone, tmp_path))) == phone


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "given").write_text("a file")

    with pytest.raises(OutputError, match="Cannot write"):
        write_device_config(load_device_config("low"), tmp_path / "given")
