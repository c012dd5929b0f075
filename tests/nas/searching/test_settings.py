from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nas.errors import SettingsError
from nas.limits.signals import Limit
from nas.searching.settings import check_settings, search_name, usual_settings
from nas.training.schedule import usual_schedules
from parsers.device_config import load_device_config


@pytest.mark.parametrize(("space", "data"), [("mobilenetv2", "silhouettes"), ("mobilenetv2-decoder", "mnist-5k")])
def test_a_space_and_a_data_set_for_different_tasks_do_not_go_together(space: str, data: str):
    settings = usual_settings(load_device_config("low"), (Limit(target="latency", value=15.0),), data)

    with pytest.raises(SettingsError, match=f"{space} is a space for .*, and {data} a data set for "):
        check_settings(replace(settings, space=space))


def test_how_long_networks_learn_is_usual_for_the_data_set_and_said_in_a_searchs_name_only_where_it_is_not():
    settings = usual_settings(load_device_config("low"), (), "fashion-mnist")

    name, longer = (
        search_name(one, Path("models/default"))
        for one in (settings, replace(settings, shared=replace(settings.shared, epochs=20.5)))
    )

    assert settings.shared == usual_schedules(55_000).shared
    assert "shared" not in name
    assert "shared20.5" in longer
