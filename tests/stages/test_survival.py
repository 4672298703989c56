"""A disk that fills, a photo that goes away, a second run: said in plain words, and nothing finished is lost."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.engine.callbacks import EpochLog
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.files import locked
from maskfold.stages.ensemble import ensemble
from maskfold.stages.predict import predict
from maskfold.stages.pseudo import pseudo
from maskfold.stages.train import train

TIMINGS = ["seconds", "images_per_second"]
RUN = Path("experiments/demo_unet/fold0")
SMALL = ["experiment=demo_unet", "data=carvana", "data.name=tiny", "data.root=photos", "model.widths=[4,4]"]
SMALL += ["geometry.height=32", "geometry.width=48", "trainer.max_epochs=3", "trainer.accelerator=cpu"]
RECIPE = ["ensemble=linknet34", "ensemble.members=[{experiment: tiny}]"]


def metrics(*overrides: str) -> pd.DataFrame:
    train(compose("train", [*SMALL, *overrides]))
    return pd.read_csv(RUN / "metrics.csv").drop(columns=TIMINGS)


@pytest.mark.hostile("full or read-only disk")
def test_a_disk_that_fills_in_training_leaves_no_half_checkpoint_and_the_run_goes_on(trained):
    undisturbed = metrics()
    begun = EpochLog.on_train_epoch_start

    def fill(log, trainer, module):
        begun(log, trainer, module)
        if trainer.current_epoch == 1:
            (RUN / "checkpoints/.last.ckpt.part").symlink_to("/dev/full")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EpochLog, "on_train_epoch_start", fill)
        with pytest.raises(MaskfoldError, match=r"last\.ckpt: cannot be written: No space left on device"):
            metrics("overwrite=true")

    assert not (RUN / "finished").exists()
    assert load_checkpoint(RUN / "checkpoints/last.ckpt")["epoch"] == 0
    assert not list(RUN.rglob("*.part"))
    pd.testing.assert_frame_equal(metrics(), undisturbed, check_exact=True)


@pytest.mark.hostile("killed")
def test_killed_while_it_removes_the_old_run_the_old_network_does_not_go_on(trained, monkeypatch):
    undisturbed = metrics("seed=1")
    metrics("overwrite=true")

    def killed(path, **_):
        if Path(path).exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            metrics("seed=1", "overwrite=true")

    pd.testing.assert_frame_equal(metrics("seed=1"), undisturbed, check_exact=True)
    assert sorted(path.name for path in RUN.parent.iterdir()) == ["fold0"]


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("damage", [Path.unlink, lambda photo: photo.write_bytes(photo.read_bytes()[:200])])
def test_a_photo_that_goes_away_in_training_is_named_and_the_run_goes_on_when_it_is_back(trained, damage):
    undisturbed = metrics()
    photo = Path("photos/train/000000000001_01.jpg")
    whole, ended = photo.read_bytes(), EpochLog.on_train_epoch_end

    def lose(log, trainer, module):
        ended(log, trainer, module)
        damage(photo)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EpochLog, "on_train_epoch_end", lose)
        with pytest.raises(MaskfoldError, match=r"000000000001_01\.jpg: cannot be read"):
            metrics("overwrite=true")

    assert len(pd.read_csv(RUN / "metrics.csv")) < 3
    photo.write_bytes(whole)
    pd.testing.assert_frame_equal(metrics(), undisturbed, check_exact=True)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("run", "overrides", "folder"),
    [
        (train, SMALL, RUN),
        (predict, ["name=tiny", "split=test"], Path("experiments/tiny/fold0/predictions/test")),
        (ensemble, RECIPE, Path("submissions/linknet34")),
        (pseudo, RECIPE, Path("data/tiny/pseudo/linknet34")),
    ],
)
def test_a_second_run_on_a_folder_is_refused(trained, run, overrides, folder):
    config = compose(run.__name__, overrides)
    with (
        locked(folder),
        pytest.raises(MaskfoldError, match=rf"{folder}: another run is writing here\. Wait for it, or stop it"),
    ):
        run(config)
