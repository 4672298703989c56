"""Folder layouts, made by hand and real, and what is said when they are not as expected."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image

from maskfold.data.sources import Carvana, Pairs
from maskfold.errors import MaskfoldError

REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY.parent / "shared/data"
real = pytest.mark.skipif(not SHARED.exists(), reason="the real photos are not here")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Keep the checks that sources remember out of the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "photos"


def write(*paths: Path) -> None:
    """Write white 4x6 images."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 4), 255).save(path)


def test_carvana_whole(root):
    write(root / "train/0ab_01.jpg", root / "train/0ab_02.jpg", root / "test/007_16.jpg")
    write(root / "train_masks/0ab_01_mask.gif", root / "train_masks/0ab_02_mask.gif")
    (root / "metadata.csv").write_text("id,make\n007,Aston Martin\n0ab,Acura\n999,Kia\n")
    table = Carvana(root=str(root), name="carvana").load(jobs=1)
    assert table["image_id"].tolist() == ["0ab_01", "0ab_02", "007_16"]
    assert table["split"].tolist() == ["train", "train", "test"]
    assert table["group"].tolist() == ["0ab", "0ab", "007"]
    assert table["view"].tolist() == ["01", "02", "16"]
    assert table["meta.make"].tolist() == ["Acura", "Acura", "Aston Martin"]
    assert table["mask"].fillna("-").tolist() == [*(str(root / f"train_masks/0ab_0{i}_mask.gif") for i in (1, 2)), "-"]
    assert table[["height", "width"]].values.tolist() == [[4, 6]] * 3
    assert (Path("data/carvana") / "checked.parquet").exists()


@pytest.mark.parametrize("split", ["train", "test"])
def test_carvana_with_one_split_and_no_metadata(root, split):
    write(root / split / "0ab_01.jpg")
    if split == "train":
        write(root / "train_masks/0ab_01_mask.gif")
    assert Carvana(root=str(root)).load(jobs=1)["split"].tolist() == [split]


def test_carvana_without_anything_says_what_to_do(root):
    for folder in (root, root / "train"):
        with pytest.raises(MaskfoldError, match=r"photos: no photos here.*make data DATA=carvana.*make studio"):
            Carvana(root=str(root)).load()
        folder.mkdir()


def test_carvana_without_masks_lists_the_photos(root):
    write(root / "train/0ab_01.jpg")
    with pytest.raises(MaskfoldError, match=r"train photos without a mask \(1\):\n.*0ab_01\.jpg"):
        Carvana(root=str(root)).load(jobs=1)


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("name", ["0ab.jpg", "0ab_front.jpg", "_01.jpg"])
def test_carvana_names_the_photo_whose_name_is_not_one(root, name):
    write(root / "test" / name)
    with pytest.raises(MaskfoldError, match=rf"test/{name}: the name is not <car>_<view>.*data=pairs"):
        Carvana(root=str(root)).table()


@pytest.mark.hostile("metadata")
@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("car,make\n0ab,Kia\n", "no column id"),
        ("id,make\n0ab,Kia\n0ab,Audi\n", "1 cars have several rows: 0ab is the first"),
        ('id,make\n"0ab,Kia\n', "not a readable CSV file"),
        ("", "not a readable CSV file"),
    ],
)
def test_carvana_metadata_that_cannot_be_joined(root, metadata, told):
    write(root / "test/0ab_01.jpg")
    (root / "metadata.csv").write_text(metadata)
    with pytest.raises(MaskfoldError, match=rf"metadata\.csv: {told}"):
        Carvana(root=str(root)).table()


@pytest.mark.hostile("metadata")
def test_metadata_has_names_of_its_own(root):
    write(root / "test/0ab_01.jpg")
    (root / "metadata.csv").write_text("id,image,weight,soft,fold,view\n0ab,elsewhere.jpg,0,1,3,front\n")
    (row,) = Carvana(root=str(root)).load(jobs=1).to_dict("records")
    assert (row["image"], row["view"]) == (str(root / "test/0ab_01.jpg"), "01")
    assert {name: row[f"meta.{name}"] for name in ("image", "weight", "soft", "fold", "view")} == {
        "image": "elsewhere.jpg",
        "weight": 0,
        "soft": 1,
        "fold": 3,
        "view": "front",
    }
    assert not {"weight", "soft", "fold"} & {*row}


def test_pairs_by_equal_names_and_by_mask_at_the_end(root):
    write(root / "images/x_1.JPG", root / "images/x_2.png", root / "images/y_1.jpg")
    write(root / "masks/x_1.png", root / "masks/x_2_mask.gif", root / "masks/y_1.png", root / "new/z_9.jpg")
    source = Pairs(root=str(root), test="new", group=r"(.*)_\d", view=r".*_(\d)")
    table = source.load(jobs=1)
    assert table["image_id"].tolist() == ["x_1", "x_2", "y_1", "z_9"]
    assert table["group"].tolist() == ["x", "x", "y", "z"]
    assert table["view"].tolist() == ["1", "2", "1", "9"]
    masks = table["mask"].fillna("-").map(lambda mask: Path(mask).name)
    assert masks.tolist() == ["x_1.png", "x_2_mask.gif", "y_1.png", "-"]
    assert (source.name, source.folder) == ("photos", Path("data/photos"))


def test_photos_without_masks_are_for_tasks_that_need_none(root):
    write(root / "images/x_1.png", root / "images/x_2.png")
    source = Pairs(root=str(root), masks=None)
    table = source.load(needs_masks=False, jobs=1)
    assert table["split"].tolist() == ["train", "train"]
    assert table["mask"].isna().all()
    with pytest.raises(MaskfoldError, match=r"train photos without a mask \(2\)"):
        source.load(jobs=1)


@pytest.mark.parametrize("root", [".", "photos", "./photos/"])
def test_paths_are_written_as_short_as_can_be(root):
    write(Path(root) / "a.png")
    table = Pairs(root=root, name="here", images=None, test=".").table()
    assert table["image"].tolist() == [str(Path(root) / "a.png")]


def test_names_may_hold_dots_and_come_in_the_order_of_their_letters(root):
    names = ["b.2.jpg", "a.JPEG", "B.jpg", "ä.png", "a_10.png", "a_9.webp"]
    write(*(root / name for name in names))
    table = Pairs(root=str(root), images=None, test=".").table()
    assert table["image_id"].tolist() == ["B", "a", "a_10", "a_9", "b.2", "ä"]


@pytest.mark.hostile("names and paths")
def test_a_name_that_is_not_utf8_is_refused(root):
    write(root / "a.png")
    (root / "a.png").rename(os.fsdecode(os.fsencode(root) + b"/a\xe4.png"))
    with pytest.raises(MaskfoldError, match=r"photos/a.*not UTF-8"):
        Pairs(root=str(root), images=None, test=".").table()


def test_pairs_group_is_the_whole_name_unless_told(root):
    write(root / "images/x_1.jpg", root / "masks/x_1.png")
    table = Pairs(root=str(root), name="mine").table()
    assert table[["group", "view"]].values.tolist() == [["x_1", ""]]


def test_pairs_without_partners_are_reported_by_the_check(root):
    write(root / "images/a.jpg", root / "images/b.jpg", root / "masks/a.png", root / "masks/c_mask.png")
    with pytest.raises(MaskfoldError, match=r"2 of 3 images") as error:
        Pairs(root=str(root)).load(jobs=1)
    assert "train photos without a mask (1):\n" in str(error.value)
    assert f"masks without a photo (1):\n  {root}/masks/c_mask.png" in str(error.value)


def test_files_that_are_no_images_are_passed_over_aloud_and_hidden_ones_silently(root, caplog):
    write(root / "images/a.jpg", root / "masks/a.png")
    for name in ("a.heic", "notes.txt", "._a.jpg", ".DS_Store"):
        (root / "images" / name).write_text("")
    with caplog.at_level(logging.WARNING):
        assert Pairs(root=str(root)).table()["image_id"].tolist() == ["a"]
    assert caplog.messages == [f"{root}/images: passed over files that are not images: 1 .heic, 1 .txt."]


@pytest.mark.parametrize(("missing", "key"), [("images", "images"), ("masks", "masks"), ("new", "test")])
def test_pairs_missing_or_empty_folder_is_named_with_its_key(root, missing, key):
    write(*(root / folder / "a.png" for folder in ("images", "masks", "new") if folder != missing))
    source = Pairs(root=str(root), test="new")
    with pytest.raises(MaskfoldError, match=rf"photos/{missing}: no such folder.*data\.{key}="):
        source.table()
    (root / missing).mkdir()
    with pytest.raises(MaskfoldError, match=rf"photos/{missing}: no image files \(\.jpg.*data\.{key}="):
        source.table()


@pytest.mark.hostile("names and paths")
def test_two_files_of_one_name_are_refused(root):
    write(root / "images/a.jpg", root / "images/a.png", root / "images/b.jpg", root / "masks/a.png")
    with pytest.raises(MaskfoldError, match=r"1 names belong to several files(.*\n)+.*images/a\.jpg\n.*images/a\.png"):
        Pairs(root=str(root)).table()


@pytest.mark.hostile("leaks")
def test_a_name_in_both_splits_is_refused(root):
    write(root / "images/a.jpg", root / "masks/a.png", root / "new/a.jpg")
    with pytest.raises(MaskfoldError, match=r"images/a\.jpg\n.*new/a\.jpg"):
        Pairs(root=str(root), test="new").table()


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("car(.*)", r"data\.group=car\(\.\*\) does not match the name x_1"),
        ("x()", "does not match the name x_1"),
        (".*", "put the part that names the group in parentheses"),
        ("(.*", "not a regular expression: missing \\)"),
    ],
)
def test_a_group_expression_that_does_not_serve(root, group, told):
    write(root / "images/x_1.jpg", root / "masks/x_1.png")
    with pytest.raises(MaskfoldError, match=told):
        Pairs(root=str(root), group=group).table()


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_a_name_that_is_no_folder_name_is_refused(name):
    with pytest.raises(MaskfoldError, match=r"data\.name="):
        Pairs(root="/photos", name=name)


def test_pairs_of_photos_without_masks_alone(root):
    write(root / "a.png", root / "b.png")
    table = Pairs(root=str(root), images=None, test=".").load(jobs=1)
    assert table[["image_id", "split"]].values.tolist() == [["a", "test"], ["b", "test"]]
    assert table["mask"].isna().all()


def test_pairs_without_any_folder_are_refused(root):
    with pytest.raises(MaskfoldError, match=r"data\.images and data\.test are both null"):
        Pairs(root=str(root), images=None)


@pytest.mark.parametrize(("option", "root", "name"), [("carvana", "data/carvana", "carvana"), ("studio", None, None)])
def test_config_builds_the_source(option, root, name):
    source = instantiate(OmegaConf.load(REPOSITORY / f"conf/data/{option}.yaml"))
    assert (str(source.root), source.name) == (root or f"data/{option}", name or option)


def test_config_of_pairs_asks_for_the_root_and_names_itself_after_it(root):
    config = OmegaConf.load(REPOSITORY / "conf/data/pairs.yaml")
    assert OmegaConf.is_missing(config, "root")
    write(root / "images/x_1.jpg", root / "masks/x_1.png")
    config.root = str(root)
    source = instantiate(config)
    assert source.name == "photos"
    assert source.load(jobs=1)["group"].tolist() == ["x_1"]


@real
def test_real_carvana_photos_with_their_metadata():
    table = Carvana(root=str(SHARED / "carvana"), name="carvana").load(jobs=1)
    assert len(table) == 384
    assert set(table["split"]) == {"test"}
    assert table.groupby("group")["view"].agg(list).tolist() == [[f"{view:02d}" for view in range(1, 17)]] * 24
    assert set(zip(table["height"], table["width"], strict=True)) == {(1280, 1918)}
    assert table.loc[table["group"] == "0004d4463b50", "meta.make"].unique().tolist() == ["Acura"]


@real
def test_real_dirty_masks_are_refused_skipped_or_resized():
    human = str(SHARED / "human")
    with pytest.raises(MaskfoldError, match="156 of 225 images cannot be used") as error:
        Pairs(root=human).load(jobs=1)
    assert "accept 156 of these masks" in str(error.value)
    assert len(Pairs(root=human, on_error="skip").load(jobs=1)) == 225 - 156
    resized = Pairs(root=human, resize_masks=True).load(jobs=1)
    assert len(resized) == 225
    assert resized["mask_area"].between(0, 1, inclusive="neither").all()
    assert np.unique(resized["group"]).size == 225


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("name", ["weight", "a.weight"])
def test_a_class_that_would_be_taken_for_weights_is_refused(name, tmp_path):
    with pytest.raises(MaskfoldError, match=rf"data\.classes: {name} would be taken"):
        Pairs(root=str(tmp_path), classes=["a", name])


def test_one_class_has_nothing_to_overlap_with(tmp_path):
    assert not Pairs(root=str(tmp_path), exclusive=True).exclusive
    assert Pairs(root=str(tmp_path), classes=["a", "b"], exclusive=True).exclusive
    with pytest.raises(MaskfoldError, match=r"data\.exclusive='false': give true or false"):
        Pairs(root=str(tmp_path), exclusive="false")


@pytest.mark.hostile("wrong input")
def test_photos_are_learned_from_in_a_folder_and_not_at_an_address():
    with pytest.raises(MaskfoldError, match=r"^data\.root=s3://shop/photos: .*aws s3 sync.*data=store"):
        Pairs(root="s3://shop/photos")
