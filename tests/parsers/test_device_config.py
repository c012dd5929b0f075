import re
from pathlib import Path

import pytest

import parsers
from parsers.device_config import available_device_configs, load_device_config
from parsers.errors import DeviceConfigError
from parsers.schema import Context

SHIPPED = Path(parsers.__file__).parent.parent / "device_configs"
FLAGSHIP = (SHIPPED / "flagship.toml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str, name: str = "mine.toml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_the_papers_three_tiers_are_found_from_any_folder():
    tiers = [load_device_config(name) for name in ("flagship", "mid", "low")]

    assert {"flagship", "mid", "low"} <= set(available_device_configs())
    assert [tier.kind for tier in tiers] == ["tier"] * 3


def test_the_tiers_are_ordered_in_what_a_run_can_use():
    flagship, mid, low = (load_device_config(name).context for name in ("flagship", "mid", "low"))

    for attribute in ("peak_gflops", "memory_bw_gbs", "memory_gb", "clock_freq_ghz"):
        values = [getattr(context, attribute) for context in (flagship, mid, low)]
        assert values == sorted(values, reverse=True)


def test_a_tiers_peak_follows_from_its_source():
    for name in ("flagship", "mid", "low"):
        context = load_device_config(name).context
        formula = re.sub(r"[A-Za-z].*$", "", (context.peak_gflops_source or "").replace("GHz", "").replace("x", "*"))
        numbers = [float(number) for number in re.findall(r"[\d.]+", formula)]

        assert context.peak_gflops == pytest.approx(_sum_of_products(numbers), abs=0.1)


def _sum_of_products(numbers: list[float]) -> float:
    """(a × b + c × d) × e, or a × b × e."""
    *pairs, flop_per_cycle = numbers
    return flop_per_cycle * sum(pairs[i] * pairs[i + 1] for i in range(0, len(pairs), 2))


def test_context_and_task_become_one_context():
    config = load_device_config("low")

    assert config.context == Context(
        cores=4,
        compute_units=0,
        memory_gb=3.0,
        clock_freq_ghz=2.0,
        memory_bw_gbs=7.5,
        core_part="0xd03",
        last_level_cache_mb=0.5,
        peak_gflops=64.0,
        peak_gflops_source=config.context.peak_gflops_source,
        task_text=0,
        task_multi_entity=0,
        task_roi=0,
    )


def test_a_config_in_the_current_folder_comes_before_the_installed_one(folder: Path):
    (folder / "device_configs").mkdir()
    write(
        folder / "device_configs",
        re.sub(r"latency_limit_ms = [0-9.]+", "latency_limit_ms = 7.0", FLAGSHIP),
        "flagship.toml",
    )

    assert load_device_config("flagship").latency_limit_ms == 7.0


def test_a_path_names_a_config_of_ones_own_and_its_file_names_it(folder: Path):
    config = load_device_config(write(folder, FLAGSHIP, "pixel-4.toml"))

    assert config.name == "pixel-4"


@pytest.mark.parametrize("name", ["nokia", "../low", "/etc/passwd", "", ".", "a/b"])
def test_an_unknown_name_is_answered_with_the_known_ones_and_never_leaves_the_folder(folder: Path, name: str):
    (folder / "device_configs").mkdir()
    write(folder, FLAGSHIP, "low.toml")

    with pytest.raises(DeviceConfigError, match=r"^No tier or phone .*Known: flagship, low, mid"):
        load_device_config(name)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("threads = 4", "threads = 4\nlatency_limit = 3", "latency_limit in .*mine.toml is not understood"),
        ("cores = 4", "cores = 4\nkores = 4", "context.kores in .*mine.toml is not understood"),
        ("processes = 3", "processes = 3\nretries = 1", "measurement.retries in .*mine.toml is not understood"),
        ("roi = false", "roi = false\nspeech = true", "task.speech in .*mine.toml is not understood"),
        ("roi = false", "roi = 0", "task.roi in .*mine.toml must be true or false"),
        ("threads = 4", 'threads = "4"', "threads in .*mine.toml must be of type int, not '4'"),
        ("threads = 4", "", "threads in .*mine.toml is missing"),
        ("memory_gb = 8.0", "memory_gb = -8.0", "context.memory_gb in .*mine.toml must not be negative"),
        ('policy = "strict"', 'policy = "lax"', "measurement.policy in .*mine.toml must be one of strict, quick"),
        ("[30, 60, 120, 240]", "[30, -60]", "measurement.checkpoints in .*mine.toml must be a list of positive"),
        ("[context]", "[kontext]", "context in .*mine.toml is missing"),
        ('title = "', 'name = "x"\ntitle = "', "name in .*mine.toml is not understood"),
        ("threads = 4", "threads = ", "mine.toml is no TOML"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_key_and_file(folder: Path, old: str, new: str, complaint: str):
    path = write(folder, FLAGSHIP.replace(old, new, 1))

    with pytest.raises(DeviceConfigError, match=complaint) as caught:
        load_device_config(path)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_not_there_is_said():
    with pytest.raises(DeviceConfigError, match=r"Cannot read the device config nope\.toml: No such file"):
        load_device_config("nope.toml")


def test_the_table_of_socs_is_no_config():
    with pytest.raises(DeviceConfigError, match=r"^No tier or phone 'socs' in device_configs"):
        load_device_config("socs")


def test_a_phone_may_leave_out_what_it_did_not_tell_and_a_tier_may_not(folder: Path):
    without = FLAGSHIP.replace("cores = 4", "#", 1)

    assert load_device_config(write(folder, without.replace('kind = "tier"', 'kind = "phone"'))).context.cores is None
    with pytest.raises(DeviceConfigError, match=r"context.cores in .*mine.toml is missing"):
        load_device_config(write(folder, without))
