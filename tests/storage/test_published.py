"""Published versions as they are read: what a manifest lists, byte for byte, and nothing else."""

import hashlib
import json
from pathlib import Path

import pytest

from maskfold.errors import MaskfoldError
from maskfold.storage import FolderStorage
from maskfold.storage.published import CLAIM, MANIFEST, open_model, open_published


def version(folder: Path, name: str, **content: bytes) -> Path:
    """Write a version as it is published, with a manifest made by hand; names of files have a dot for a __."""
    place = folder / name
    place.mkdir(parents=True)
    listed = {}
    for key, value in content.items():
        file = key.replace("__", ".")
        (place / file).write_bytes(value)
        listed[file] = {"sha256": hashlib.sha256(value).hexdigest(), "size": len(value)}
    manifest = {"name": folder.name, "version": name, "made": "2026-03-01T00:00:00+00:00", "files": listed}
    (place / MANIFEST).write_text(json.dumps(manifest))
    return place


def test_the_latest_version_is_the_greatest_name_of_those_that_are_whole(tmp_path):
    shop = tmp_path / "shop"
    for name in ("v9", "v10", "v2"):
        version(shop, name, model__onnx=name.encode())
    (shop / "v11").mkdir()
    (shop / "v11" / "model.onnx").write_bytes(b"half")
    (shop / "v11" / CLAIM).write_text("{}")

    assert open_published(str(shop)).read("model.onnx") == b"v10"
    assert open_published(str(shop), version="v2").read("model.onnx") == b"v2"
    assert open_published(str(shop / "v9")).local("model.onnx").read_bytes() == b"v9"
    for half in (str(shop / "v11"), str(shop)):
        with pytest.raises(MaskfoldError, match="not published to its end") as refused:
            open_published(half, version="v11" if half == str(shop) else "latest")
        assert f"{shop}/v11/{MANIFEST}" in str(refused.value)


@pytest.mark.hostile("replaced files")
def test_only_what_the_manifest_lists_is_read_and_only_as_it_was_published(tmp_path):
    place = version(tmp_path / "shop", "1", model__onnx=b"model", classes__parquet=b"classes")
    (place / "more.txt").write_bytes(b"not listed")
    published = open_published(str(place))

    assert [(item.name, item.size) for item in published.items()] == [("classes.parquet", 7), ("model.onnx", 5)]
    assert [item.name for item in published.items([".onnx"])] == ["model.onnx"]
    assert [published.exists(name) for name in ("model.onnx", "more.txt")] == [True, False]
    with pytest.raises(MaskfoldError, match=r"more\.txt: not in this version's"):
        published.read("more.txt")
    with pytest.raises(MaskfoldError, match="does not change"):
        published.write("model.onnx", b"other")
    (place / "model.onnx").write_bytes(b"other")
    for read in (published.read, published.local):
        with pytest.raises(MaskfoldError, match=r"shop/1/model\.onnx: not the file that manifest\.json lists"):
            read("model.onnx")


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    "files",
    [
        {"../../secret": {"sha256": "0" * 64, "size": 1}},
        {"model.onnx": {"sha256": "short", "size": 1}},
        {"model.onnx": {}},
        [],
    ],
)
def test_a_damaged_manifest_is_refused(files, tmp_path):
    place = version(tmp_path / "shop", "1")
    (place / MANIFEST).write_text(json.dumps({"name": "shop", "version": "1", "made": "", "files": files}))
    with pytest.raises(MaskfoldError, match=r"manifest\.json: damaged \("):
        open_published(str(place))


def test_a_model_is_named_by_its_file_its_folder_its_version_or_its_models_folder(tmp_path):
    export = tmp_path / "exports"
    export.mkdir()
    (export / "model.onnx").write_bytes(b"plain")
    place = version(tmp_path / "shop", "1", model__onnx=b"published")

    for text, content in {
        export: b"plain",
        export / "model.onnx": b"plain",
        tmp_path / "shop": b"published",
        place: b"published",
        place / "model.onnx": b"published",
    }.items():
        storage, name = open_model(str(text), file="model.onnx")
        assert (name, storage.read(name)) == ("model.onnx", content)
    assert isinstance(open_model(str(export), file="model.onnx")[0], FolderStorage)


@pytest.mark.hostile("killed")
def test_a_version_without_a_manifest_is_refused_by_each_of_its_names(tmp_path):
    place = version(tmp_path / "shop", "1", model__onnx=b"half")
    (place / MANIFEST).rename(place / CLAIM)

    for text in (place, place / "model.onnx", tmp_path / "shop"):
        with pytest.raises(MaskfoldError, match="not published to its end"):
            open_model(str(text), file="model.onnx")


def test_who_names_the_folder_of_all_models_is_told_their_names(tmp_path):
    version(tmp_path / "shop", "1", model__onnx=b"m")
    with pytest.raises(MaskfoldError, match=r"no published model.*\n  shop$"):
        open_published(str(tmp_path))
