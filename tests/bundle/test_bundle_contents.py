"""What goes into a bundle: weights that rebuild the same network, code that imports, data of photos alone."""

import csv
import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from maskfold.bundle import contents, making
from maskfold.bundle.notebook import notebook
from maskfold.data.sources import Pairs
from maskfold.errors import MaskfoldError


def test_a_checkpoint_keeps_its_networks_weights_and_nothing_of_training():
    weight = torch.tensor([1.0, 1 / 3])
    checkpoint = {
        "state_dict": {
            "network.model.w": weight,
            "network.auxiliary.w": weight,
            "loss.w": weight,
            "network.n": weight.int(),
        },
        "construction": {"_target_": "torch.nn.Identity"},
        "network": {"channels": 5},
        "optimizer_states": [{"state": {0: weight}}],
        "loops": {},
    }

    whole = contents.without_training(checkpoint)
    half = contents.without_training(checkpoint, half=True)

    assert whole.keys() == {"state_dict", "construction", "network"}
    assert whole["state_dict"].keys() == {"network.model.w", "network.n"}
    assert torch.equal(whole["state_dict"]["network.model.w"], weight)
    assert half["state_dict"]["network.model.w"].dtype == torch.float16
    assert half["state_dict"]["network.n"].dtype == torch.int32


def test_the_code_has_its_configuration_its_version_and_the_users_own_modules(tmp_path):
    (tmp_path / "my_model.py").write_text("LAYERS = 3\n")

    contents.copy_code(tmp_path / "code", [str(tmp_path / "my_model.py")])

    code = tmp_path / "code"
    assert (code / "my_model.py").read_text() == "LAYERS = 3\n"
    assert (code / "maskfold" / "conf" / "fuse.yaml").is_file()
    assert (code / "maskfold" / "stages" / "fuse.py").is_file()
    assert not [*code.rglob("*.pyc")]
    (metadata,) = code.glob("maskfold-*.dist-info/METADATA")
    assert "Name: maskfold" in metadata.read_text()
    with pytest.raises(MaskfoldError, match=r"code=.*no_such\.py"):
        contents.copy_code(tmp_path / "again", ["no_such.py"])


def test_every_file_is_in_the_manifest_by_its_hash(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("1\n")
    making.write_facts(tmp_path, {"ensemble": "tiny"})

    facts = json.loads((tmp_path / "bundle.json").read_text())

    assert facts["files"] == {"code/a.py": {"bytes": 2, "sha256": hashlib.sha256(b"1\n").hexdigest()}}


def test_photos_are_spread_over_the_test_photos_and_train_photos_stand_in():
    table = pd.DataFrame({"image_id": [*"abcdefg"], "image": [*"abcdefg"], "split": ["train"] * 2 + ["test"] * 5})

    assert making.photos_to_rehearse(table, 3)["image_id"].tolist() == ["c", "e", "g"]
    assert making.photos_to_rehearse(table, 9)["image_id"].tolist() == [*"cdefg"]
    assert making.photos_to_rehearse(table[:2], 9)["image_id"].tolist() == ["a", "b"]


def test_the_sample_beside_rehearsed_photos_has_their_rows_in_its_order(tmp_path):
    root = tmp_path / "data"
    (root / "photos").mkdir(parents=True)
    rows = [["id", "rle"], ["c", "1 1"], ["a", "1 1"], ["b", "1 1"]]
    with (root / "order.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    for name in "abcd":
        (root / "photos" / f"{name}.png").write_bytes(name.encode())
    rules = {"columns": {"id": "{image_id}", "rle": "{runs}"}, "empty": "-"}
    source = Pairs(root=str(root), images=None, masks=None, test="photos", submission=rules, sample="order.csv")
    table = source.table()

    def sample_of(names: str) -> list[list[str]]:
        photos = table[table["image_id"].isin([*names])]
        place = tmp_path / names
        making.lay_photos(place, photos, source, test="photos", sample="order.csv")
        assert sorted(path.stem for path in (place / "photos").iterdir()) == sorted(names)
        return [line.split(",") for line in (place / "order.csv").read_text().splitlines()]

    assert sample_of("ac") == [["id", "rle"], ["c", "1 1"], ["a", "1 1"]]
    assert sample_of("d") == [["id", "rle"], ["d", "-"]]  # a train photo's, for one


@pytest.mark.hostile("foreign files")
def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(MaskfoldError, match="something else than a bundle"):
        making.refuse_foreign(tmp_path)


def test_what_is_too_large_for_an_upload_is_refused_with_its_parts():
    with pytest.raises(MaskfoldError, match=r"gigabytes=2: experiments 1\.90 GB, wheels 0\.20 GB, all 2\.10 GB"):
        making.refuse_too_large({"experiments": 1_900_000_000, "wheels": 200_000_000, "all": 2_100_000_000}, 2)


def test_the_notebook_is_one_and_its_cells_compile():
    content = json.loads(notebook("tiny"))

    assert (content["nbformat"], [cell["cell_type"] for cell in content["cells"]]) == (4, ["markdown", "code", "code"])
    for cell in content["cells"][1:]:
        compile("".join(cell["source"]), "cell", "exec")


def test_a_zip_of_one_bundle_has_the_same_bytes_twice(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "a.txt").write_text("a")

    first = making.write_zip(folder).read_bytes()
    (folder / "a.txt").write_text("a")

    assert making.write_zip(Path(folder)).read_bytes() == first
