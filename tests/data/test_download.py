"""Downloading, against a stand-in for Kaggle's CLI that packs what lies in a folder."""

import sys
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
    print(area, verb, options["-c"], options["-f"], file=asked)
piece = options["-f"].removesuffix(".zip")
target = pathlib.Path(options["-p"])
target.mkdir(parents=True, exist_ok=True)
if pathlib.Path("offline").exists():
    sys.exit("403 - Forbidden")
if pathlib.Path("broken").exists():
    (target / options["-f"]).write_text("half")
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
