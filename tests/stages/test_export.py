"""Exporting a trained member: one file that says what its networks say, its weights, and where they come from."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors import safe_open

from maskfold.config import build, compose
from maskfold.errors import MaskfoldError
from maskfold.export.making import onnx_file
from maskfold.export.parity import generated_photo
from maskfold.maskers import open_masker
from maskfold.runs.provenance import read_provenance
from maskfold.stages import export as stage
from maskfold.stages.export import export
from maskfold.storage import FolderStorage

FOLDER = Path("exports/tiny_fold0")


def export_tiny(*overrides: str) -> FolderStorage:
    return export(compose("export", [*overrides]))


@pytest.fixture(scope="module")
def made() -> list[bytes]:
    """The ONNX file of the first export, which takes seconds; the others are given the same."""
    return []


@pytest.fixture
def quick(made, monkeypatch) -> None:
    monkeypatch.setattr(
        stage,
        "onnx_file",
        lambda *graph, **names: made[0] if made else made.append(onnx_file(*graph, **names)) or made[0],
    )


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_an_export_answers_as_the_network_does_and_says_where_it_comes_from(trained, quick):
    export_tiny("name=tiny", "fold=0")

    masker = open_masker(exported=str(FOLDER / "model.onnx"), recipe=None)
    recipe = build(
        compose("fuse", ["ensemble=linknet34", "ensemble.members=[{experiment: tiny, folds: [0]}]"]).ensemble
    )
    networks = open_masker(exported=None, recipe=recipe, accelerator="cpu")
    assert (masker.name, masker.identity, masker.members) == ("tiny_fold0", networks.identity, ("tiny",))
    for size in [(61, 45), (33, 120)]:
        photos = [generated_photo(*size, seed) for seed in range(3)]
        for one, other in zip(masker.answer(photos), networks.answer(photos), strict=True):
            assert np.abs(one.mean.astype(int) - other.mean).max() <= 1
    card = read_provenance(FolderStorage(FOLDER))
    assert card.files == {name: hashes(FOLDER)[name] for name in ("model.onnx", "model.safetensors")}
    assert [(one.member, one.fold) for one in card.weights] == [("tiny", 0)]
    assert card.data[0].name == "tiny"
    assert card.data[0].photos == 12
    with safe_open(FOLDER / "model.safetensors", framework="np") as weights:
        assert sorted(weights.keys()) == ["tiny.fold0.model.0.bias", "tiny.fold0.model.0.weight"]
        assert json.loads(weights.metadata()["tiny.fold0"])["share"] == 1
    assert str(Path.cwd()).encode() not in (FOLDER / "model.onnx").read_bytes()
    assert b"maskfold/export" not in (FOLDER / "model.onnx").read_bytes()  # nor where the code lies


@pytest.mark.hostile("killed")
def test_killed_between_its_files_what_is_there_is_whole_and_the_next_export_mends_it(trained, quick, monkeypatch):
    export_tiny("name=tiny", "fold=0")
    before = hashes(FOLDER)
    real, written = FolderStorage.write, []

    def killed(self, name, content):
        if len(written) == kills:
            raise KeyboardInterrupt
        written.append(name)
        real(self, name, content)

    for kills in range(4):
        for path in FOLDER.iterdir():
            path.unlink()
        written.clear()
        monkeypatch.setattr(FolderStorage, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            export_tiny("name=tiny", "fold=0")
        monkeypatch.setattr(FolderStorage, "write", real)
        assert len(written) == kills
        assert not (FOLDER / "provenance.json").exists()  # the last thing written
        after = hashes(FOLDER)
        assert all(after[name] == before[name] for name in after if name.startswith("model."))
    export_tiny("name=tiny", "fold=0")
    assert open_masker(exported=str(FOLDER), recipe=None).name == "tiny_fold0"


def test_a_file_that_says_something_else_is_not_written(trained, quick, monkeypatch):
    export_tiny("name=tiny", "fold=0")
    before = hashes(FOLDER)
    real = stage.branches_of

    def changed(members):
        branches = real(members)
        branches[0].voters[0].network.model[0].bias.data += 1
        return branches

    monkeypatch.setattr(stage, "branches_of", changed)
    with pytest.raises(
        MaskfoldError, match=r"tiny_fold0: .* levels apart from the networks' own, so it is not written"
    ):
        export_tiny("name=tiny", "fold=0")
    assert hashes(FOLDER) == before


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], r"Name what is exported: ensemble=<name> \(make export ENS=\.\.\.\)"),
        (["name=tiny", "ensemble=linknet34"], "one of the two"),
        (["ensemble=linknet34", "fold=0"], "fold=0: an ensemble says itself which folds are in it"),
        (["name=tiny", "fold=7"], "fold 7 is not trained to its end"),
        (["name=huge"], "huge: no fold trained to its end"),
    ],
)
def test_what_cannot_be_exported_is_refused(trained, overrides, message):
    with pytest.raises(MaskfoldError, match=message):
        export_tiny(*overrides)


def test_classes_and_preprocessing_are_refused_by_name(trained):
    path = Path("experiments/tiny/fold0/config.yaml")
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(config | {"preprocess": {"_target_": "maskfold.data.preprocessing.ClaheLuma"}}))
    with pytest.raises(MaskfoldError, match="preprocess: ClaheLuma, which tiny was trained with"):
        export_tiny("name=tiny", "fold=0")
    config["data"]["classes"] = ["sky", "sea"]
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(MaskfoldError, match="was trained on 2 classes"):
        export_tiny("name=tiny", "fold=0")
    assert not FOLDER.exists()


@pytest.mark.slow
def test_an_ensemble_of_several_geometries_is_one_file(trained):
    """Two folds, shown photos in two ways and mirrored: the stage itself compares the file with them."""
    path = Path("experiments/tiny/fold1/config.yaml")
    tile = {"_target_": "maskfold.data.geometry.Tile", "height": 32, "width": 32, "overlap": 8}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"geometry": tile, "tta": "hflip"}))

    export_tiny("name=tiny", "fold=all", "out=somewhere/else")

    masker = open_masker(exported="somewhere/else/model.onnx", recipe=None)
    assert masker.answer([generated_photo(50, 70, 0)], members=True)[0].members.shape == (1, 50, 70)
    assert len(read_provenance(FolderStorage(Path("somewhere/else"))).weights) == 2
