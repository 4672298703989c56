"""The image table's contract, and the check at the door."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskfold.data.table import check, fingerprint, metadata_title, validate
from maskfold.errors import MaskfoldError


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": ["a_1", "a_2", "b_1"],
            "image": ["a_1.jpg", "a_2.jpg", "b_1.jpg"],
            "mask": ["a_1.png", "a_2.png", None],
            "group": ["a", "a", "b"],
            "view": ["1", "2", ""],
            "split": ["train", "train", "test"],
            "height": [4, 4, 5],
            "width": [6, 6, 7],
            "mask_area": [0.25, 1.0, np.nan],
            "meta.paint": ["white", None, "black"],
        }
    )


@pytest.fixture
def folder(tmp_path):
    """Make photos and masks of given (height, width); return the unchecked table of all of them."""

    def make(photos: dict[str, tuple[int, int]], masks: dict[str, tuple[int, int]]) -> pd.DataFrame:
        for stem, size in photos.items():
            Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / f"{stem}.jpg")
        for stem, size in masks.items():
            Image.fromarray(np.full(size, 255, np.uint8)).save(tmp_path / f"{stem}.png")
        ids = sorted({*photos, *masks})
        return pd.DataFrame(
            {
                "image_id": ids,
                "image": [str(tmp_path / f"{i}.jpg") if i in photos else None for i in ids],
                "mask": [str(tmp_path / f"{i}.png") if i in masks else None for i in ids],
                "split": "train",
                "group": ids,
                "view": "",
                "meta.lens": "50 mm",
            }
        )

    return make


def test_a_right_table_passes_unchanged(table):
    pd.testing.assert_frame_equal(validate(table), table)


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("image_id", ["a_1", "a_1", "b_1"], "image_id: 'a_1'"),
        ("image_id", ["a_1", "", "b_1"], "image_id: ''"),
        ("image", ["a_1.jpg", None, "b_1.jpg"], "image: "),
        ("mask", ["a_1.png", 3, None], "mask: 3"),
        ("group", ["a", None, "b"], "group: "),
        ("group", ["a", "b\nc", "b"], "group: 'b\\nc': must be without line breaks"),
        ("image_id", ["a", "b", "c\r"], "image_id: 'c\\r': must be without line breaks"),
        ("split", ["train", "val", "test"], "split: 'val'"),
        ("height", [4, 0, 5], "height: 0"),
        ("width", [6.5, 6.5, 7.5], "width: 'float64'"),
        ("mask_area", [0.5, 1.5, 0.5], "mask_area: 1.5"),
    ],
)
def test_a_wrong_value_is_named_with_its_column(table, column, values, told):
    with pytest.raises(MaskfoldError, match="image table is wrong") as error:
        validate(table.assign(**{column: pd.Series(values)}))
    assert told in str(error.value)


def test_a_missing_column_is_named(table):
    with pytest.raises(MaskfoldError, match=r"'view'.*column_in_dataframe"):
        validate(table.drop(columns="view"))


def test_what_a_task_without_masks_lacks_may_be_absent_or_missing(table):
    bare = table.drop(columns=["mask", "mask_area"])
    pd.testing.assert_frame_equal(validate(bare), bare)
    validate(table.assign(mask=None, mask_area=np.nan, image_hash=["0f", None, None], mask_hash=None))
    with pytest.raises(MaskfoldError, match="image_hash: '': must be text, not empty"):
        validate(table.assign(image_hash=["0f", "", None]))


@pytest.mark.hostile("metadata")
def test_a_column_that_a_stage_could_take_for_its_own_is_refused(table):
    with pytest.raises(MaskfoldError, match=r"draws, soft\. Metadata is called meta\.<name>, such as meta\.draws"):
        validate(table.assign(draws=0.5, soft=True))


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("weight", [0.0, 1.5, np.nan])
def test_a_weight_is_a_share_of_a_full_sample(table, weight):
    validate(table.assign(weight=[0.5, 1.0, 0.01]))
    with pytest.raises(MaskfoldError, match="weight: "):
        validate(table.assign(weight=[0.5, 1.0, weight]))


def test_metadata_is_called_as_in_its_file_unless_the_table_has_such_a_column():
    assert [metadata_title(column) for column in ("meta.make", "meta.view", "group")] == ["make", "meta.view", "group"]


def test_text_is_checked_in_columns_of_text_and_of_objects(table):
    for dtype in ("str", object):
        with pytest.raises(MaskfoldError, match="in 1 places:\n  group: ''"):
            validate(table.assign(group=pd.Series(["a", "", "b"], dtype=dtype)))


def test_fingerprint_is_that_of_older_run_folders(table):
    # The first 12 digits of SHA-256 of the CSV text, as a shell's sha256sum gives them.
    text = (
        "image_id,group,split,height,width,mask_area\n"
        "a_1,a,train,4,6,0.250000000\na_2,a,train,4,6,1.000000000\nb_1,b,test,5,7,\n"
    )
    assert fingerprint(table) == hashlib.sha256(text.encode()).hexdigest()[:12] == "59f67acddf2d"
    assert fingerprint(table.assign(image_hash="0f", mask_hash="0f")) == fingerprint(table)
    without = table.assign(mask_area=np.nan)
    assert fingerprint(without.drop(columns=["mask", "mask_area"])) == fingerprint(without)


def test_fingerprint_is_written_in_parts_and_says_the_same(table, monkeypatch):
    whole = fingerprint(table)
    monkeypatch.setattr("maskfold.data.table._FINGERPRINT_ROWS", 2)
    assert fingerprint(table) == whole


def test_fingerprint_knows_the_data_and_not_the_place(table):
    same = table.assign(image="/elsewhere/" + table["image"], mask=None, **{"meta.paint": "red"}).sample(
        frac=1, random_state=3
    )
    assert fingerprint(same) == fingerprint(table)
    assert len(fingerprint(table)) == 12


@pytest.mark.parametrize("column", ["image_id", "group", "split", "height", "width", "mask_area"])
def test_fingerprint_changes_with_every_column_that_counts(table, column):
    other = table.copy()
    other.loc[1, column] = {"height": 5, "width": 7, "mask_area": 0.999, "split": "test"}.get(column, "zz")
    assert fingerprint(other) != fingerprint(table)


def test_good_data_gains_sizes_and_areas_and_keeps_its_metadata(folder):
    checked = check(folder({"a": (4, 6), "b": (5, 7)}, {"a": (4, 6), "b": (5, 7)}))
    assert checked[["height", "width"]].values.tolist() == [[4, 6], [5, 7]]
    assert checked["mask_area"].tolist() == [1, 1]
    assert checked["meta.lens"].tolist() == ["50 mm", "50 mm"]


def test_a_test_photo_needs_no_mask(folder):
    table = folder({"a": (4, 6)}, {}).assign(split="test")
    checked = check(table)
    assert checked[["mask", "mask_hash", "mask_area"]].isna().all(axis=None)
    assert checked["image_hash"].notna().all()


def test_a_train_photo_needs_no_mask_where_the_task_needs_none(folder):
    table = folder({"a": (4, 6), "b": (4, 6)}, {"a": (4, 6)})
    checked = check(table, needs_masks=False)
    assert checked["mask"].notna().tolist() == [True, False]
    assert checked["mask_area"].fillna(-1).tolist() == [1, -1]
    with pytest.raises(MaskfoldError, match=r"1 of 2 images cannot be used.\ntrain photos without a mask \(1\)"):
        check(table)


def test_a_source_of_photos_only_may_lack_the_column(folder):
    table = folder({"a": (4, 6)}, {}).drop(columns="mask")
    checked = check(table, needs_masks=False)
    assert checked[["mask", "mask_hash", "mask_area"]].isna().all(axis=None)
    with pytest.raises(MaskfoldError, match="train photos without a mask"):
        check(table)


def test_masks_that_are_there_are_checked_though_the_task_needs_none(folder):
    table = folder({"a": (4, 6)}, {"a": (6, 4), "c": (4, 6)})
    with pytest.raises(MaskfoldError, match="2 of 2 images") as error:
        check(table, needs_masks=False)
    assert "masks without a photo (1)" in str(error.value)
    assert "in another aspect ratio (1)" in str(error.value)


def test_hashes_are_of_the_rows_own_files(folder):
    table = folder({"a": (4, 6), "b": (5, 7)}, {"a": (4, 6), "b": (5, 7)}).iloc[::-1]
    checked = check(table)
    for row in checked.itertuples():
        assert row.image_hash == hashlib.sha256(Path(row.image).read_bytes()).hexdigest()[:32]
        assert row.mask_hash == hashlib.sha256(Path(row.mask).read_bytes()).hexdigest()[:32]


def test_photos_may_share_a_mask(folder):
    table = folder({"a": (4, 6), "b": (4, 6)}, {"a": (4, 6)})
    checked = check(table.assign(mask=table["mask"].iloc[0]))
    assert checked["mask_area"].tolist() == [1, 1]


@pytest.fixture
def dirty(folder, tmp_path) -> pd.DataFrame:
    """One sound pair and one image for each way of being wrong."""
    good = (40, 60)
    photos = dict.fromkeys(["good", "scaled", "stretched", "bare", "grey", "cut"], good)
    table = folder(photos, {**photos, "scaled": (20, 30), "stretched": (60, 40), "alone": good})
    table.loc[table["image_id"] == "bare", "mask"] = None
    Image.fromarray(np.arange(240, dtype=np.uint8).reshape(12, 20)).save(tmp_path / "grey.png")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-30])
    return table


@pytest.mark.hostile("damaged files")
def test_every_problem_is_listed_by_reason_and_file_with_both_ways_out(dirty, tmp_path):
    with pytest.raises(MaskfoldError) as error:
        check(dirty, name="photos")
    message = str(error.value)
    assert message.startswith("photos: 6 of 7 images cannot be used.\n")
    for told in (
        f"masks without a photo (1):\n  {tmp_path}/alone.png",
        f"photos that cannot be read (1):\n  {tmp_path}/cut.jpg: cannot be read: Premature end of JPEG file",
        f"train photos without a mask (1):\n  {tmp_path}/bare.jpg",
        f"masks that cannot be used (1):\n  {tmp_path}/grey.png: 240 grey values: 0, 1, 2 ...",
        f"in its aspect ratio (1):\n  {tmp_path}/scaled.png: 30x20, its photo 60x40",
        f"in another aspect ratio (1):\n  {tmp_path}/stretched.png: 40x60, its photo 60x40",
        "data.on_error=skip (1 remain)",
        "accept 1 of these masks, resized by nearest neighbour, with data.resize_masks=true",
    ):
        assert told in message


def test_skip_leaves_out_and_says_how_many(dirty, caplog):
    with caplog.at_level(logging.WARNING):
        assert check(dirty, on_error="skip", name="photos")["image_id"].tolist() == ["good"]
    assert "photos: left out 6 of 7 images (data.on_error=skip), 1 remain." in caplog.text
    assert "grey.png" in caplog.text


def test_resized_masks_are_accepted_in_the_photos_aspect_ratio_only(dirty):
    assert check(dirty, on_error="skip", resize_masks=True)["image_id"].tolist() == ["good", "scaled"]
    with pytest.raises(MaskfoldError, match="5 of 7") as error:
        check(dirty, resize_masks=True)
    assert "resize_masks" not in str(error.value)


@pytest.mark.parametrize(("mask_size", "accepted"), [((100, 101), True), ((100, 102), False), ((50, 50), True)])
def test_aspect_ratios_may_differ_by_one_percent(folder, mask_size, accepted):
    table = folder({"a": (200, 200), "b": (9, 9)}, {"a": mask_size, "b": (9, 9)})
    assert ("a" in set(check(table, on_error="skip", resize_masks=True)["image_id"])) is accepted


def test_skipping_everything_is_an_error(folder):
    with pytest.raises(MaskfoldError, match="1 of 1 images cannot be used") as error:
        check(folder({"a": (4, 6)}, {}), on_error="skip")
    assert "on_error=skip" not in str(error.value)


def test_an_unknown_mode_is_refused(folder):
    with pytest.raises(MaskfoldError, match=r"data\.on_error=ignore: .*raise and skip"):
        check(folder({"a": (4, 6)}, {"a": (4, 6)}), on_error="ignore")
