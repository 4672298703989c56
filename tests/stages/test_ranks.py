"""Two processes of one run do what one does: the same training on the same global batch, every map written once."""

import socket
from pathlib import Path

import pandas as pd
import pytest
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import OmegaConf

from maskfold.config import compose
from maskfold.engine.ranks import warn_of_shared_store
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.train import train

TIMINGS = ["seconds", "images_per_second"]
# Without batch normalisation, whose statistics are those of one process's share of the batch.
LAYERS = [
    {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 3, "padding": 1},
    {"_target_": "torch.nn.ReLU"},
    {"_target_": "torch.nn.Conv2d", "in_channels": 4, "out_channels": 1, "kernel_size": 3, "padding": 1},
]
MODEL = {"_target_": "torch.nn.Sequential", "_args_": LAYERS}
TRAIN = ["data=carvana", "data.name=tiny", "data.root=photos", "geometry=resize", "geometry.height=32"]
TRAIN += ["geometry.width=48", "trainer.accelerator=cpu", "trainer.num_workers=0", "trainer.max_epochs=2"]


@pytest.fixture
def ranks() -> list[dict[str, str]]:
    """The environments of two processes of one run, as torchrun makes them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared |= {"GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test"}
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]


def test_two_ranks_train_as_one_does_on_the_same_global_batch(trained, server, ranks):
    model = Path("conf/model/plain.yaml")
    model.parent.mkdir(parents=True)
    OmegaConf.save(MODEL, model)
    search = f"hydra.searchpath=[file://{trained}/conf]"
    server.finish(trained, ["train", *TRAIN, "model=plain", search, "trainer.batch_size=1", "name=two"], ranks=ranks)
    config = compose("train", [*TRAIN, "trainer.batch_size=2", "name=one"])
    config.model = MODEL
    train(config)

    assert Path("experiments/two/fold0/finished").exists()
    one, two = (pd.read_csv(f"experiments/{name}/fold0/metrics.csv").drop(columns=TIMINGS) for name in ("one", "two"))
    assert len(one) == 2
    assert one["train/loss"].iloc[0] != one["train/loss"].iloc[1]
    pd.testing.assert_frame_equal(two, one, rtol=1e-5)


@pytest.mark.hostile("killed")
def test_a_rank_that_comes_back_to_a_finished_run_leaves_it_alone(trained, monkeypatch):
    folder = Path("experiments/tiny/fold0")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    config = compose("train", ["name=tiny", *TRAIN[:3], "scale=smoke", "trainer.accelerator=cpu"])
    config.model = {"_target_": "torch.nn.Sequential", "_args_": [LAYERS[0] | {"out_channels": 1}]}
    train(config)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_under_torchrun_nothing_is_begun_anew(trained, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    with pytest.raises(MaskfoldError, match="maskfold runs remove tiny"):
        train(compose("train", [*TRAIN, "name=tiny", "overwrite=true"]))
    assert Path("experiments/tiny/fold0/finished").exists()


def test_a_store_that_torchrun_keeps_over_restarts_is_warned_of(monkeypatch, caplog):
    warn_of_shared_store()
    assert not caplog.messages
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    warn_of_shared_store()
    assert "Put TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in front" in caplog.text


def test_two_ranks_write_each_map_once_and_the_same_as_one(trained, server, ranks):
    store = Path("experiments/tiny/fold0/predictions/test")
    alone = {path.name: path.read_bytes() for path in store.iterdir() if path.suffix == ".b2nd"}
    for name in alone:
        (store / name).unlink()
    logged = [environment | {"WRITTEN": "written"} for environment in ranks]
    small = ["trainer.accelerator=cpu", "trainer.batch_size=2"]
    server.finish(trained, ["predict", "name=tiny", "split=test", *small], ranks=logged)

    assert sorted(Path("written").read_text().split()) == sorted(Path(name).stem for name in alone)
    maps = ProbabilityStore(store).paths()
    assert {path.name: path.read_bytes() for path in maps.values()} == alone
