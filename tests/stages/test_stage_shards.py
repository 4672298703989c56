"""The door of shards: what it writes, what it says, what it refuses."""

import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.files import locked
from maskfold.shards.source import ShardedPhotos
from maskfold.stages.shards import shards
from shard_photos import labelled_photos


def run(*overrides: str):
    return shards(compose("shards", ["jobs=1", *overrides]))


def test_photos_are_written_into_a_folder_of_the_datas_name_and_again_are_not(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    labelled_photos(tmp_path / "products", 15)
    first = run("data=label_table", "data.root=products")
    assert [(one.month, one.photos, one.state) for one in first] == [
        ("2026-01", 7, "written"),
        ("2026-02", 6, "written"),
        ("undated", 2, "written"),
    ]
    assert (
        "shards/products: 15 photos in shards; train on them with data=shards data.root=shards/products" in caplog.text
    )
    assert {one.state for one in run("data=label_table", "data.root=products")} == {"kept"}
    assert len(ShardedPhotos(root="shards/products").as_found()) == 15
    assert [one.month for one in run("data=label_table", "data.root=products", "to=other", "months=[2026-02]")] == [
        "2026-02"
    ]
    with locked(tmp_path / "shards/products"), pytest.raises(MaskfoldError, match="another run is writing here"):
        run("data=label_table", "data.root=products")


@pytest.mark.hostile("wrong input")
def test_masks_and_shards_are_not_put_in_shards(tiny_photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MaskfoldError, match="has masks, which are not put in shards"):
        run("data=pairs", f"data.root={tiny_photos}")
    with pytest.raises(MaskfoldError, match="is in shards already"):
        run("data=shards", "data.root=shards/products")
