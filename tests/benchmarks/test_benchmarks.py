"""The benchmarks' own machinery, and that the one for GPUs runs where there is none."""

import bench_gpu
import measure
import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "OUT", tmp_path)
    return tmp_path


def turns(*seconds: tuple[float, float]) -> list[dict[str, measure.Timed]]:
    return [
        {measure.BASELINE: measure.Timed(None, theirs, 2**20), "ours": measure.Timed(None, mine, 3 * 2**20)}
        for theirs, mine in seconds
    ]


def test_ratios_are_of_neighbouring_rounds():
    row = measure.summary("ours", turns((8, 1), (6, 2), (1, 1)), items=4)

    # Ratios 8, 3 and 1; the median of 1, 2 and 1 s is 1 s, over four items.
    assert row == {
        "way": "ours",
        "ms": 250,
        "ratio": 3,
        "ratio_low": 1,
        "ratio_high": 8,
        "peak_mib": 3,
        "rounds": 3,
    }


def test_contenders_whose_results_differ_are_not_compared():
    measure.refuse_different([np.arange(3), [0, 1, 2], np.arange(3)])
    with pytest.raises(AssertionError, match="results differ"):
        measure.refuse_different([np.arange(3), np.arange(3), np.arange(4)])


def test_two_numbers_are_no_chart_and_three_are():
    ways = pd.DataFrame({"case": "a", "way": ["baseline", "x", "y", "z"], "ratio": [1.0, 2, 3, 4]})
    table = ways.assign(ratio_low=ways["ratio"], ratio_high=ways["ratio"])

    assert measure.ratio_chart(table[:3], title="two") is None
    bars = measure.ratio_chart(table, title="three").axes[0].patches
    assert [bar.get_width() for bar in bars] == [2, 3, 4]


def test_growth_is_a_panel_a_stage_that_says_where_it_ends():
    table = pd.DataFrame({"stage": ["a", "a", "b", "b"], "times": [1, 2, 1, 2], "y": [1.0, 1.5, 1, 2]})

    panels = [axes for axes in measure.growth_chart(table, y="y", title="t", label="l").axes if axes.get_visible()]

    assert [axes.get_title("left") for axes in panels] == ["a", "b"]
    assert [axes.texts[0].get_text() for axes in panels] == ["1.5", "2"]


def test_a_small_dry_run_of_the_gpu_benchmark_measures_every_way(out, monkeypatch):
    for repeats in ("STRETCHES", "WARM_UPS"):
        monkeypatch.setattr(bench_gpu, repeats, 1)
    tiny = ["--device", "cpu", "--size", "32x64", "--seconds", "0", "--compile", "none"]

    bench_gpu.main([*tiny, "--members", "linknet34"])

    table = pd.read_csv(out / "gpu_dry_run.csv")
    assert table["case"].tolist() == [f"linknet34, {task}" for task in ("prediction", "training") for _ in range(2)]
    assert (table["images_per_second"] > 0).all()
    assert table["size"].unique().tolist() == ["64x32"]
    assert not (out / "gpu_dry_run.svg").exists()  # two numbers, which the table says
    assert not (out / "gpu.csv").exists()


@pytest.mark.skipif(bench_gpu.torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_written(out, capsys):
    bench_gpu.main([])

    assert "No GPU here: nothing was measured" in capsys.readouterr().out
    assert not [*out.iterdir()]


def test_the_hours_are_those_of_forty_nine_networks():
    rates = {"linknet34": 100, "ternausnet11": 50, "unet_scratch": 25, "unet_vgg11": 20}
    table = pd.DataFrame({"member": rates.keys(), "images_per_second": rates.values()}).assign(
        task="prediction", way="maskfold"
    )

    # 30 LinkNets, 5 TernausNets, 7 and 7 UNets: seconds a photo of each kind.
    seconds = 30 / 100 + 5 / 50 + 7 / 25 + 7 / 20
    assert bench_gpu.gpu_hours(table, "maskfold") == pytest.approx(seconds * 100_064 / 3600)


@pytest.mark.parametrize(("power", "low", "high"), [(1, 0.999, 1.001), (1.2, 1.15, 1.2), (2, 1.8, 2)])
def test_the_exponent_of_a_stage_is_fitted_without_its_start(power, low, high):
    images = [480, 1920, 7680, 19968]
    seconds = [3 + 0.001 * count**power for count in images]

    assert low <= measure.exponent(images, seconds) <= high


def test_a_stage_that_hardly_grows_has_no_exponent():
    assert np.isnan(measure.exponent([480, 1920, 7680], [3.0, 3.1, 2.9]))
