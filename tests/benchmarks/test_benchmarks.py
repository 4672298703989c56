"""The benchmarks' own machinery, and that the one for GPUs runs where there is none."""

import bench_gpu
import gpu_bare
import gpu_users
import measure
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskfold.config import build, compose


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


@pytest.mark.slow  # nine runs of the stages' own functions
def test_a_dry_run_of_the_gpu_benchmark_measures_what_users_get(out, monkeypatch):
    monkeypatch.setattr(gpu_users, "EPOCHS", 1)
    monkeypatch.setattr(bench_gpu, "draw_photos", draw_plain)
    tiny = ["--device", "cpu", "--size", "32x64", "--photos", "4", "--networks", "1", "--compile", "none"]

    bench_gpu.main([*tiny, "--members", "linknet34", "--workers", "0", "--only", "predict,train,fuse"])

    table = pd.read_csv(out / "gpu_dry_run.csv")
    ways = {name: rows["way"].tolist() for name, rows in table.groupby("task")}
    assert ways == {
        "predict": ["baseline", "maskfold"],
        "train": ["baseline", "augmented on the host", "augmented on the device"],
        "fuse": ["maskfold", "baseline"],
    }
    assert (table["images_per_second"] > 0).all()
    assert (table["ratio"] > 0).all()
    fused = table[table["task"] == "fuse"]
    assert fused["hours_test"].tolist() == pytest.approx(
        (100_064 / fused["images_per_second"] / 3600).tolist(), rel=1e-2
    )
    assert not (out / "gpu.csv").exists()


@pytest.mark.slow  # the same steps as the stages', which tests of theirs take
def test_a_dry_run_of_bare_networks(out, monkeypatch):
    for repeats in ("STRETCHES", "WARM_UPS"):
        monkeypatch.setattr(gpu_bare, repeats, 1)
    tiny = ["--device", "cpu", "--size", "32x64", "--seconds", "0", "--compile", "none", "--only", "bare"]

    bench_gpu.main([*tiny, "--members", "linknet34"])

    table = pd.read_csv(out / "gpu_dry_run.csv")
    assert table["case"].tolist() == [
        f"linknet34, bare {task}" for task in ("prediction", "training") for _ in range(2)
    ]
    assert table["size"].unique().tolist() == ["64x32"]


def draw_plain(folder, *, drawn, size):
    """Write grey photos and their masks, in no time."""
    for name in ("train", "train_masks"):
        (folder / name).mkdir(parents=True)
    for number in range(drawn):
        Image.new("RGB", size[::-1], (90, 90, 90)).save(folder / f"train/{number}.jpg")
        Image.new("1", size[::-1], number % 2).save(folder / f"train_masks/{number}_mask.gif")
    return gpu_users.rows_of(sorted((folder / "train").glob("*.jpg")), folder / "train_masks", size)


def test_the_pace_is_that_of_the_maps_after_the_first_and_has_an_interval():
    # The first fifth comes late; then one each quarter of a second, with a second's pause before the last block.
    steady = 100 + np.arange(80) / 4
    pace = gpu_users.pace([*np.linspace(0, 90, 20), *steady], seconds=120)
    assert pace["images_per_second"] == pytest.approx(4)
    assert pace["low"] == pytest.approx(pace["high"]) == pytest.approx(4)
    uneven = gpu_users.pace([*np.linspace(0, 90, 20), *np.where(np.arange(80) > 70, steady + 1, steady)], seconds=120)
    assert uneven["low"] < uneven["images_per_second"] < 4 < uneven["high"]
    assert gpu_users.pace([1, 2], seconds=4) == {"images_per_second": 0.5, "low": 0.5, "high": 0.5}


def test_what_the_driver_says_of_a_gpu_is_a_mean_share():
    assert gpu_users.mean_of("50\n100\n\n[N/A]\n0\n") == 0.5
    assert gpu_users.mean_of("") is None


@pytest.mark.skipif(bench_gpu.torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_written(out, capsys):
    bench_gpu.main([])

    assert "No GPU here: nothing was measured" in capsys.readouterr().out
    assert not [*out.iterdir()]


def test_the_hours_are_those_of_forty_nine_networks():
    names = bench_gpu.winners()
    assert len(names) == 49
    assert [names.count(name) for name in bench_gpu.MEMBERS] == [30, 0, 5, 7, 7]

    table = pd.DataFrame({"member": [*{*names}], "images_per_second": 10.0, "task": "train", "way": "maskfold"})
    lengths = {name: len(build(compose("train", [f"experiment={name}"]).schedule)) for name in {*names}}
    # Of 5,088 photos four fifths, or six sevenths, in each epoch.
    photos = sum(lengths[name] * 5088 * (6 / 7 if name.startswith("unet") else 4 / 5) for name in names)
    assert bench_gpu.training_hours(table, "maskfold") == pytest.approx(photos / 10 / 3600)
    assert bench_gpu.training_hours(table[1:], "maskfold") is None


@pytest.mark.parametrize(("power", "low", "high"), [(1, 0.999, 1.001), (1.2, 1.15, 1.2), (2, 1.8, 2)])
def test_the_exponent_of_a_stage_is_fitted_without_its_start(power, low, high):
    images = [480, 1920, 7680, 19968]
    seconds = [3 + 0.001 * count**power for count in images]

    assert low <= measure.exponent(images, seconds) <= high


def test_a_stage_that_hardly_grows_has_no_exponent():
    assert np.isnan(measure.exponent([480, 1920, 7680], [3.0, 3.1, 2.9]))
