"""The rows that a fold learns from and is measured on."""

from pathlib import Path

import pytest
from PIL import Image

from maskfold.data.sources import Carvana
from maskfold.pseudo.rows import read_fold


@pytest.mark.hostile("metadata")
def test_metadata_is_neither_a_weight_nor_a_kind_of_label(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a_01", "b_01"):
        for path in (Path("photos/train", f"{name}.png"), Path("photos/train_masks", f"{name}_mask.png")):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (6, 4), 255).save(path)
    Path("photos/metadata.csv").write_text("id,weight,soft,fold\na,0,1,5\nb,0,1,5\n")
    Path("folds.csv").write_text("image_id,group,fold\na_01,a,0\nb_01,b,1\n")

    rows = read_fold(Carvana(root="photos"), split_file="folds.csv", fold=0, pseudo=None)

    assert rows.training["image_id"].tolist() == ["b_01"]
    assert not {"weight", "soft", "fold"} & {*rows.training.columns}
