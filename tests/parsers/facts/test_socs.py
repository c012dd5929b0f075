from __future__ import annotations

import re
from pathlib import Path

import pytest

from parsers.device_config import available_device_configs
from parsers.errors import DeviceConfigError
from parsers.facts.socs import Soc, SocNames, find_soc, read_socs

SHIPPED = read_socs()


def find(*parts: str, platforms: tuple[str, ...] = ()) -> Soc | None:
    return find_soc(SHIPPED, SocNames(parts=parts, platforms=platforms))


def name_of(soc: Soc | None) -> str | None:
    return soc.name if soc else None


@pytest.mark.parametrize("soc", SHIPPED, ids=lambda soc: soc.name)
def test_a_bandwidth_is_transfers_times_width(soc: Soc) -> None:
    if soc.memory is None:
        assert soc.memory_bw_gbs is None
        return
    match = re.fullmatch(r"LPDDR\d[X]?-(\d+), (\d+) bit", soc.memory)

    assert match
    assert soc.memory_bw_gbs == round(int(match[1]) * int(match[2]) / 8000, 1)


def test_names_and_part_numbers_are_written_once_and_in_lower_case() -> None:
    names = [soc.name for soc in SHIPPED]
    parts = [part for soc in SHIPPED for part in soc.parts]

    assert sorted(set(names)) == sorted(names)
    assert sorted(set(parts)) == sorted(parts)
    assert [part for part in parts if part != part.lower()] == []


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("SM8150", "Snapdragon 855"),
        ("SM8150-AC", "Snapdragon 855"),
        ("SM8250_AC", "Snapdragon 865"),
        ("MT6893Z/CZA", "Dimensity 1200"),
        ("Tensor", "Tensor"),
        ("Tensor G3", "Tensor G3"),
        ("EXYNOS9820", "Exynos 9820"),
        ("SDM660", "Snapdragon 660"),
    ],
)
def test_a_part_number_names_a_chip_however_it_is_packaged(part: str, name: str) -> None:
    assert name_of(find(part)) == name


def test_a_part_number_that_is_not_in_the_table_is_never_explained_by_a_code_name() -> None:
    assert find("SM7350", platforms=("lahaina",)) is None


def test_a_code_name_that_chips_share_tells_only_what_they_agree_on() -> None:
    lahaina = find(platforms=("lahaina",))

    assert lahaina is not None
    assert (lahaina.name, lahaina.memory_bw_gbs, lahaina.gpu) == ("Snapdragon 778G or Snapdragon 888", None, None)


def test_chips_that_share_a_code_name_and_a_memory_have_that_memory() -> None:
    sdm710 = find(platforms=("sdm710",))

    assert sdm710 is not None
    assert (sdm710.memory_bw_gbs, sdm710.last_level_cache_mb, sdm710.gpu) == (14.9, 1.0, None)


def test_the_part_number_decides_where_the_code_name_is_shared() -> None:
    assert name_of(find("SM8350", platforms=("lahaina",))) == "Snapdragon 888"


def test_a_word_that_is_no_part_number_leaves_it_to_the_code_name() -> None:
    assert name_of(find("Pixel", platforms=("kirin970",))) == "Kirin 970"


def test_a_phone_that_tells_nothing_is_unknown() -> None:
    assert find() is None


def test_the_table_is_no_device_config() -> None:
    assert "socs" not in available_device_configs()


def test_a_table_in_the_current_folder_comes_before_the_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "device_configs").mkdir()
    row = '[[soc]]\nname = "Mine"\nparts = ["mine1"]\nsource = "me"\n'
    (tmp_path / "device_configs/socs.toml").write_text(row)
    monkeypatch.chdir(tmp_path)

    assert read_socs() == (Soc(name="Mine", parts=("mine1",), source="me"),)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('name = "X"\nparts = ["x"]\nsource = "s"\nbandwidth = 3', "soc 'X': bandwidth in .* is not understood"),
        ('name = "X"\nparts = ["x"]', "soc 'X': source in .* is missing"),
        ('name = "X"\nparts = [1]\nsource = "s"', "soc 'X': parts in .* must be a list of words"),
    ],
)
def test_a_row_that_is_not_understood_is_an_error_that_names_it(tmp_path: Path, row: str, complaint: str) -> None:
    path = tmp_path / "socs.toml"
    path.write_text(f"[[soc]]\n{row}\n")

    with pytest.raises(DeviceConfigError, match=complaint):
        read_socs(path)


def test_a_file_without_rows_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "socs.toml"
    path.write_text("title = 'x'\n")

    with pytest.raises(DeviceConfigError, match=r"must be a list of \[\[soc\]\] tables"):
        read_socs(path)
