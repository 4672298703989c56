from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.data.class_table import ClassTable
from maskfold.data.hold_out import HoldOut, unknown_kinds
from maskfold.data.labelled import LabelTable
from maskfold.errors import MaskfoldError

COARSE = {
    "cox": "apple",
    "gala": "apple",
    "fuji": "apple",
    "leek": "leek",
    "oat": "milk",
    "soy": "milk",
    "whole": "milk",
}

NONE = Path("none")


def rows(split="train"):
    table = pd.DataFrame({"image_id": [*COARSE], "label": [*COARSE], "coarse": [*COARSE.values()]}, dtype="str")
    return table.assign(split=split)


def test_every_third_label_with_relatives_and_whole_coarse_classes_are_held_out():
    # Apples and milks in turn: cox, fuji, [gala]; oat, soy, [whole]. A leek has no relative.
    assert HoldOut({"every": 3}).of(rows()) == {"gala", "whole"}
    # Without the milks: cox, fuji, gala.
    assert HoldOut({"every": 3, "coarse": ["milk"], "labels": ["leek"]}).of(rows()) == {
        *("gala", "oat", "soy", "whole", "leek")
    }
    assert HoldOut({"every": 7}).of(rows().drop(columns="coarse")) == {"whole"}


def test_their_train_photos_become_test_photos():
    moved = HoldOut({"labels": ["gala"]}).moved(rows(), classes=NONE)

    assert moved.set_index("label")["split"].value_counts().to_dict() == {"train": 6, "test": 1}
    assert HoldOut(None).moved(rows(), classes=NONE).equals(rows())


def test_test_photos_without_a_number_are_near_or_far():
    held = HoldOut({"labels": ["gala"], "coarse": ["milk"]}).moved(rows(), classes=NONE)
    numbers = {"cox": 0, "fuji": 1, "leek": 2}
    table = held.assign(class_index=held["label"].map(numbers).fillna(-1).astype(int))
    frozen = pd.DataFrame(
        {"image_id": ["t1", "t2"], "label": ["cox", None], "coarse": ["apple", None], "split": "test"}
    )
    table = pd.concat([table, frozen.assign(class_index=[0, -1])], ignore_index=True)

    kinds = unknown_kinds(table)

    assert kinds.dropna().to_dict() == {1: "near", 4: "far", 5: "far", 6: "far"}
    assert unknown_kinds(table.drop(columns="coarse")).dropna().unique().tolist() == ["near"]


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"evry": 3}, "hold_out.evry: there are every"),
        ({"every": 1}, "every=1"),
        ({"labels": "gala"}, "give a list"),
        ({"labels": ["galla"]}, "hold_out.labels: the data has no label"),
        ({"coarse": ["pear"]}, "hold_out.coarse: the data has no coarse"),
        ({"labels": [*COARSE]}, "no photo would be left"),
    ],
)
def test_what_cannot_be_held_out_is_named(said, says):
    with pytest.raises(MaskfoldError, match=says):
        HoldOut(said).moved(rows(), classes=NONE)


@pytest.mark.hostile("leaks")
def test_a_label_that_may_have_been_learned_cannot_be_held_out(tmp_path):
    path = tmp_path / "fruit" / "classes.parquet"
    ClassTable.empty().extended(rows()).write(path)

    with pytest.raises(
        MaskfoldError, match=r"(?s)1 labels to hold out have a number in .*data\.name=fruit_unknown"
    ) as said:
        HoldOut({"labels": ["gala"]}).moved(rows(), classes=path)
    assert "gala" in str(said.value)


def test_a_source_holds_out_what_its_key_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(COARSE):
        cv2.imwrite(f"{name}.png", np.full((8, 8, 3), 20 * number, np.uint8))
    rows().assign(path=[f"{name}.png" for name in COARSE]).drop(columns="image_id").to_csv("labels.csv", index=False)
    Path("data/fruit").mkdir(parents=True)
    Path("data/fruit/decisions.csv").write_text("image_id,decision\ngala,label=leek\n")

    table = LabelTable(root=".", name="fruit", hold_out={"labels": ["leek"]}).as_found(jobs=1)

    assert table.loc[table["split"] == "test", "image_id"].tolist() == ["gala", "leek"]
