"""Downloading, against a stand-in for Kaggle's CLI that packs what lies in a folder."""

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.data import data

CLI = f"""#!{sys.executable}
import pathlib, shutil, sys
_, area, verb, *rest = sys.argv
options = dict(zip(rest[::2], rest[1::2]))
with open("asked", "a") as asked:
    print(area, verb, options["-c"], options.get("-f", "all"), file=asked)
file = options.get("-f", options["-c"] + ".zip")
piece = file.removesuffix(".zip")
target = pathlib.Path(options["-p"])
target.mkdir(parents=True, exist_ok=True)
if pathlib.Path("offline").exists():
    sys.exit("403 - Forbidden")
if pathlib.Path("broken").exists():
    (target / file).write_text("half")
elif "-f" not in options:
    shutil.make_archive(target / piece, "zip", "kaggle")
else:
    shutil.make_archive(target / piece, "zip", "kaggle", piece)
"""
PIECES = ["train", "train_masks", "test", "metadata.csv", "sample_submission.csv"]
PLACE = Path("data/carvana")


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A working folder, and on PATH a CLI that has all pieces."""
    for piece in PIECES:
        path = tmp_path / "kaggle" / piece
        path = path if path.suffix else path / "photo.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(piece)
    cli = tmp_path / "bin/kaggle"
    cli.parent.mkdir()
    cli.write_text(CLI)
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", str(cli.parent))
    monkeypatch.chdir(tmp_path)


def test_every_piece_is_unpacked_in_its_place_and_asked_for_once(kaggle):
    for _ in range(2):
        assert data(compose("data", [])) == PLACE

    assert (PLACE / "train_masks/photo.jpg").read_text() == "train_masks"
    assert (PLACE / "metadata.csv").read_text() == "metadata.csv"
    asked = Path("asked").read_text().splitlines()
    assert asked == [f"competitions download carvana-image-masking-challenge {piece}.zip" for piece in PIECES]
    assert not [*PLACE.rglob("*.zip")]


def test_what_is_there_is_kept(kaggle):
    (PLACE / "test").mkdir(parents=True)
    data(compose("data", ["pieces=[train,test]"]))
    assert Path("asked").read_text().split()[-1] == "train.zip"
    assert not [*(PLACE / "test").iterdir()]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("offline", r"^train\.zip: the Kaggle CLI could not download it; it said why above"),
        ("broken", r"\.download/train\.zip: cannot be unpacked \(File is not a zip file\)\. Remove the file and"),
    ],
)
def test_what_fails_is_named(kaggle, trouble, said):
    Path(trouble).touch()
    with pytest.raises(MaskfoldError, match=said):
        data(compose("data", []))
    assert not (PLACE / "train").exists()


def test_without_the_cli_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MaskfoldError, match=r"The Kaggle CLI is missing: pip install kaggle.*accept the rules of carv"):
        data(compose("data", []))


@pytest.mark.parametrize("option", ["studio", "pairs"])
def test_data_of_no_competition_cannot_be_downloaded(option):
    with pytest.raises(MaskfoldError, match=r"names no competition, so there is nothing to download\. Name one with"):
        data(compose("data", [f"data={option}", "data.root=photos"]))


@pytest.fixture
def salt(kaggle):
    """What the CLI has of a competition: a table, a zip of a folder, a zip of loose files, and one of a table."""
    root = Path("kaggle")
    for piece in PIECES:
        path = root / piece
        path.unlink() if path.is_file() else shutil.rmtree(path)
    (root / "sample_submission.csv").write_text("id,rle_mask\n")
    for name, members in (
        ("images.zip", ["images/a.png", "images/deep/b.png"]),
        ("depths.zip", ["x.csv", "y.csv"]),
        ("train.csv.zip", ["train.csv"]),
    ):
        with zipfile.ZipFile(root / name, "w") as archive:
            for member in members:
                archive.writestr(member, member)


def contents(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


SALT = {
    "sample_submission.csv",
    "images/a.png",
    "images/deep/b.png",
    "depths/x.csv",
    "depths/y.csv",
    "train.csv",
}


def test_all_of_any_competition_is_unpacked_with_the_zips_in_it_and_the_next_step_said(salt, caplog):
    with caplog.at_level("INFO"):
        for _ in range(2):
            assert data(compose("data", ["competition=tgs-salt"])) == Path("data/tgs-salt")

    assert contents(Path("data/tgs-salt")) == SALT
    assert Path("asked").read_text().splitlines() == ["competitions download tgs-salt all"]
    assert caplog.messages[-1] == (
        "next: make join SAMPLE=data/tgs-salt/sample_submission.csv TRAIN=data/tgs-salt/train.csv IMAGES=... MASKS=..."
    )


@pytest.mark.hostile("killed")
def test_killed_while_it_unpacks_it_goes_on_and_leaves_nothing_half(salt, monkeypatch):
    moved = []

    def killed(path, place):
        moved.append(place)
        if len(moved) == 2:
            raise KeyboardInterrupt
        os.rename(path, place)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            data(compose("data", ["competition=tgs-salt", "folder=salt"]))

    data(compose("data", ["competition=tgs-salt", "folder=salt"]))

    assert contents(Path("data/salt")) == SALT


@pytest.mark.hostile("damaged files")
def test_a_zip_that_is_cut_short_is_named_and_nothing_is_moved(salt):
    Path("broken").touch()
    with pytest.raises(MaskfoldError, match=r"\.download/tgs-salt\.zip: cannot be unpacked .* Remove the file and run"):
        data(compose("data", ["competition=tgs-salt"]))
    assert [path.name for path in Path("data/tgs-salt").iterdir()] == [".download"]


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("keys", [["competition=../elsewhere"], ["competition=c", "folder=/tmp/x"]])
def test_a_name_that_leads_elsewhere_is_refused(kaggle, keys):
    with pytest.raises(MaskfoldError, match=r"(competition|folder)="):
        data(compose("data", keys))
