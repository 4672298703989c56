"""Challenger against champion, on networks whose scores can be worked out by hand, in a registry of the test's own."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from omegaconf import OmegaConf

from contenders import draw_judge, plant
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.promote import promote


@pytest.fixture
def place(tmp_path, empty_database, monkeypatch):
    """The current directory, with a judge set and an empty registry; return a client of that."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    address = f"sqlite:///{tmp_path}/mlflow.db"  # absolute: MLflow remembers databases by their addresses
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    draw_judge(Path("judge"), plain=4)
    return MlflowClient(address)


def config(name, *overrides):
    own = ["data=pairs", "data.root=judge", "jobs=1", "trainer.accelerator=cpu", "trainer.num_workers=0"]
    composed = OmegaConf.merge(compose("promote", own), OmegaConf.from_dotlist([*overrides]))
    composed.name = name if composed.name is None else composed.name
    return composed


def standing(client):
    """Return the members that the aliases stand at."""
    aliases = client.get_registered_model("maskfold").aliases
    return {name: client.get_model_version("maskfold", number).tags["member"] for name, number in aliases.items()}


def tags(client, member):
    versions = client.search_model_versions("name='maskfold'")
    return next(version.tags for version in versions if version.tags["member"] == member)


def test_the_first_is_promoted_a_gain_is_granted_and_one_command_goes_back(place, capsys):
    plant("blind", 30)
    promote(config("blind"))
    assert standing(place) == {"champion": "blind"}
    assert tags(place, "blind")["reasons"].startswith("there is no champion to be compared with; IoU 0.16276")

    run = plant("careful", 60)
    promote(config("careful"))

    assert standing(place) == {"champion": "careful", "previous": "blind"}
    said = tags(place, "careful")
    # Four photos of 1000 / 1050 and two of 1, against 1000 / 6144 on each.
    gain = (4 * 1000 / 1050 + 2) / 6 - 1000 / 6144
    metrics = json.loads(said["metrics"])
    assert metrics["gain"] == pytest.approx(gain)
    assert metrics["challenger_dice"] == pytest.approx((4 * 2000 / 2050 + 2) / 6)
    assert (said["validation"], said["against"]) == ("passed", "1")
    assert said["judge"] == json.loads(Path("data/judge/judge.json").read_text())["judge"]
    record = json.loads(run.promotion.read_text())
    assert (record["promoted"], record["version"]) == (True, "2")
    assert [row["cluster"] for row in record["table"]] == ["all", "pale", "plain"]
    assert "+0.80" in capsys.readouterr().out

    served = Path(download_artifacts("models:/maskfold@champion", dst_path="served"))
    names = sorted(str(path.relative_to(served)) for path in served.rglob("*") if path.is_file())
    assert names == ["checkpoints/best.ckpt", "config.yaml", "run.json", "seen.json"]
    assert (served / "checkpoints/best.ckpt").read_bytes() == run.best.read_bytes()

    promote(config(None, "back=true"))
    assert standing(place) == {"champion": "blind", "previous": "careful"}
    promote(config(None, "back=true"))
    assert standing(place) == {"champion": "careful", "previous": "blind"}


def test_a_gain_in_the_mean_that_loses_one_cluster_in_ten_is_refused_by_its_name(place):
    shutil.rmtree("judge")
    draw_judge(Path("judge"), plain=18)
    plant("careful", 60)
    promote(config("careful"))
    run = plant("strict", 160)

    with pytest.raises(MaskfoldError) as refusal:
        promote(config("strict"))

    assert "cluster pale, 2 photos: IoU -0.02000 on average, lower 95 % bound -0.02000" in str(refusal.value)
    assert "the champion stays version 1 (careful/fold0)" in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 2  # nothing else speaks against it
    said = tags(place, "strict")
    assert said["validation"] == "refused"
    assert said["reasons"].startswith("cluster pale, 2 photos")
    assert json.loads(said["metrics"])["gain"] == pytest.approx((18 * 50 / 1050 - 2 * 0.02) / 20)
    assert standing(place) == {"champion": "careful"}
    assert json.loads(run.promotion.read_text())["promoted"] is False

    promote(config("strict", "allowed_cluster_loss=0.02"))
    assert standing(place) == {"champion": "strict", "previous": "careful"}


def test_the_champions_twin_is_no_gain_and_so_is_the_champion(place):
    plant("careful", 60)
    promote(config("careful"))
    plant("copy", 60)
    maps = {path: path.stat().st_mtime_ns for path in Path("data/judge/judged").rglob("*.b2nd")}
    lost = sorted(maps)[3]
    lost.unlink()

    with pytest.raises(MaskfoldError, match="no gain: it masks every photo exactly as well as the champion"):
        promote(config("copy"))
    with pytest.raises(MaskfoldError, match=r"careful/fold0: no gain: it is the champion already, version 1"):
        promote(config("careful"))
    assert len(maps) == 6
    assert [path for path in maps if path.stat().st_mtime_ns != maps[path]] == [lost]  # the others are kept
    assert standing(place) == {"champion": "careful"}
    assert tags(place, "careful")["validation"] == "passed"

    promote(config("copy", "allow_equal=true"))
    assert standing(place) == {"champion": "copy", "previous": "careful"}


class Killed(BaseException):
    """What nothing catches."""


@pytest.mark.hostile("killed")
def test_killed_between_tags_and_alias_the_champion_stands_and_the_same_command_completes_it(place, monkeypatch):
    plant("blind", 30)
    promote(config("blind"))
    plant("careful", 60)
    moving = MlflowClient.set_registered_model_alias

    def dying(client, model, name, version):
        if name == "champion":
            raise Killed
        moving(client, model, name, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", dying)
    with pytest.raises(Killed):
        promote(config("careful"))
    assert tags(place, "careful")["validation"] == "passed"
    assert standing(place)["champion"] == "blind"

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", moving)
    promote(config("careful"))
    assert standing(place) == {"champion": "careful", "previous": "blind"}


@pytest.mark.hostile("killed")
def test_killed_when_all_but_the_record_is_done_the_same_command_writes_it(place, monkeypatch):
    run = plant("careful", 60)
    with monkeypatch.context() as patch:
        patch.setattr("maskfold.stages.promote.complete", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            promote(config("careful"))
    assert standing(place) == {"champion": "careful"}
    assert json.loads(run.promotion.read_text())["promoted"] is False

    promote(config("careful"))

    assert json.loads(run.promotion.read_text())["promoted"] is True


@pytest.mark.hostile("replaced files")
def test_a_judge_set_that_has_changed_is_refused_by_the_photos_until_it_is_frozen_anew(place):
    plant("careful", 60)
    promote(config("careful"))
    plant("strict", 160)
    cv2.imwrite("judge/masks/judge03.png", np.full((64, 96), 255, np.uint8))
    shutil.copy("judge/images/judge03.png", "judge/images/judge02.png")
    for folder in ("images", "masks"):
        Path("judge", folder, "judge05.png").unlink()
    clusters = Path("data/judge/clusters.csv")
    clusters.write_text(clusters.read_text().replace("judge05,pale\n", "").replace("judge01,plain", "judge01,pale"))

    with pytest.raises(MaskfoldError) as refusal:
        promote(config("strict"))

    assert f"{refusal.value}".splitlines()[1:-1] == [
        "  judge05: not there any more",
        "  judge01: another cluster",
        "  judge02: another photo",
        "  judge03: another mask",
    ]
    assert tags(place, "careful")["judge"] in Path("data/judge/judge.json").read_text()

    promote(config("strict", "judge_anew=true", "allowed_loss=1", "allowed_cluster_loss=1"))
    assert standing(place)["champion"] == "strict"


@pytest.mark.hostile("leaks")
def test_neither_may_have_seen_a_judge_photo(place):
    plant("careful", 60)
    promote(config("careful"))
    plant("knowing", 160, seen=["group judge03"])

    with pytest.raises(MaskfoldError, match=r"challenger \(experiments/knowing/fold0\) has learned from 1 of the 6"):
        promote(config("knowing"))
    assert len(place.search_model_versions("name='maskfold'")) == 1


@pytest.mark.hostile("leaks")
def test_a_near_copy_of_a_judge_photo_among_those_seen_is_refused_by_both_names(place):
    root = Path("training")
    draw_photo(root, "lamp", 3)
    draw_photo(root, "chair", 4)
    draw_photo(Path("judge"), "table", 4, lighter=6)
    Path("judge/masks/table.png").write_bytes(Path("judge/masks/judge00.png").read_bytes())
    plant("knowing", 60, seen=["image chair", "image lamp"], root=str(root))

    with pytest.raises(MaskfoldError, match=r"near-copies of 1 photos of the judge set:\n  table: chair, \d+ of 256"):
        promote(config("knowing"))


def draw_photo(root, name, seed, *, lighter=0):
    """Draw a photo with the detail that a PDQ hash needs, and its mask."""
    coarse = np.random.default_rng(seed).integers(20, 200, (8, 12, 3), dtype=np.uint8) + np.uint8(lighter)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / "images" / f"{name}.png"), cv2.resize(coarse, (96, 64), interpolation=cv2.INTER_CUBIC))
    cv2.imwrite(str(root / "masks" / f"{name}.png"), np.full((64, 96), 255, np.uint8))


@pytest.mark.hostile("foreign files")
def test_a_champion_that_nobody_knows_the_lineage_of_is_refused(place):
    place.create_registered_model("maskfold")
    version = place.create_model_version("maskfold", "file:///anywhere")
    place.set_registered_model_alias("maskfold", "champion", version.version)
    plant("careful", 60)

    with pytest.raises(MaskfoldError, match="version 1: was not registered by `make promote`, so nobody knows"):
        promote(config("careful"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["name=nobody"], "experiments/nobody: no fold trained to its end"),
        (["fold=3"], "experiments/careful: fold 3 is not trained to its end"),
        (["back=true"], "model maskfold: there is no previous champion to go back to"),
        (["registered_model=a/b"], "registered_model=a/b: give letters, digits"),
        (["trainer.devices=2"], "trainer.devices=2: promotion predicts on one device"),
    ],
)
@pytest.mark.hostile("wrong input")
def test_what_is_asked_for_wrongly_is_named(place, overrides, message):
    plant("careful", 60)
    with pytest.raises(MaskfoldError, match=message):
        promote(config("careful", *overrides))


@pytest.mark.hostile("wrong input", cases=3)
def test_what_is_left_out_is_asked_for(place):
    with pytest.raises(MaskfoldError, match=r"name: not given\. Add NAME=<member>"):
        promote(config(None))
    lacking = config("careful")
    lacking.data = None
    with pytest.raises(MaskfoldError, match=r"data: not given\. Name the judge set"):
        promote(lacking)
    lacking.tracker = {}
    with pytest.raises(MaskfoldError, match="promotion needs MLflow's registry"):
        promote(lacking)
