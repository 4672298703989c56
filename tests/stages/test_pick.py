"""The stage that picks two submissions, on ensembles that were really made."""

import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import files
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.files import sha256
from maskfold.masks.rle import decode
from maskfold.stages.ensemble import ensemble
from maskfold.stages.pick import pick
from maskfold.submission.writer import read_submission

DATA = ["data=carvana", "data.root=photos", "data.name=tiny"]


def make(name: str, *splits: str, threshold: int = 128, maps: str | None = None) -> None:
    members = [{"maps": f"maps/{maps or name}/{{split}}"}]
    recipe = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": name, "members": members}
    for split in splits or ("test", "oof"):
        composed = compose("ensemble", ["ensemble=linknet34", "jobs=1", f"split={split}", *DATA])
        composed.ensemble = recipe | {"threshold": threshold}
        ensemble(composed)


def draw_maps(name: str, seed: int, noise: float) -> None:
    """Draw maps of all photos, bright where the car is, from another model's hand."""
    rng = np.random.default_rng(seed)
    for split, folder in (("oof", "train"), ("test", "test")):
        for photo in sorted(Path("photos", folder).iterdir()):
            grey = cv2.imread(str(photo), cv2.IMREAD_GRAYSCALE)
            noisy = grey.astype(float) + 25 + rng.normal(0, noise, grey.shape)
            path = Path("maps", name, split, f"{photo.stem}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), noisy.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def made(trained_once, tmp_path_factory) -> Path:
    """`one` and `two`, as good as one another; `again`, which is `one`; `worse`, which is worse on every photo."""
    root = tmp_path_factory.mktemp("picked")
    shutil.copytree(trained_once / "photos", root / "photos")
    with chdir(root):
        for name, seed, noise in (("one", 0, 20), ("two", 1, 20), ("worse", 2, 60)):
            draw_maps(name, seed, noise)
            make(name)
        make("again", maps="one")
    return root


@pytest.fixture
def ensembles(made, tmp_path) -> Iterator[None]:
    """A copy of `made` for one test to change, as the current directory."""
    shutil.copytree(made, tmp_path / "work")
    with chdir(tmp_path / "work"):
        yield


def config(*overrides: str):
    return compose("pick", list(overrides))


def masks(name: str) -> np.ndarray:
    rows = read_submission(Path(f"submissions/{name}/submission.csv.gz"))
    return np.array([decode(rle, 40, 60) for _, _, rle in rows]) > 0


def oof_dice(name: str) -> pd.Series:
    return pd.read_parquet(f"submissions/{name}/oof/scores.parquet").set_index("image_id")["dice"]


def test_ensembles_are_compared_and_two_picked(ensembles, caplog):
    with caplog.at_level("INFO"):
        table, picks = pick(config())

    rows = table.set_index("name")
    best = rows.index[0]
    one = masks(best)
    for name in ("one", "two", "again", "worse"):
        other = masks(name)
        iou = (one & other).sum((1, 2)) / (one | other).sum((1, 2))
        assert rows.loc[name, "difference"] == pytest.approx(1 - iou.mean())
        assert rows.loc[name, "cv"] == pytest.approx(oof_dice(name).mean())
        assert rows.loc[name, "behind"] == pytest.approx((oof_dice(best) - oof_dice(name)).mean())
    assert rows["level"].to_dict() == {"one": True, "two": True, "again": True, "worse": False}
    # `again` comes before `one` in the alphabet, and either is as different from `two`.
    assert [name for name, _ in picks] == (["two", "again"] if best == "two" else ["again", "two"])
    for name, reason in picks:
        said = f". {name}: {reason}. Not submitted yet: make submit SUB=submissions/{name}/submission.csv.gz"
        assert said in caplog.text


def test_the_public_score_is_shown_and_has_no_say(ensembles, caplog):
    before = pick(config())[1]
    tag = sha256(Path("submissions/worse/submission.csv.gz"))[:12]
    header = "date,competition,submission,ensemble,members,cv,public,private,message"
    files.write_text(Path("experiments/leaderboard.csv"), f"{header}\n2026-07-28,c,{tag},worse,maps,0.5,0.99999,,\n")

    with caplog.at_level("INFO"):
        table, picks = pick(config())

    assert picks == before
    assert table.set_index("name")["public"].to_dict()["worse"] == 0.99999
    assert "0.99999" in caplog.text


def test_what_cannot_be_compared_is_left_out_with_the_reason(ensembles, caplog):
    make("one", "test", threshold=3)
    (Path("submissions/again/oof") / "manifest.json").unlink()

    with caplog.at_level("INFO"):
        table, _ = pick(config())

    assert set(table["name"]) == {"two", "worse"}
    assert "submissions/one/oof: of another recipe" in caplog.text
    assert "submissions/again/oof: no out-of-fold result" in caplog.text


def test_one_alone_is_picked_alone(ensembles, caplog):
    with caplog.at_level("INFO"):
        _, picks = pick(config("ensembles=[two]"))

    assert [name for name, _ in picks] == ["two"]
    assert "There is no other to pick" in caplog.text


def test_without_any_it_is_said_and_other_photos_are_refused(ensembles):
    path = Path("submissions/two/manifest.json")
    files.write_json(path, files.read_json(path) | {"data": "0123"})

    with pytest.raises(
        MaskfoldError,
        match=r"different photos.*\n  again: test data \w+, test contents \w+, train(.|\n)*two: test data 0123",
    ):
        pick(config())
    with pytest.raises(MaskfoldError, match=r"submissions: no ensemble has a submission and its out-of-fold scores"):
        pick(config("ensembles=[nothing]"))
