"""What lies in a folder of photos besides them is said, and refused unless one asks for less."""

import logging
import os
from pathlib import Path

import pytest
from PIL import Image

from maskfold.data.sources import Carvana, Pairs
from maskfold.errors import MaskfoldError


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """A good pair in `photos/`, the current folder's."""
    monkeypatch.chdir(tmp_path)
    for name in ("images/a.png", "masks/a.png"):
        write(Path("photos", name))
    return Path("photos")


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 4), 255).save(path, "PNG")


def link(root: Path) -> None:
    (root / "images/b.png").symlink_to("/nowhere/b.png")


def folder(root: Path) -> None:
    write(root / "images/more/c.png")


def line_break(root: Path) -> None:
    write(root / "images/d\ne.png")


def other_encoding(root: Path) -> None:
    write(root / os.fsdecode(b"images/\xe4.png"))


def masks_link(root: Path) -> None:
    (root / "masks/a_mask.gif").symlink_to("gone.gif")


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (link, "photos/images/b.png: a link to /nowhere/b.png, where no file is"),
        (folder, "photos/images/more: a folder with images in it, such as 'c.png'; only files beside it are looked at"),
        (line_break, r"'photos/images/d\ne.png': its name is not UTF-8, or has a line break"),
        (other_encoding, r"'photos/images/\udce4.png': its name is not UTF-8, or has a line break"),
        (masks_link, "photos/masks/a_mask.gif: a link to gone.gif, where no file is"),
    ],
)
def test_what_cannot_be_a_photo_is_listed_and_left_out_on_demand(root, caplog, make, said):
    make(root)

    with pytest.raises(MaskfoldError) as error:
        Pairs(root="photos").load(jobs=1)
    assert str(error.value).startswith("data photos (photos): 0 of 1 images and 1 other things cannot be used.\n")
    assert f" that no image can have (1):\n  {said}" in str(error.value)
    assert "leave these out with data.on_error=skip (1 remain)." in str(error.value)
    with caplog.at_level(logging.WARNING):
        assert Pairs(root="photos", on_error="skip").load(jobs=1)["image_id"].tolist() == ["a"]
    assert said in caplog.text


@pytest.mark.hostile("names and paths")
def test_carvanas_folders_are_looked_at_likewise():
    write(Path("cars/train/a_01.jpg"))
    write(Path("cars/train_masks/a_01_mask.gif"))
    Path("cars/test").symlink_to(Path.cwd() / "photos/images")
    Path("cars/train/b_01.jpg").symlink_to("gone.jpg")
    Path("photos/images/a.png").rename("photos/images/c_01.png")
    with pytest.raises(
        MaskfoldError, match=r"0 of 2 images and 1 other things(.*\n)+.*train/b_01\.jpg: a link to gone"
    ):
        Carvana(root="cars").load(jobs=1)


def test_other_folders_and_those_that_are_read_by_themselves_are_nobodys_business(root):
    (root / "images/notes").mkdir()
    (root / "images/notes/readme.txt").write_text("")
    (root / "images/a.png").rename(root / "a.png")
    write(root / "new/x.png")
    table = Pairs(root="photos", images=".", test="new").load(jobs=1)
    assert table["image_id"].tolist() == ["a", "x"]


def test_a_link_to_a_photo_is_a_photo(root, tmp_path):
    write(tmp_path / "elsewhere/b.png")
    for name in ("images/b.png", "masks/b.png"):
        (root / name).symlink_to(tmp_path / "elsewhere/b.png")
    assert Pairs(root="photos").load(jobs=1)["image_id"].tolist() == ["a", "b"]


def test_a_folder_without_photos_says_what_it_holds(root):
    folder(root)
    (root / "images/a.png").unlink()
    with pytest.raises(MaskfoldError, match=r"images: no image files(.*\n)+.*images/more: a folder with images in it"):
        Pairs(root="photos").table()


@pytest.mark.hostile("names and paths")
def test_a_root_that_is_not_utf8_is_refused():
    with pytest.raises(MaskfoldError, match=r"data\.root='/\\udce4': the folder's name is not UTF-8"):
        Pairs(root=os.fsdecode(b"/\xe4"))
