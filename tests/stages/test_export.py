"""Exporting a trained member: one file that says what its networks say, its weights, and where they come from."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open

from maskfold.config import build, compose
from maskfold.data.geometry import Pad
from maskfold.errors import MaskfoldError
from maskfold.export.graph import Graph
from maskfold.export.making import onnx_file
from maskfold.export.parity import generated_photo, refuse_other_maps, trial_sizes
from maskfold.export.session import OnnxMasker
from maskfold.maskers import open_masker
from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network
from maskfold.models.u2net import U2Net
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.network_masker import NetworkMasker
from maskfold.runs.provenance import read_provenance
from maskfold.stages import export as stage
from maskfold.stages.export import export
from maskfold.storage import FolderStorage

FOLDER = Path("exports/tiny_fold0")


def export_tiny(*overrides: str) -> FolderStorage:
    return export(compose("export", [*overrides]))


def by_hand(graph: Graph, *, name: str, identity: str) -> bytes:
    """The ONNX file of `tiny`, one layer behind its normalisation, in a tenth of a second: torch takes many."""
    (network,) = graph.networks
    layer = network.model[0]
    constants = {
        "mean": network.mean.numpy(),
        "std": network.std.numpy(),
        "weight": layer.weight.detach().numpy(),
        "bias": layer.bias.detach().numpy(),
        "full": np.float32(255),
        "one": np.array([1]),
        "zero": np.array([0]),
    }
    steps = [
        ("Cast", ["photos"], {"to": TensorProto.FLOAT}),
        ("Transpose", ["0"], {"perm": [0, 3, 1, 2]}),
        ("Sub", ["1", "mean"], {}),
        ("Div", ["2", "std"], {}),
        ("Conv", ["3", "weight", "bias"], {"pads": [1, 1, 1, 1]}),
        ("Sigmoid", ["4"], {}),
        ("Mul", ["5", "full"], {}),
        ("Round", ["6"], {}),
        ("Squeeze", ["7", "one"], {}),
    ]
    nodes = [helper.make_node(kind, inputs, [str(n)], **keys) for n, (kind, inputs, keys) in enumerate(steps)]
    nodes.append(helper.make_node("Cast", ["8"], ["maps"], to=TensorProto.UINT8))
    nodes.append(helper.make_node("Unsqueeze", ["maps", "zero"], ["members"]))
    axes = ["n", "h", "w"]
    ends = {"photos": [*axes, 3], "maps": axes, "members": [1, *axes]}
    photos, *outputs = (helper.make_tensor_value_info(key, TensorProto.UINT8, shape) for key, shape in ends.items())
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    proto = helper.make_model(
        helper.make_graph(nodes, "tiny", [photos], outputs, tensors),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    facts = {"maskfold.name": name, "maskfold.identity": identity, "maskfold.members": json.dumps(graph.members)}
    helper.set_model_props(proto, facts)
    return proto.SerializeToString()


@pytest.fixture
def quick(trained, monkeypatch) -> None:
    """A file by hand instead of torch's, and photos that are shown as they are."""
    shown_by({"_target_": "maskfold.data.geometry.Pad", "multiple": 1}, folds=[0])
    monkeypatch.setattr(stage, "onnx_file", by_hand)


def shown_by(geometry: dict, folds: list[int], **changes: str) -> None:
    """Change how photos are shown to some folds' networks."""
    for fold in folds:
        path = Path(f"experiments/tiny/fold{fold}/config.yaml")
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"geometry": geometry, **changes}))


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

    def changed(graph, **names):
        graph.networks[0].model[0].bias.data += 1
        content = by_hand(graph, **names)
        graph.networks[0].model[0].bias.data -= 1
        return content

    monkeypatch.setattr(stage, "onnx_file", changed)
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
@pytest.mark.hostile("secrets")
def test_an_ensemble_of_several_geometries_is_one_file_for_any_size(trained):
    """Two folds, shown photos in two ways: the stage itself compares the file with them, at six sizes, two at once."""
    shown_by({"_target_": "maskfold.data.geometry.Resize", "height": 24, "width": 32}, folds=[0])
    shown_by(
        {"_target_": "maskfold.data.geometry.Tile", "height": 96, "width": 128, "overlap": 8}, folds=[1], tta="hflip"
    )

    export_tiny("name=tiny", "fold=all", "out=somewhere/else")

    path = Path("somewhere/else/model.onnx")
    masker = open_masker(exported=str(path), recipe=None)
    for height, width in [(1, 1), (50, 70), (131, 97)]:
        (answer,) = masker.answer([generated_photo(height, width, 0)], members=True)
        assert answer.mean.shape == (height, width)
        np.testing.assert_array_equal(answer.members, answer.mean[None])
    assert len(read_provenance(FolderStorage(path.parent)).weights) == 2
    for place in (Path.cwd(), Path(stage.__file__).parent, "maskfold/export"):
        assert str(place).encode() not in path.read_bytes()  # the exporter notes lines of source


@pytest.mark.slow
def test_real_networks_are_expressed_and_a_photo_too_large_is_an_error(tmp_path):
    torch.manual_seed(0)
    networks = [Network(LinkNet(encoder="resnet18", weights=None)).eval(), Network(U2Net(size="small")).eval()]
    for number, network in enumerate(networks):
        branches = [Branch(Pad(height=64, width=96), None, [Voter(network, ("hflip", "none")[number], 1.0, "a")])]
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(onnx_file(Graph(branches), name="a", identity="0" * 16))
        masker = OnnxMasker(path, accelerator="cpu")
        own = NetworkMasker(branches, name="a", identity="0" * 16, accelerator="cpu")

        assert masker.symmetric == own.symmetric == (number == 0)
        assert refuse_other_maps(masker, own, trial_sizes([branches[0].geometry])) <= 1

        for size in [(65, 96), (64, 97), (200, 300)]:
            with pytest.raises(MaskfoldError, match=f"a: no map of a photo of {size[1]}x{size[0]}"):
                masker.answer([generated_photo(*size, 0)])
