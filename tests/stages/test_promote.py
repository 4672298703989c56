"""Challenger against champion, on networks whose scores can be worked out by hand, in a registry of the test's own."""

import json
import shutil
from pathlib import Path

import pytest
from contenders import draw_judge, plant
from mlflow import MlflowClient

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.promote import promote
from maskfold.tracking.registry import Registry


@pytest.fixture
def place(tmp_path, empty_database, monkeypatch):
    """The current directory, with a judge set and an empty registry; return a client of that."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    draw_judge(Path("judge"))
    return MlflowClient("sqlite:///mlflow.db")


def config(name, *overrides):
    own = [f"name={name}", "data=pairs", "data.root=judge"] if name else []
    return compose("promote", [*own, "jobs=1", "trainer.accelerator=cpu", "trainer.num_workers=0", *overrides])


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
    # Eighteen photos of 1000 / 1050 and two of 1, against 1000 / 6144 on each.
    gain = (18 * 1000 / 1050 + 2) / 20 - 1000 / 6144
    metrics = json.loads(said["metrics"])
    assert metrics["gain"] == pytest.approx(gain)
    assert metrics["challenger_dice"] == pytest.approx((18 * 2000 / 2050 + 2) / 20)
    assert (said["validation"], said["against"]) == ("passed", "1")
    assert said["judge"] == json.loads(Path("data/judge/judge.json").read_text())["judge"]
    record = json.loads(run.promotion.read_text())
    assert (record["promoted"], record["version"]) == (True, "2")
    assert [row["cluster"] for row in record["table"]] == ["all", "pale", "plain"]
    assert "+0.79" in capsys.readouterr().out

    promote(config(None, "back=true"))
    assert standing(place) == {"champion": "blind", "previous": "careful"}
    promote(config(None, "back=true"))
    assert standing(place) == {"champion": "careful", "previous": "blind"}


def test_a_gain_in_the_mean_that_loses_one_cluster_in_ten_is_refused_by_its_name(place):
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

    with pytest.raises(MaskfoldError, match="no gain: it masks every photo exactly as well as the champion"):
        promote(config("copy"))
    with pytest.raises(MaskfoldError, match=r"careful/fold0: no gain: it is the champion already, version 1"):
        promote(config("careful"))
    assert standing(place) == {"champion": "careful"}
    assert tags(place, "careful")["validation"] == "passed"

    promote(config("copy", "allow_equal=true"))
    assert standing(place) == {"champion": "copy", "previous": "careful"}


WRITES = ("create_registered_model", "log_artifact", "create_model_version", "set_model_version_tag")
WRITES += ("set_registered_model_alias", "set_registered_model_tag", "delete_registered_model_tag")


class Killed(BaseException):
    """What nothing catches."""


def killed_at(monkeypatch, write, action):
    """Do something that is killed just before its n-th write to the registry; return whether it got there."""
    count = 0

    def dying(real):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == write:
                raise Killed
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in WRITES:
            patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
        try:
            action()
        except Killed:
            return True
    return False


@pytest.mark.hostile("killed", cases=30)
def test_killed_before_any_write_the_champion_stands_and_the_same_command_completes_it(place, monkeypatch):
    plant("blind", 30)
    promote(config("blind"))
    plant("careful", 60)
    start = Path("start.db")
    shutil.copy("mlflow.db", start)
    writes = 1
    while killed_at(monkeypatch, writes, lambda: promote(config("careful"))):
        assert standing(place)["champion"] == "blind", f"killed before write {writes}"
        promote(config("careful"))
        assert standing(place) == {"champion": "careful", "previous": "blind"}
        shutil.copy(start, "mlflow.db")
        writes += 1
    assert writes > 10  # the files, the version, five tags, two aliases
