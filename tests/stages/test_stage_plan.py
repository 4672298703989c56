"""The plan of a tiny member: its probe is really trained and predicted, and leaves nothing."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.campaign import probe
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages import plan as stage
from maskfold.stages.plan import plan
from maskfold.stages.train import train

DATA = "data=carvana data.name=tiny data.root=photos model.widths=[4,4] geometry.height=32 geometry.width=48"
OVERRIDES = [f"train='{DATA} trainer.accelerator=cpu'", "predict='trainer.accelerator=cpu'", "batches=2", "photos=3"]


@pytest.fixture
def here(monkeypatch):
    """Train the probe in this process, without torch's import; return its log."""
    logs = []

    def run(member, folder, overrides):
        name = folder.path.relative_to("experiments")
        run = [f"name={name}", "fold=0", "trainer.max_epochs=2"]
        train(compose("train", [f"experiment={member.name}", *overrides, *run]))
        logs.append(pd.read_csv(folder.run(0).metrics))
        return 100.0, 2**30

    monkeypatch.setattr(probe, "_train", run)
    return logs


def test_a_plan_follows_from_the_probes_own_measures_and_leaves_nothing_behind(trained, here, capsys):
    before = sorted(Path("experiments").rglob("*"))
    ((member, cost),) = plan(compose("plan", [*OVERRIDES, "experiments=[demo_unet]"])).values()

    (log,) = here
    images = 6  # of each fold of twelve photos; the last two of them make no whole batch
    training = 4 / log["images_per_second"].iloc[1]
    validation = log["seconds"].iloc[1] - training
    assert cost.epoch == pytest.approx(images / log["images_per_second"].iloc[1] + validation, rel=1e-6)
    assert [len(ids) for ids in member.oof.values()] == [6, 6]
    assert cost.start == pytest.approx(100 - 2 * log["seconds"].iloc[1], abs=log["seconds"].iloc[0])
    assert 0 < cost.photo < 5
    assert cost.checkpoints > 10_000
    assert cost.map_from.startswith("of the probe's own network: at most")
    assert sorted(Path("experiments").rglob("*")) == before
    shown = capsys.readouterr().out
    assert "demo_unet" in shown
    assert "Estimated from two epochs of 2 batches" in shown
    assert "tta=hflip shows a network 2 times the pixels." in " ".join(shown.split())  # which is wrapped


def test_members_of_an_ensemble_are_planned_and_maps_that_are_there_are_measured(trained, here):
    train(compose("train", ["experiment=demo_unet", *DATA.split(), "trainer.accelerator=cpu", "scale=smoke"]))
    store = Path("experiments/demo_unet/fold0/predictions/oof")
    store.mkdir(parents=True)
    for number, size in enumerate((100, 300)):
        (store / f"{number:012x}_01.b2nd").write_bytes(bytes(size))

    costs = plan(compose("plan", [*OVERRIDES, "ensemble=demo"]))

    assert list(costs) == ["demo_unet", "demo_unet_wide"]
    assert costs["demo_unet"][1].map == 200
    assert str(store) in costs["demo_unet"][1].map_from


@pytest.mark.hostile("full or read-only disk")
def test_a_disk_that_cannot_hold_it_is_refused_after_the_table(trained, here, monkeypatch, capsys):
    monkeypatch.setattr(stage, "free_bytes", lambda path: 1000)
    with pytest.raises(MaskfoldError, match=r"The disk has 1000 B free, and what is left to do needs [0-9]+ KiB"):
        plan(compose("plan", [*OVERRIDES, "experiments=[demo_unet]", "map_bytes=2000"]))
    assert "left to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "Nothing to plan: name experiments="),
        (["experiments=[nobody]"], "experiment nobody: there is neither conf/experiment/nobody.yaml nor a run"),
        (["experiments=[demo_unet]", "photos=0"], "photos=0: give a whole number of 1 or more"),
    ],
)
def test_what_cannot_be_planned_is_told(trained, here, overrides, message):
    with pytest.raises(MaskfoldError, match=message):
        plan(compose("plan", [*OVERRIDES, *overrides]))


@pytest.mark.slow  # processes that import torch
@pytest.mark.parametrize(("extra", "told"), [("", None), ("trainer.hard_negatives_every=0", "hard_negatives_every=0")])
def test_the_probe_is_a_process_of_its_own_whose_memory_is_measured(trained, extra, told):
    overrides = ["experiments=[demo_unet]", "predict='trainer.accelerator=cpu'", "batches=2", "photos=3"]
    overrides.append(f"train='{DATA} trainer.accelerator=cpu {extra}'")
    if told:
        with pytest.raises(MaskfoldError, match=rf"demo_unet: its first steps failed:(.|\n)*{told}"):
            plan(compose("plan", overrides))
        assert not Path("experiments/.plan").exists()
    else:
        ((_, cost),) = plan(compose("plan", overrides)).values()
        assert cost.ram > 200 * 2**20  # torch alone takes more
        assert cost.start > 1  # its import
