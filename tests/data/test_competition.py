"""Competitions of every kind, tiny and written by the tests: planes as they were drawn by hand, and what is refused."""

import json
import logging
import os
import re
import time
import tracemalloc
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from maskfold.config import build
from maskfold.data import conversion
from maskfold.data.competition import Competition
from maskfold.data.loading import read_mask
from maskfold.errors import MaskfoldError
from maskfold.files import locked

CONF = Path(__file__).parents[2] / "conf"
ONE = {"id": "{image_id}", "rle": "{runs}"}
TWO = {"ImageId": "{file}", "ClassId": "{class}", "EncodedPixels": "{runs}"}
CLASSES = {"classes": ["cat", "dog"]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Keep what sources write out of the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def root(tmp_path) -> Path:
    """Three photos of three rows and four columns, and one to predict."""
    root = tmp_path / "photos"
    for name in ("train/a.png", "train/b.c.png", "train/d.png", "test/t.png"):
        picture(root / name, np.zeros((3, 4), np.uint8))
    return root


def picture(path: Path, pixels: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def rows(*lines: str) -> list[list[int]]:
    """A mask as drawn: # is object."""
    return [[int(letter == "#") for letter in line] for line in lines]


EMPTY = rows("....", "....", "....")


def competition(root: Path, masks: dict, **keys) -> Competition:
    return Competition(root=str(root), masks=masks, **keys)


def load(root: Path, masks: dict, **keys) -> dict[str, list]:
    """Return every train photo's mask, as it is read from disk."""
    table = competition(root, masks, **keys).load(jobs=1)
    table = table[table["split"] == "train"]
    return {row.image_id: read_mask(row.mask).tolist() for row in table.itertuples()}


def write_runs(root: Path, text: str) -> dict:
    (root / "train.csv").write_text(text)
    return {"kind": "runs", "file": "train.csv", "columns": ONE, "order": "columns"}


@pytest.fixture
def drawn(monkeypatch) -> list[str]:
    """The photos whose masks are drawn, in order."""
    ids, draw = [], conversion._convert_one

    def noted(job, **options):
        done, before = draw(job, **options), job[2]
        if done.made is None or before is None or done.made.stamp != before.stamp:
            ids.append(job[0].image_id)
        return done

    monkeypatch.setattr(conversion, "_convert_one", noted)
    return ids


def test_runs_by_columns_of_one_class(root):
    # Pixel 2 is the second of the first column, 7 and 8 the first two of the third.
    masks = write_runs(root, "id,rle\na,2 1 7 2\nb.c,\n")
    table = competition(root, masks, submission={"columns": ONE, "order": "columns"}).load(jobs=1)
    assert table["image_id"].tolist() == ["a", "b.c", "d", "t"]
    assert table["mask"].fillna("-").tolist() == [
        *(f"data/photos/masks/{name}.b2nd" for name in ("a", "b.c", "d")),
        "-",
    ]
    assert read_mask(table["mask"][0]).tolist() == rows("..#.", "#.#.", "....")
    assert read_mask(table["mask"][1]).tolist() == EMPTY  # an empty cell
    assert read_mask(table["mask"][2]).tolist() == EMPTY  # no row
    assert table["mask_area"][:3].tolist() == [3 / 12, 0, 0]
    assert table["group"].tolist() == table["image_id"].tolist()


def test_runs_by_rows_from_0_with_a_token_for_empty_masks(root):
    masks = write_runs(root, "\ufeffid,rle\na.png,1 1 6 2\nb.c,-\nd,-\n")
    drawn = load(root, {**masks, "order": "rows", "start": 0, "empty": "-"})
    assert drawn == {"a": rows(".#..", "..##", "...."), "b.c": EMPTY, "d": EMPTY}


def test_runs_of_several_classes_and_of_several_instances(root):
    (root / "train.csv").write_text(
        "Usage,ImageId,ClassId,EncodedPixels\n"
        "x,a.png,dog,1 3\n"
        'x,a.png,cat,"4 3"\n'
        "x,b.c.png,dog,1 2\n"
        "x,b.c.png,dog,2 2\n"  # which overlaps the instance above
    )
    masks = {"kind": "runs", "file": "train.csv", "columns": TWO, "order": "columns"}
    table = competition(root, masks, **CLASSES).load(jobs=1)
    assert table["meta.classes"].fillna("-").tolist() == ["cat, dog", "dog", "", "-"]
    assert competition(root, masks, **CLASSES).load(jobs=1).equals(table)
    drawn = load(root, masks, **CLASSES)
    assert drawn["a"] == [rows(".#..", ".#..", ".#.."), rows("#...", "#...", "#...")]
    assert drawn["b.c"] == [EMPTY, rows("#...", "#...", "#...")]
    assert drawn["d"] == [EMPTY, EMPTY]


def test_photo_and_class_in_one_column(root):
    columns = {"ImageId_ClassId": "{file}_{class}", "EncodedPixels": "{runs}"}
    (root / "train.csv").write_text("ImageId_ClassId,EncodedPixels\na.png_1,1 1\na.png_2,\nb.c.png_2,12 1\n")
    masks = {"kind": "runs", "file": "train.csv", "columns": columns, "order": "columns"}
    drawn = load(root, masks, classes=[1, 2])
    assert drawn["a"] == [rows("#...", "....", "...."), EMPTY]
    assert drawn["b.c"] == [EMPTY, rows("....", "....", "...#")]


@pytest.mark.hostile("names and paths")
def test_names_with_and_without_suffix_and_with_dots(root):
    picture(root / "train/e.png.png", np.zeros((3, 4), np.uint8))  # its id is e.png
    picture(root / "train/e.png", np.zeros((3, 4), np.uint8))
    masks = write_runs(root, "id,rle\na.png,1 1\nb.c,2 1\nd.jpg,3 1\ne.png,4 1\ne,5 1\n")
    drawn = load(root, masks)
    starts = {name: 1 + int(np.array(mask).T.argmax()) for name, mask in drawn.items()}
    assert starts == {"a": 1, "b.c": 2, "d": 3, "e.png": 4, "e": 5}


LABELS = np.array([[0, 1, 1, 255], [2, 0, 1, 255], [2, 2, 0, 0]], np.uint8)
CAT, DOG = rows(".##.", "..#.", "...."), rows("....", "#...", "##..")


def labelled(root: Path, pixels: np.ndarray = LABELS, palette: list[int] | None = None) -> None:
    for name in ("a_mask", "b.c", "d"):
        (root / "labels").mkdir(exist_ok=True)
        image = Image.fromarray(pixels)
        if palette is not None:
            image.putpalette(palette)
        image.save(root / f"labels/{name}.png")


RED_AND_BLUE = np.zeros((3, 4, 3), np.uint8)
RED_AND_BLUE[LABELS == 1], RED_AND_BLUE[LABELS == 2] = (255, 0, 0), (0, 0, 255)


@pytest.mark.parametrize(
    ("pixels", "palette", "values"),
    [
        (LABELS, None, {1: "cat", 2: "dog"}),
        (LABELS, None, {"1": "cat", "2": "dog"}),
        (LABELS.astype(np.uint16), None, {1: "cat", 2: "dog"}),
        (np.repeat(LABELS[..., None], 3, axis=2), None, {1: "cat", 2: "dog"}),
        (LABELS, [*range(256)] * 3, {1: "cat", 2: "dog"}),  # indices of a palette
        (np.where(LABELS == 255, 0, LABELS), [0, 0, 0, 255, 0, 0, 0, 0, 255], {"#ff0000": "cat", "#0000FF": "dog"}),
        (RED_AND_BLUE, None, {"#ff0000": "cat", "#0000ff": "dog"}),
    ],
)
def test_label_pictures(root, pixels, palette, values):
    labelled(root, pixels, palette)
    background = [] if "#ff0000" in values else [255]
    masks = {"kind": "labels", "folder": "labels", "values": values, "background": background}
    assert load(root, masks, **CLASSES) == {"a": [CAT, DOG], "b.c": [CAT, DOG], "d": [CAT, DOG]}


def test_label_pictures_of_one_class(root):
    labelled(root)
    masks = {"kind": "labels", "folder": "labels", "values": {1: "animal", 2: "animal"}, "background": [255]}
    assert load(root, masks)["a"] == rows(".##.", "#.#.", "##..")


def test_a_file_for_each_class_of_which_some_are_missing(root):
    picture(root / "masks/cat/a.png", np.array(CAT, np.uint8) * 255)
    picture(root / "masks/dog/b.c.gif", np.array(DOG, np.uint8) * 255)
    drawn = load(root, {"kind": "files", "file": "masks/{class}/{image_id}"}, **CLASSES)
    assert drawn == {"a": [CAT, EMPTY], "b.c": [EMPTY, DOG], "d": [EMPTY, EMPTY]}


def test_files_of_one_class_in_one_folder(root):
    picture(root / "train/a_mask.png", np.array(CAT, np.uint8) * 255)
    (root / "masks").mkdir()
    (root / "train/a_mask.png").rename(root / "masks/a_mask.png")
    assert load(root, {"kind": "files", "file": "masks/{image_id}_mask.png"}) == {"a": CAT, "b.c": EMPTY, "d": EMPTY}


def test_pictures_are_read_where_they_lie(root):
    for name in ("a", "b.c", "d"):
        picture(root / f"masks/{name}.png", np.array(CAT, np.uint8) * 255)
    table = competition(root, {"kind": "pictures", "folder": "masks"}).load(jobs=1)
    assert table["mask"][0] == str(root / "masks/a.png")
    assert not Path("data/photos/masks").exists()


def coco(root: Path, **changes) -> dict:
    """Write three photos, one of them without an object."""
    content = {
        "images": [{"id": n, "file_name": f"train/{name}.png"} for n, name in enumerate(["a", "b.c", "d"])],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 7, "segmentation": [[1, 0, 3, 0, 3, 2, 1, 2]]},
            {"id": 2, "image_id": 0, "category_id": 7, "segmentation": [[2, 1, 4, 1, 4, 2, 2, 2]]},
            {
                "id": 3,
                "image_id": 1,
                "category_id": 9,
                "iscrowd": 1,
                "segmentation": {"size": [3, 4], "counts": [1, 2, 9]},
            },
        ],
    } | changes
    (root / "annotations.json").write_text(json.dumps(content))
    return {"kind": "polygons", "file": "annotations.json"}


def test_polygons_and_run_lengths_of_coco(root):
    drawn = load(root, coco(root), **CLASSES)
    assert drawn["a"] == [rows(".##.", ".###", "...."), EMPTY]
    assert drawn["b.c"] == [EMPTY, rows("....", "#...", "#...")]
    assert drawn["d"] == [EMPTY, EMPTY]
    assert load(root, coco(root))["b.c"] == rows("....", "#...", "#...")  # one class: every category


def test_coco_says_the_size_that_its_masks_have(root):
    images = [
        {"id": n, "file_name": f"{name}.png", "height": 6, "width": 8} for n, name in enumerate(["a", "b.c", "d"])
    ]
    masks = coco(root, images=images, annotations=[])
    with pytest.raises(MaskfoldError, match=r"in its aspect ratio \(3\):\n  .*a\.b2nd: 8x6, its photo 4x3\n"):
        load(root, masks, **CLASSES)
    assert [*load(root, masks, **CLASSES, resize_masks=True)] == ["a", "b.c", "d"]


def test_groups_and_metadata_from_a_table(root):
    (root / "depths.csv").write_text("z,id,site\n007,a.png,A\n007,b.c,B\n12,d,A\n12,gone,A\n")
    group = {"file": "depths.csv", "id": "id", "column": "z"}
    table = competition(root, write_runs(root, "id,rle\n"), group=group).load(jobs=1)
    assert table["group"].tolist() == ["007", "007", "12", "t"]
    assert table["meta.site"].fillna("-").tolist() == ["A", "B", "A", "-"]


def test_groups_from_the_table_of_masks(root):
    (root / "train.csv").write_text("id,rle,case,slice\na,1 1,x,1\na,2 1,x,2\nb.c,,y,1\nd,,y,1\n")
    masks = {"kind": "runs", "file": "train.csv", "columns": ONE}
    table = competition(root, masks, group={"file": "train.csv", "id": "id", "column": "case"}).load(jobs=1)
    assert table["group"].tolist() == ["x", "y", "y", "t"]
    # The slice differs between the rows of one photo, and runs are no metadata.
    assert [column for column in table if column.startswith("meta.")] == []


@pytest.mark.hostile("metadata")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,depth\na,1\n", r"no column 'z', which data\.group names; there are 'id', 'depth'"),
        ("id,z\na,1\nb.c,\nd,2\n", r"1 train photos have no z:\n  b\.c\nAdd their rows"),
        ("id,z\na,1\na,2\nb.c,1\nd,2\n", r"1 photos have several values of z:\n  a\n"),
        ('id,z\n"a,1\n', "not a readable CSV file"),
    ],
)
def test_groups_that_do_not_fit(root, text, said):
    (root / "depths.csv").write_text(text)
    source = competition(root, write_runs(root, "id,rle\n"), group={"file": "depths.csv", "id": "id", "column": "z"})
    with pytest.raises(MaskfoldError, match=rf"depths\.csv: {said}"):
        source.load(jobs=1)


# What is wrong is named: file, row, key.


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("text", "keys", "said"),
    [
        ("id,runs\n", {}, r"train\.csv: no column 'rle', which data\.masks\.columns names; there are 'id', 'runs'\."),
        ("id,rle,id\n", {}, r"train\.csv: several columns 'id'"),
        ("", {}, r"train\.csv: no column 'id'"),
        ("id,rle\nx,1 1\n", {}, r"no row is of one of the photos: 'x' is the last one's, and 'a\.png' is a photo"),
        ("id,rle\na,1 1\nx,1 1\n", {}, r"masks without a photo \(1\):\n.*train\.csv: row 3: 'x'\n"),
        ("id,rle\na,1 1\n\x00/../d,1 1\n", {}, r"train\.csv: row 3: '\\x00/\.\./d'\n"),
        ("id,rle\na,1 1\n../../a,1 1\n", {}, r"train\.csv: row 3: '\.\./\.\./a'\n"),
        ("id,rle\na\n", {}, r"train\.csv: row 2: has 1 cells, fewer than the header"),
        ("id,rle\na,12 2\n", {}, r"row 2: pair 1, '12 2': 4x3 has 12 pixels\. No order of pixels would fit"),
        ("id,rle\na,12 1\n", {"start": 0}, r"4x3 has 12 pixels\. With data\.masks\.start=1 all of its runs would fit"),
        ("id,rle\na,0 1\n", {}, r"pixels are counted from 1\. With data\.masks\.start=0 all of its runs would fit"),
        ("id,rle\na,1 999999999999999999\n", {}, r"4x3 has 12 pixels\. No order of pixels would fit"),
        ("id,rle\na,1 2 2 1\n", {}, r"row 2: pair 2, '2 1': it starts inside .* instances of one photo have rows of"),
        ("id,rle\na,-\n", {}, r"row 2: value 1 is '-'.*for an empty mask: data\.masks\.empty='-'\."),
        ("id,rle\na,1 1 4\n", {}, r"row 2: 3 values are an odd number"),
        ('id,rle\na,"1 1\n', {}, r"train\.csv: row 2 is no row of a CSV file"),
    ],
)
def test_a_wrong_table_is_named_with_its_row(root, text, keys, said):
    with pytest.raises(MaskfoldError, match=rf"(?s){said}"):
        load(root, write_runs(root, text) | keys)


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize("content", ["id,rle\nä,1 1\n".encode("latin-1"), "id,rle\na,1 1\n".encode("utf-16")])
def test_another_encoding_is_named(root, content):
    masks = write_runs(root, "")
    (root / "train.csv").write_bytes(content)
    with pytest.raises(MaskfoldError, match=r"train\.csv: row \d is not UTF-8\. Save the file as UTF-8\."):
        load(root, masks)


@pytest.mark.hostile("wrong input")
def test_an_unknown_class_is_named(root):
    masks = {"kind": "runs", "file": "train.csv", "columns": TWO}
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\na.png,cow,1 1\nb.c.png,cat,1 1\n")
    with pytest.raises(MaskfoldError, match=r"row 2: the class 'cow' is none of data\.classes \(cat, dog\)"):
        load(root, masks, **CLASSES)
    assert [*load(root, masks, **CLASSES, on_error="skip")] == ["b.c", "d"]


@pytest.mark.hostile("wrong input")
def test_values_that_nobody_listed_are_named(root, caplog):
    labelled(root)
    picture(root / "labels/d.png", np.where(LABELS == 255, 7, LABELS).astype(np.uint8))
    masks = {"kind": "labels", "folder": "labels", "values": {1: "cat", 2: "dog"}, "background": [255]}
    said = r"d\.png: values that data\.masks does not list: 7; the first of them at x=3, y=0\."
    with pytest.raises(MaskfoldError, match=said):
        load(root, masks, **CLASSES)
    with caplog.at_level(logging.WARNING):
        assert [*load(root, masks, **CLASSES, on_error="skip")] == ["a", "b.c"]
    assert "left out 1 of 4 images" in caplog.text


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": [{"id": 0, "file_name": "a.png"}]}, r"no image of the photo b\.c among its images"),
        ({"images": [{"id": 0, "file_name": "x.png"}]}, r"none of its images is one of the photos, such as 'a\.png'"),
        ({"images": [{"id": n, "file_name": "a.png"} for n in (0, 1)]}, "several images are the photo a"),
        ({"images": [{"id": 0, "file_name": "a.png"}] * 2}, r"images\[1\]: its id 0 is there twice"),
        ({"images": None}, "no list 'images' of objects"),
        ({"categories": [{"id": 7, "name": "cat"}]}, r"its categories are cat, and data\.classes cat, dog"),
        (
            {"annotations": [{"image_id": 0, "category_id": 8}]},
            "annotation 0: its category 8 is none of",
        ),
        ({"annotations": [{"image_id": 5, "category_id": 7}]}, "annotation 0: its image 5 is none of the images"),
        ({"annotations": [{"id": 4, "image_id": 0, "category_id": 7}]}, "annotation 4: its segmentation is neither"),
    ],
)
def test_a_wrong_coco_file_is_named(root, changes, said):
    with pytest.raises(MaskfoldError, match=rf"annotations\.json: {said}"):
        load(root, coco(root, **changes), **CLASSES)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", [b"{", b"[]", b"[" * 200_000, b"\xff\xfe{"])
def test_a_damaged_coco_file_is_named(root, content):
    masks = coco(root)
    (root / "annotations.json").write_bytes(content)
    with pytest.raises(MaskfoldError, match=r"annotations\.json: not "):
        load(root, masks)


@pytest.mark.hostile("memory")
def test_a_size_beyond_measure_is_refused_before_memory_is_taken(root):
    images = [{"id": 0, "file_name": "a.png", "height": 10**9, "width": 10**9}]
    with pytest.raises(MaskfoldError, match=r"the image of a has height 1000000000 .* data\.max_pixels is 100,000,000"):
        load(root, coco(root, images=images, annotations=[]), **CLASSES)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("masks/{image_id}", r"a picture is named by \{image_id\} and \{class\}"),
        ("masks/{class}", r"a picture is named by \{image_id\} and \{class\}"),
        ("../{class}/{image_id}", "without .. and / in front"),
        ("masks/{class}/{image_id}", r"no picture of class dog in .*, such as masks/dog/a\.png"),
        ("{class}_{image_id}", r"no picture of class cat"),
    ],
)
def test_files_that_are_not_there(root, file, said):
    picture(root / "masks/cat/a.png", np.array(CAT, np.uint8) * 255)
    with pytest.raises(MaskfoldError, match=said):
        load(root, {"kind": "files", "file": file}, **CLASSES)


@pytest.mark.hostile("wrong input")
def test_files_of_no_photo_and_of_two_sizes(root):
    for name in ("cat/a", "dog/a", "cat/x"):
        picture(root / f"masks/{name}.png", np.array(CAT, np.uint8) * 255)
    masks = {"kind": "files", "file": "masks/{class}/{image_id}"}
    with pytest.raises(MaskfoldError, match=r"masks without a photo \(1\):\n.*masks/cat/x\.png"):
        load(root, masks, **CLASSES)
    (root / "masks/cat/x.png").unlink()
    picture(root / "masks/dog/a.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(MaskfoldError, match=r"cat/a\.png: the pictures of this photo's classes are of 4x3 and 8x6"):
        load(root, masks, **CLASSES)
    picture(root / "masks/dog/a.jpg", np.zeros((3, 4), np.uint8))
    with pytest.raises(MaskfoldError, match="1 names belong to several files"):
        load(root, masks, **CLASSES)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"masks": {"kind": "rle"}}, r"data\.masks\.kind=rle: there are pictures, runs, labels, files, polygons"),
        ({"masks": {"kind": "polygons"}}, r"data\.masks: kind: polygons takes file \("),
        ({"masks": {"kind": "polygons", "file": "a", "root": "/"}}, r"takes file \(no key root\)"),
        ({"masks": {"kind": "polygons", "file": "../a.json"}}, r"data\.masks\.file=\.\./a\.json: give the name"),
        ({"masks": {"kind": "pictures", "folder": "../masks"}}, r"data\.masks\.folder=\.\./masks"),
        ({"masks": {"kind": "pictures", "folder": "m"}, **CLASSES}, "pictures are masks of one class: see kind: files"),
        ({"masks": {"kind": "runs", "file": "t.csv", "columns": TWO}}, r"\{class\} needs data\.classes"),
        ({"masks": {"kind": "runs", "file": "t.csv", "columns": ONE}, **CLASSES}, r"no \{class\} in it"),
        ({"masks": {"kind": "runs", "file": "t.csv", "order": "diagonal"}}, r"data\.masks: order=diagonal"),
        ({"masks": {"kind": "labels", "folder": "m", "values": {}}}, r"data\.masks\.values=\{\}"),
        ({"masks": {"kind": "labels", "folder": "m", "values": {1: "cow"}}, **CLASSES}, "cow is none of data.classes"),
        ({"masks": {"kind": "labels", "folder": "m", "values": {1: "cat"}}, **CLASSES}, "no value for class dog"),
        ({"masks": {"kind": "labels", "folder": "m", "values": {"red": "cat"}}}, "neither a number of 0 or more nor"),
        ({"images": "../train"}, r"data\.images=\.\./train"),
        ({"test": "a/../../b"}, r"data\.test="),
        ({"group": {"file": "d.csv"}}, r"a table has file, id and column"),
    ],
)
def test_keys_that_make_no_sense(root, keys, said):
    with pytest.raises(MaskfoldError, match=said):
        Competition(root=str(root), **keys).load(jobs=1)


def test_an_absolute_path_is_where_the_user_says(root, tmp_path):
    labels = picture(tmp_path / "elsewhere/a.png", LABELS).parent
    (root / "train/b.c.png").unlink()
    (root / "train/d.png").unlink()
    masks = {"kind": "labels", "folder": str(labels), "values": {1: "cat", 2: "dog"}, "background": [255]}
    assert load(root, masks, test=str(root / "test"), **CLASSES) == {"a": [CAT, DOG]}


def test_the_examples_of_the_documents_are_taken():
    text = (CONF.parent / "docs/how-to/own-photos.md").read_text()
    examples = [yaml.safe_load(block) for block in re.findall(r"(?s)```yaml\n(.*?)```", text)]
    assert len(examples) == 6
    template = yaml.safe_load((CONF / "data/competition.yaml").read_text())
    for example in examples:
        assert example.pop("defaults") == ["competition"]
        keys = template | example
        assert keys.keys() == template.keys()
        assert isinstance(build(keys), Competition)


# What was made is made once, and again when what it was made of has changed.


def test_only_the_changed_row_is_drawn_again(root, drawn):
    masks = write_runs(root, "id,rle\na,2 1 7 2\nb.c,1 1\n")
    first = load(root, masks)
    assert drawn == ["a", "b.c", "d"]
    before = {path.name: path.stat().st_mtime_ns for path in Path("data/photos/masks").glob("*.b2nd")}
    drawn.clear()
    assert load(root, masks) == first
    assert drawn == []
    write_runs(root, "id,rle\nb.c,1 1\na,2 1 7 1\n")  # in another order, which is no change
    assert load(root, masks) == first | {"a": rows("..#.", "#...", "....")}
    assert drawn == ["a"]
    after = {path.name: path.stat().st_mtime_ns for path in Path("data/photos/masks").glob("*.b2nd")}
    assert [name for name in before if before[name] != after[name]] == ["a.b2nd"]


def test_other_rules_other_classes_and_another_size_are_drawn_again(root, drawn):
    masks = write_runs(root, "id,rle\na,2 1\n")
    load(root, masks)
    drawn.clear()
    assert load(root, masks | {"start": 0})["a"] == rows("....", "....", "#...")
    assert drawn == ["a", "b.c", "d"]
    drawn.clear()
    picture(root / "train/a.png", np.zeros((2, 4), np.uint8))
    assert load(root, masks | {"start": 0})["a"] == rows(".#..", "....")
    assert drawn == ["a"]


@pytest.mark.parametrize("kind", ["labels", "files"])
def test_only_the_changed_picture_is_drawn_again(root, drawn, kind):
    labelled(root)
    picture(root / "masks/cat/a.png", np.array(CAT, np.uint8) * 255)
    picture(root / "masks/dog/b.c.png", np.array(DOG, np.uint8) * 255)
    masks = {
        "labels": {"kind": kind, "folder": "labels", "values": {1: "cat", 2: "dog"}, "background": [255]},
        "files": {"kind": kind, "file": "masks/{class}/{image_id}"},
    }[kind]
    changed = {"labels": root / "labels/a_mask.png", "files": root / "masks/dog/a.png"}[kind]
    load(root, masks, **CLASSES)
    drawn.clear()
    (root / "labels/d.png").touch()  # its content is the same
    load(root, masks, **CLASSES)
    assert drawn == []
    picture(changed, np.full((3, 4), 2, np.uint8))
    assert load(root, masks, **CLASSES)["a"][1] == rows("####", "####", "####")
    assert drawn == ["a"]
    if kind == "files":
        changed.unlink()
        assert load(root, masks, **CLASSES)["a"][1] == EMPTY


def test_only_the_changed_annotation_is_drawn_again(root, drawn):
    masks = coco(root)
    load(root, masks, **CLASSES)
    drawn.clear()
    coco(root, info={"year": 2030})
    load(root, masks, **CLASSES)
    assert drawn == []
    coco(root, annotations=[{"image_id": 2, "category_id": 7, "segmentation": [[0, 0, 1, 0, 1, 1, 0, 1]]}])
    assert load(root, masks, **CLASSES)["d"][0] == rows("#...", "....", "....")
    assert sorted(drawn) == ["a", "b.c", "d"]  # two of which lost theirs


def test_nothing_is_read_when_nothing_has_changed(root, monkeypatch):
    masks = write_runs(root, "id,rle\na,2 1 7 2\n")
    first = competition(root, masks).load(jobs=1)
    monkeypatch.setattr(conversion, "_convert_one", None)
    monkeypatch.setattr("maskfold.data.run_tables.records", None)
    assert competition(root, masks).load(jobs=1).equals(first)


@pytest.mark.hostile("replaced files")
def test_a_mask_that_was_removed_replaced_or_damaged_is_made_again(root, drawn):
    masks = write_runs(root, "id,rle\na,2 1\nb.c,3 1\nd,4 1\n")
    first = load(root, masks)
    drawn.clear()
    made = {name: Path(f"data/photos/masks/{name}.b2nd") for name in ("a", "b.c", "d")}
    made["a"].unlink()
    made["b.c"].write_bytes(made["d"].read_bytes())
    made["d"].write_bytes(b"")
    assert load(root, masks) == first
    assert sorted(drawn) == ["a", "b.c", "d"]


@pytest.mark.hostile("killed")
def test_two_processes_make_each_mask_once(root, drawn):
    masks = write_runs(root, "id,rle\na,2 1\nb.c,3 1\nd,4 1\n")
    first = load(root, masks)
    for path in Path("data/photos").rglob("*.*"):
        path.unlink()
    drawn.clear()
    ready = os.pipe()
    child = os.fork()
    if child == 0:  # another run, which holds the folder while it makes them
        try:
            with locked(Path("data/photos/masks")):
                os.write(ready[1], b".")
                time.sleep(0.3)
                with pytest.MonkeyPatch.context() as patched:
                    patched.setattr(conversion, "locked", lambda *_, **__: nullcontext())
                    load(root, masks)
                os._exit(0)
        finally:
            os._exit(1)
    os.read(ready[0], 1)
    assert load(root, masks) == first
    assert drawn == []
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.hostile("killed")
def test_what_was_made_before_a_kill_is_kept(root, drawn, monkeypatch):
    masks = write_runs(root, "id,rle\na,2 1\nb.c,3 1\nd,4 1\n")
    write = conversion.write_bytes

    def killed(path, content):
        if path.stem == "d":
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(conversion, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            load(root, masks)
    assert not Path("data/photos/masks/d.b2nd").exists()
    drawn.clear()
    assert [*load(root, masks)] == ["a", "b.c", "d"]
    assert drawn == ["d"]


@pytest.mark.hostile("memory")
def test_masks_of_very_large_photos_are_made_one_at_a_time(root, monkeypatch):
    picture(root / "train/d.png", np.zeros((3, 40), np.uint8))
    masks = write_runs(root, "id,rle\na,1 1\nb.c,2 1\nd,3 1\n")
    monkeypatch.setattr("maskfold.data.windows.LARGE", 50)
    monkeypatch.setattr(conversion, "LARGE", 50)
    calls, run = [], conversion.map_unordered

    def noted(function, items, *arguments, jobs, **options):
        calls.append((sorted(item.image_id for item, *_ in items), jobs))
        return run(function, items, *arguments, jobs=1, **options)

    monkeypatch.setattr(conversion, "map_unordered", noted)
    competition(root, masks).load(jobs=7)

    assert calls == [(["a", "b.c"], 7), (["d"], 1)]


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", None])
def test_without_its_record_every_mask_is_made_again_and_is_the_same(root, drawn, content):
    masks = write_runs(root, "id,rle\na,2 1\n")
    load(root, masks)
    before = [path.read_bytes() for path in sorted(Path("data/photos/masks").glob("*.b2nd"))]
    record = Path("data/photos/masks.parquet")
    record.unlink() if content is None else record.write_bytes(content)
    drawn.clear()
    load(root, masks)
    assert drawn == ["a", "b.c", "d"]
    assert [path.read_bytes() for path in sorted(Path("data/photos/masks").glob("*.b2nd"))] == before


@pytest.mark.hostile("full or read-only disk")
def test_a_disk_that_is_full_is_said_and_blames_no_photo(root, monkeypatch):
    def full(path, content):
        raise MaskfoldError(f"{path}: cannot be written: No space left on device.")

    monkeypatch.setattr(conversion, "write_bytes", full)
    with pytest.raises(MaskfoldError, match=r"^data/photos/masks/a\.b2nd: cannot be written"):
        load(root, write_runs(root, "id,rle\na,2 1\n"), on_error="skip")


@pytest.mark.hostile("replaced files")
def test_a_mask_whose_label_became_wrong_is_gone(root):
    masks = write_runs(root, "id,rle\na,2 1\n")
    load(root, masks)
    write_runs(root, "id,rle\na,13 1\n")
    assert [*load(root, masks, on_error="skip")] == ["b.c", "d"]
    assert not Path("data/photos/masks/a.b2nd").exists()


@pytest.mark.hostile("memory")
def test_a_long_table_is_not_held_in_memory(root, tmp_path):
    runs = " ".join(f"{start} 1" for start in range(1, 13, 2))
    with (root / "train.csv").open("w") as file:
        file.write("id,note,rle\n")
        file.writelines(f"a,{'x' * 1_000_000},{runs}\n" for _ in range(30))
    masks = {"kind": "runs", "file": "train.csv", "columns": ONE, "order": "columns"}
    tracemalloc.start()
    drawn = load(root, masks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert drawn["a"] == rows("#.#.", ".#.#", "#.#.")  # pixels 1, 3, 5, 7, 9, 11, down the columns
    assert peak < 15_000_000  # of 30 MB
