"""Folders behind the interface that addresses share."""

from pathlib import Path

import pytest

from maskfold.errors import MaskfoldError
from maskfold.storage import StoredFile, file_here, is_address, open_storage


def test_a_folder_lists_reads_and_writes_whole_files(tmp_path):
    storage = open_storage(str(tmp_path))
    storage.write("b/2.JPG", b"two")
    storage.write("a.png", b"one")
    storage.write("a/1.png", b"in")
    storage.write(".hidden/x.png", b"")

    assert [(item.name, item.size) for item in storage.items()] == [("a.png", 3), ("a/1.png", 2), ("b/2.JPG", 3)]
    assert [item.name for item in storage.items([".jpg"])] == ["b/2.JPG"]
    assert isinstance(next(storage.items()), StoredFile)
    assert storage.read("b/2.JPG") == b"two"
    assert storage.local("a.png") == tmp_path / "a.png"
    assert [storage.exists(name) for name in ("a.png", "b", "c")] == [True, False, False]


@pytest.mark.hostile("names and paths")
def test_names_stay_inside(tmp_path):
    storage = open_storage(str(tmp_path / "photos"))
    (tmp_path / "secret").write_text("s")

    for act in (storage.read, storage.local, lambda name: storage.write(name, b"")):
        with pytest.raises(MaskfoldError, match="inside its folder"):
            act("../secret")


@pytest.mark.hostile("wrong input")
def test_what_is_missing_is_named(tmp_path):
    storage = open_storage(str(tmp_path / "photos"))

    with pytest.raises(MaskfoldError, match=r"photos: no such folder"):
        next(storage.items())
    with pytest.raises(MaskfoldError, match=r"a\.png: cannot be read: No such file"):
        storage.read("a.png")


def test_what_an_address_is():
    assert is_address("s3://bucket/photos")
    assert not is_address("/photos")


@pytest.mark.hostile("secrets")
def test_a_file_that_is_read_beside_others_is_one_of_this_machine():
    assert file_here("~/out/routes.parquet", key="routes") == Path.home() / "out/routes.parquet"
    with pytest.raises(MaskfoldError, match="give the path itself, /out/routes"):
        file_here("file:///out/routes.parquet", key="routes")
    with pytest.raises(MaskfoldError, match=r"^quality=gs://b/q/quality.json: .* first, then give quality=q/"):
        file_here("gs://b/q/quality.json", key="quality")
    with pytest.raises(MaskfoldError, match=r"has a key or a password in it") as refused:
        file_here("s3://key:hush@b/q/quality.json", key="quality")
    assert "hush" not in str(refused.value)
