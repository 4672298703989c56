"""Folders of labels, and the months of Grocery."""

import pandas as pd
import pytest

from maskfold.data.labelled import ClassFolders, Grocery
from maskfold.errors import MaskfoldError
from shops import shelf, stock


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_folders_of_train_and_test_photos_and_test_photos_without_labels(tmp_path):
    stock(tmp_path / "photos/train", [*shelf("ale", 2), *shelf("bread", 1)])
    stock(tmp_path / "photos/test", [*shelf("ale", 1), {"path": "unknown.png", "label": "x"}])
    (tmp_path / "photos/train/labels.csv").unlink()
    table = ClassFolders(root="photos").table().set_index("image_id")
    assert table["split"].to_dict() == {
        "ale_0": "train",
        "ale_1": "train",
        "bread_0": "train",
        "test_ale_0": "test",
        "unknown": "test",
    }
    assert table["label"].dropna().to_dict() == {
        "ale_0": "ale",
        "ale_1": "ale",
        "bread_0": "bread",
        "test_ale_0": "ale",
    }


@pytest.mark.hostile("foreign files")
def test_a_photo_beside_the_folders_is_no_photo_of_the_set_and_said(tmp_path):
    stock(tmp_path / "photos", [*shelf("ale", 1), {"path": "stray.png", "label": "x"}])
    with pytest.raises(MaskfoldError, match=r"stray.png: lies beside the labels' folders"):
        ClassFolders(root="photos").as_found(jobs=1)


@pytest.mark.hostile("wrong input")
def test_no_folders_of_labels(tmp_path):
    with pytest.raises(MaskfoldError, match="photos: no such folder"):
        ClassFolders(root="photos").table()
    (tmp_path / "photos/ale").mkdir(parents=True)
    with pytest.raises(MaskfoldError, match="no folders with photos in it"):
        ClassFolders(root="photos").table()


def test_months_bring_the_last_classes_of_grocery_together(tmp_path):
    classes = pd.DataFrame({"Class Name (str)": list("abcde"), "Class ID (int)": list("01234")})
    classes["Coarse Class Name (str)"] = list("xxyyy")
    classes.to_csv(tmp_path / "classes.csv", index=False)
    (tmp_path / "train.txt").write_text("".join(f"{number}.png, {number}, 0\n" for number in range(4)))
    (tmp_path / "val.txt").write_text("4.png, 4, 0\n")
    table = Grocery(root=str(tmp_path), months=[2, 1]).table()
    assert table["month"].tolist() == ["2026-01", "2026-01", "2026-02", "2026-02", "2026-03"]
    assert table["coarse"].tolist() == list("xxyyy")
    assert {*table["split"]} == {"train"}
    with pytest.raises(MaskfoldError, match=r"data.months=\[5\]: there are 5 classes"):
        Grocery(root=str(tmp_path), months=[5]).table()
