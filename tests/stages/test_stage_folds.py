"""The split of Carvana is the members' own, a part of it gets one that the advice leads to; twins share a fold."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import build, compose
from maskfold.data.folds import read_folds, split_path
from maskfold.errors import MaskfoldError
from maskfold.places import CONF
from maskfold.pseudo.rows import rows_of_fold
from maskfold.stages.folds import folds
from maskfold.stages.train import train
from scenes import copied, scene


class WholeCarvana:
    """The challenge's table, of which a split needs names alone."""

    folder = Path("data/carvana")
    channels = None
    task = "segmentation"
    left_out = frozenset()

    def as_found(self):
        split = pd.read_csv(Path(CONF, "folds/carvana_5_area.csv"), dtype=str)
        return split[["image_id", "group"]].assign(split="train", view="", mask_area=0.2)

    def prepare_classes(self, table):
        """There are none."""


@pytest.fixture
def whole(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("maskfold.data.sources.Carvana", lambda **_: WholeCarvana())


def test_the_split_of_carvana_is_the_file_that_members_read(whole):
    written = folds(compose("folds", ["data=carvana"])).read_bytes()
    member = compose("train", ["experiment=linknet34", "data=carvana"])
    assert written == Path(CONF).parent.joinpath(member.split_file).read_bytes()


def test_another_split_of_carvana_is_drawn_on_demand(whole):
    drawn = folds(compose("folds", ["data=carvana", "folds.k=3"])).read_text()
    assert {line[-1] for line in drawn.splitlines()[1:]} == {"0", "1", "2"}


def test_data_without_a_name_is_dealt(whole, monkeypatch):
    config = compose("folds", ["data=carvana", "~data.name"])
    monkeypatch.setattr(WholeCarvana, "folder", Path("data/own"))
    assert {line[-1] for line in folds(config).read_text().splitlines()[1:]} == set("01234")
    assert compose("train", ["experiment=linknet34", "data=carvana", "~data.name"]).split_file is None


@pytest.mark.hostile("wrong input")
def test_a_part_of_carvana_is_told_of_a_split_that_works(trained):
    part = ["data=carvana", "data.root=photos"]
    advice = r'make folds DATA=carvana ARGS="(data\.name=carvana_part)".*ARGS="data\.name=carvana_part" with make train'
    with pytest.raises(MaskfoldError, match="5088 of its images are not in the data") as refused:
        folds(compose("folds", part))
    name = re.search(advice, str(refused.value))[1]
    with pytest.raises(MaskfoldError, match=advice):
        read_member(part)

    assert folds(compose("folds", [*part, name])) == Path("data/carvana_part/folds.csv")
    assert len(read_member([*part, name]).validation) in (2, 4)  # six cars of two views in five folds


def read_member(overrides):
    """Read what fold 0 of a member of the winners' would train on."""
    config = compose("train", ["experiment=linknet34_area05", *overrides])
    source = build(config.data)
    return rows_of_fold(source.load(), source, split_path(source, config.split_file), fold=0, pseudo=None)


def draw_burst(root):
    """Draw four photos of which b is a near-copy of a, c of the same bytes as a, and a test photo of its own."""
    for folder in ("images", "masks", "test"):
        Path(root, folder).mkdir(parents=True)
    photos = {"a": scene(1), "b": copied(scene(1)), "c": scene(1), "d": scene(2), "e": scene(3)}
    for name, photo in photos.items():
        mask = np.zeros(photo.shape[:2], np.uint8)
        mask[20:60, 30:90] = 255
        cv2.imwrite(f"{root}/images/{name}.png", photo)
        cv2.imwrite(f"{root}/masks/{name}.png", mask)
    cv2.imwrite(f"{root}/test/t.png", scene(4))


@pytest.fixture
def burst(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    draw_burst("photos")
    return ["data=pairs", "data.root=photos", "data.test=test", "folds.k=2"]


def cut(data, *more):
    """Cut a split; return the fold of each photo."""
    path = folds(compose("folds", [*data, *more]))
    return pd.read_csv(path, dtype={"image_id": str}).set_index("image_id")["fold"]


def test_near_copies_share_a_fold_and_every_later_stage_knows(burst, caplog):
    with caplog.at_level("INFO"):
        fold = cut(burst)

    assert fold["a"] == fold["b"] == fold["c"]
    assert "a: a, b, c" in caplog.text
    assert "audit passed" in caplog.text
    source = build(compose("folds", burst).data)
    table = source.load()
    assert table.set_index("image_id")["group"].to_dict() == {
        "a": "a",
        "b": "a",
        "c": "a",
        "d": "d",
        "e": "e",
        "t": "t",
    }
    read_folds(Path("data/photos/folds.csv"), table)
    before = Path("data/photos/twins.csv").read_bytes()
    cut(burst)  # the same again
    assert Path("data/photos/twins.csv").read_bytes() == before


def test_the_user_parts_near_copies_but_not_the_same_bytes(burst):
    Path("data/photos").mkdir(parents=True)
    Path("data/photos/decisions.csv").write_text("image_id,decision\na,keep\nb,keep\n")
    cut(burst)
    assert Path("data/photos/twins.csv").read_text() == "image_id,group\na,a\nc,a\n"

    Path("data/photos/decisions.csv").unlink()
    cut(burst, "twins=0", "overwrite=true")
    assert Path("data/photos/twins.csv").read_text() == "image_id,group\na,a\nc,a\n"
    Path("photos/images/c.png").unlink()
    Path("photos/masks/c.png").unlink()
    cut(burst, "twins=0", "overwrite=true")
    assert not Path("data/photos/twins.csv").exists()


@pytest.mark.hostile("stale maps")
def test_a_split_of_before_stays_and_nothing_new_is_written(burst):
    split = Path("data/photos/folds.csv")
    split.parent.mkdir(parents=True)
    split.write_text("image_id,group,fold\na,a,0\nb,b,1\nc,c,0\nd,d,1\ne,e,0\n")
    with pytest.raises(MaskfoldError, match="there is another split already"):
        cut(burst)

    assert not Path("data/photos/twins.csv").exists()
    read_folds(split, build(compose("folds", burst).data).load())


@pytest.mark.hostile("killed")
def test_killed_between_twins_and_split_every_stage_refuses_until_it_is_cut_again(burst, monkeypatch):
    split = Path("data/photos/folds.csv")
    split.parent.mkdir(parents=True)
    split.write_text("image_id,group,fold\na,a,0\nb,b,1\nc,c,0\nd,d,1\ne,e,0\n")
    with monkeypatch.context() as killed:
        killed.setattr("maskfold.data.folds.write_text", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cut(burst, "overwrite=true")
    with pytest.raises(MaskfoldError, match=r"another group than in the data.*twins\.csv.*overwrite=true"):
        read_folds(split, build(compose("folds", burst).data).load())

    fold = cut(burst, "overwrite=true")
    assert fold["a"] == fold["b"] == fold["c"]


@pytest.mark.hostile("stale maps")
def test_a_photo_dropped_after_the_split_was_cut_is_told_from_other_data(burst):
    cut(burst)
    Path("data/photos/decisions.csv").write_text("image_id,decision\ne,drop\n")
    with pytest.raises(MaskfoldError, match=r"(?s)not in the data:\n  e\n.*decisions\.csv.*overwrite=true"):
        read_folds(Path("data/photos/folds.csv"), build(compose("folds", burst).data).load())

    assert "e" not in cut(burst, "overwrite=true")


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.hostile("leaks")
def test_training_refuses_a_split_that_parts_near_copies_and_does_not_if_told(burst, caplog):
    split = Path("data/photos/folds.csv")
    split.parent.mkdir(parents=True)
    split.write_text("image_id,group,fold\na,a,0\nb,b,1\nc,c,0\nd,d,1\ne,e,0\n")
    member = ["experiment=demo_unet", "scale=smoke", *burst[:-1], "trainer.accelerator=cpu"]
    run = Path("experiments/demo_unet/fold0")
    with pytest.raises(MaskfoldError, match=r"(?s)2 times.*same bytes: .*|near-copy.*a and b, fold 0 and fold 1"):
        train(compose("train", member))
    assert not run.exists()

    train(compose("train", [*member, "audit=off"]))
    assert "audit=off: nobody looks" in caplog.text
    assert json.loads((run / "run.json").read_text())["audit"] == "off"
    assert "\naudit: false\n" in (run / "config.yaml").read_text()
    train(compose("train", member))  # which is finished, and nothing is trained


def test_training_notes_that_the_split_has_passed(burst):
    cut(burst)
    member = ["experiment=demo_unet", "scale=smoke", *burst[:-1], "trainer.accelerator=cpu"]
    train(compose("train", member))

    assert json.loads(Path("experiments/demo_unet/fold0/run.json").read_text())["audit"] == "passed"
