from dataclasses import replace

import pytest

from parsers.device_config import DeviceConfig, RooflineScale, load_device_config
from parsers.errors import DeviceConfigError
from parsers.roofline import roofline_ms
from parsers.schema import DeviceKind, Layer, Origin, Row
from profiler import modelled
from profiler.errors import SuiteError
from profiler.modelled import TABLE_I_MS, Residual, fit_tier, model_tier
from profiler.networks import network_graph
from profiler.suite import Suite, SuiteLayer

DEPTHWISE = Layer(
    type="DepthwiseConv",
    in_channels=100,
    channels=100,
    height=100,
    width=100,
    out_height=100,
    out_width=100,
    kernel_height=5,
    kernel_width=5,
    groups=100,
    input_volume=1_000_000,
    output_volume=1_000_000,
    weight_elements=2600,
)


def simple_config() -> DeviceConfig:
    """10 GFLOP/s, 10 GB/s, 2 threads at 1 GHz; half the peak, half a millisecond per operator."""
    flagship = load_device_config("flagship")
    return replace(
        flagship,
        name="simple",
        threads=2,
        context=replace(flagship.context, peak_gflops=10.0, memory_bw_gbs=10.0, clock_freq_ghz=1.0),
        roofline=RooflineScale(efficiency=0.5, overhead_ms=0.5, source="a test"),
    )


def model_one(config: DeviceConfig) -> Row:
    (row,) = model_tier(config, Suite(name="one", layers=(SuiteLayer(layer=DEPTHWISE, networks=("net",)),)))
    return row


def test_a_modelled_row_is_worked_by_hand():
    measured = model_one(simple_config()).measurement

    # 10⁶ · 25 MACs are 50 MFLOP; a depthwise convolution reaches 0.2 · 0.5 of 10 GFLOP/s: 50 ms, and 0.5 ms overhead.
    assert measured.execution_time_ms == pytest.approx(50.5)
    # 50e6 FLOP · 2.3 pJ, 8.0104e6 bytes · 162.5 pJ, and 2 · 1e9 · 0.0505 instructions · 70 pJ.
    assert measured.energy_mj == pytest.approx(0.115 + 1.30169 + 7.07)
    assert measured.power_mw == pytest.approx(8.48669 / 50.5 * 1e3)
    assert measured.peak_memory_mb == pytest.approx(4 * 2_002_600 / 2**20)


def test_a_modelled_row_says_that_it_is_no_evidence():
    row = model_one(simple_config())

    assert (row.provenance.origin, row.provenance.device_kind) == (Origin.MODELLED, DeviceKind.NONE)
    assert (row.provenance.device, row.provenance.campaign) == ("simple", "modelled-simple")
    assert row.provenance.networks == ("net",)
    assert row.measurement.power_source == "formula"
    assert row.measurement.wall_ms is None


@pytest.mark.parametrize("tier", TABLE_I_MS)
def test_a_tiers_file_holds_the_factors_that_the_fit_gives(tier: str):
    roofline = load_device_config(tier).roofline

    fit = fit_tier(tier)

    assert roofline is not None
    assert (roofline.efficiency, roofline.overhead_ms) == pytest.approx((fit.efficiency, fit.overhead_ms), rel=5e-3)


def test_residuals_are_what_the_fitted_formula_gives_beside_the_paper():
    config = load_device_config("flagship")
    fit = fit_tier("flagship")

    def total_ms(network: str) -> float:
        return sum(
            roofline_ms(
                item.layer,
                config.context,
                efficiency=fit.efficiency * modelled.family_efficiency(item.layer),
                overhead_ms=fit.overhead_ms,
            )
            for item in network_graph(network).layers
        )

    assert fit.residuals == tuple(
        Residual(network=network, paper_ms=paper_ms, model_ms=pytest.approx(total_ms(network)))
        for network, paper_ms in TABLE_I_MS["flagship"].items()
    )


def test_latencies_that_follow_the_formula_give_back_its_factors(monkeypatch: pytest.MonkeyPatch):
    context = load_device_config("mid").context
    planted = {
        network: sum(
            roofline_ms(item.layer, context, efficiency=0.3 * modelled.family_efficiency(item.layer), overhead_ms=1.25)
            for item in network_graph(network).layers
        )
        for network in ("mobilenet_v2", "squeezenet", "mobilenet_v1")
    }
    monkeypatch.setattr(modelled, "TABLE_I_MS", {"mid": planted})

    fit = fit_tier("mid")

    assert (fit.efficiency, fit.overhead_ms) == pytest.approx((0.3, 1.25), rel=5e-3)
    assert all(residual.model_ms == pytest.approx(residual.paper_ms, rel=1e-3) for residual in fit.residuals)


def test_every_network_is_slower_on_a_lower_tier():
    for network in ("mobilenet_v2", "vgg19", "squeezenet"):
        layers = tuple(SuiteLayer(layer=item.layer) for item in network_graph(network).layers)
        suite = Suite(name=network, layers=layers)

        totals_ms = [
            sum(row.measurement.execution_time_ms or 0.0 for row in model_tier(load_device_config(tier), suite))
            for tier in ("flagship", "mid", "low")
        ]

        assert totals_ms == sorted(totals_ms)


def test_a_config_without_factors_or_peaks_models_nothing():
    config = simple_config()
    without_peak = replace(config, context=replace(config.context, peak_gflops=None))
    suite = Suite(name="one", layers=(SuiteLayer(layer=DEPTHWISE),))

    with pytest.raises(SuiteError, match=r"simple has no \[roofline\] factors"):
        model_tier(replace(config, roofline=None), suite)
    with pytest.raises(SuiteError, match="simple has no peak_gflops or memory_bw_gbs"):
        model_tier(without_peak, suite)


def test_a_tier_that_the_paper_does_not_have_cannot_be_fitted():
    with pytest.raises(SuiteError, match=r"Table I has no tier 'phablet'.*flagship, mid, low"):
        fit_tier("phablet")
    with pytest.raises(DeviceConfigError, match="No tier or phone 'phablet'"):
        load_device_config("phablet")
