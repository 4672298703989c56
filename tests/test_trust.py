"""What a file may have built: parts of its kind, and nothing else by any name, nesting or detour."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from maskfold import trust
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.prediction.members import load_network
from maskfold.runs.run_folder import RunFolder
from maskfold.trust import vetted

FILE = Path("experiments/theirs/fold0/checkpoints/best.ckpt")
CALL = {"_target_": "os.system", "_args_": ["touch bitten"]}
SEQUENTIAL = {"_target_": "torch.nn.Sequential"}


class Own(nn.Conv2d):
    """A network that only this test knows."""

    def __init__(self) -> None:
        super().__init__(3, 1, 1)


OWN = {"_target_": f"{Own.__module__}.Own"}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("model", "maskfold.models.linknet.LinkNet"),
        ("model", "segmentation_models_pytorch.Unet"),
        ("model", "segmentation_models_pytorch.create_model"),
        ("model", "timm.create_model"),
        ("model", "timm.models.resnet18"),
        ("model", "torchvision.models.segmentation.fcn_resnet50"),
        ("model", "torchvision.models.ResNet"),
        ("model", "torch.nn.Sequential"),
        ("data", "maskfold.data.sources.Pairs"),
        ("data", "maskfold.data.competition.Competition"),
        ("geometry", "maskfold.data.geometry.Tile"),
        ("preprocess", "maskfold.data.preprocessing.ClaheLuma"),
        ("schedule", "maskfold.engine.schedules.Schedule"),
        ("schedule", "torch.optim.lr_scheduler.CosineAnnealingLR"),
    ],
)
def test_parts_of_their_kind_are_taken(kind, target):
    node = {"_target_": target, "options": [1, {"a": None}]}

    assert vetted(node, kind, FILE) is node


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize(
    "target",
    [
        # What Hydra's own block list lets through.
        "pandas.read_pickle",
        "torch.load",
        "numpy.load",
        "joblib.load",
        "pathlib.Path.write_text",
        # What it does not.
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        # Allowed packages, but not a network.
        "torchvision.datasets.FakeData",
        "maskfold.files.write_text",
        "maskfold.models.encoders.read_state_dict",
        "segmentation_models_pytorch.from_pretrained",
        "timm.models.load_checkpoint",
        "torch.nn.Module.load_state_dict",
        "segmentation_models_pytorch.Unet.from_pretrained",
        # Out of an allowed package again, by way of what its modules import.
        "timm.models._helpers.torch.load",
        "timm.models._helpers.os.system",
        "torch.nn.modules.module.functools.partial",
        "maskfold.models.encoders.Path.write_text",
        "segmentation_models_pytorch.os.system",
        # Names that begin like an allowed one.
        "timmy.Net",
        "torch.nnx.Net",
        "",
        7,
        ["os.system"],
        "${oc.env:HOME}",
    ],
)
def test_whatever_else_a_checkpoint_names_is_refused_unbuilt(target):
    with pytest.raises(MaskfoldError, match=r"best\.ckpt.*model"):
        vetted({"_target_": target}, "model", FILE)


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize(
    "node",
    [
        SEQUENTIAL | {"_args_": [CALL]},
        SEQUENTIAL | {"_args_": [{"_target_": "torch.nn.ReLU", "inplace": CALL | {"_partial_": True}}]},
        SEQUENTIAL | {"_recursive_": False, "options": {1: [{"deep": (CALL,)}]}},
        SEQUENTIAL | {"_args_": ["${oc.create:{_target_:os.system}}"]},
        SEQUENTIAL | {"_args_": [r"\${oc.create:{_target_:os.system}}"]},
        [CALL],
        "os.system",
    ],
)
def test_no_nesting_leads_around_it(node):
    with pytest.raises(MaskfoldError, match=r"best\.ckpt"):
        vetted(node, "model", FILE)


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("data", "maskfold.campaign.clusters.slurm"),  # which would run a script
        ("data", "maskfold.data.sources.re.compile"),
        ("data", "maskfold.data.competition.convert"),
        ("data", "maskfold.models.linknet.LinkNet"),
        ("geometry", "pathlib.Path.write_text"),
        ("preprocess", "maskfold.data.preprocessing.cv2.imread"),
        ("schedule", "torch.optim.lr_scheduler.partial"),
    ],
)
def test_a_run_folder_of_others_has_nothing_else_built(tmp_path, kind, target):
    run = RunFolder(tmp_path)
    run.config.write_text(f"task: {{_target_: tasks.Any}}\n{kind}: {{_target_: {target}}}\n")

    with pytest.raises(MaskfoldError, match=rf"config\.yaml: its {kind} would be built by {target}"):
        run.part(kind)


SCORED = {"_target_": "maskfold.data.sources.Pairs", "root": "photos", "metric": "os.system"}


@pytest.mark.hostile("foreign files")
def test_a_run_folder_of_others_names_no_function_that_scores(tmp_path):
    run = RunFolder(tmp_path)
    run.config.write_text(f"task: {{_target_: tasks.Any}}\ndata: {json.dumps(SCORED)}\n")

    with pytest.raises(MaskfoldError, match=r"config\.yaml: its metric would be what os\.system returns.*not called"):
        run.part("data")


def test_a_function_that_scores_is_taken_once_the_user_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(trust, "_named", set())
    own = SCORED | {"metric": "own_scores.covered"}
    compose("train", ["name=own", "data.metric=own_scores.covered"])
    assert vetted(own, "data", FILE) is own

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.yaml").write_text("metric: own_scores.other\n")
    monkeypatch.setattr(trust, "CONF", str(tmp_path))
    assert vetted(own | {"metric": "own_scores.other"}, "data", FILE)
    with pytest.raises(MaskfoldError, match=r"best\.ckpt: its metric would be what os\.system"):
        vetted(SCORED, "data", FILE)


@pytest.mark.hostile("foreign files")
def test_a_checkpoint_of_others_runs_nothing(tmp_path):
    path, bitten = tmp_path / "best.ckpt", tmp_path / "bitten"
    write = {"_target_": "pathlib.Path.write_text", "_args_": [{"_target_": "pathlib.Path", "_args_": [f"{bitten}"]}]}
    torch.save({"construction": write | {"data": "code"}, "state_dict": {}}, path)

    with pytest.raises(MaskfoldError, match=r"would be built by pathlib\.Path\.write_text"):
        load_network(path)
    assert not bitten.exists()


def test_a_network_of_ones_own_is_refused_until_it_is_named(monkeypatch):
    with pytest.raises(MaskfoldError, match=rf"{trust.TRUST}={OWN['_target_']} before the command"):
        vetted(OWN, "model", FILE)

    monkeypatch.setenv(trust.TRUST, f"some.Other, {OWN['_target_']}")
    assert vetted(OWN, "model", FILE) is OWN


def test_what_a_command_names_is_named_for_its_kind_alone(monkeypatch):
    monkeypatch.setattr(trust, "_named", set())
    compose("train", ["name=own", f"model._target_={OWN['_target_']}"])

    assert vetted(OWN, "model", FILE) is OWN
    with pytest.raises(MaskfoldError, match="is no data of"):
        vetted(OWN, "data", FILE)


@pytest.mark.parametrize(
    ("path", "text"),
    [("model/own.yaml", "_target_: {target}\n"), ("experiment/own.yaml", "name: own\nmodel: {{_target_: {target}}}\n")],
)
def test_what_the_configuration_names_is_named(tmp_path, monkeypatch, path, text):
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(text.format(target=OWN["_target_"]))
    monkeypatch.setattr(trust, "CONF", str(tmp_path))

    assert vetted(OWN, "model", FILE) is OWN


@pytest.mark.hostile("foreign files")
def test_arguments_without_names_cannot_point_a_loader_at_a_file(monkeypatch):
    node = {"_target_": "timm.create_model", "_args_": ["resnet18", False, None, None, "theirs.pth"]}
    with pytest.raises(MaskfoldError, match=r"timm\.create_model has arguments without names \(_args_\)"):
        vetted(node, "model", FILE)

    layers = SEQUENTIAL | {"_args_": [{"_target_": "torch.nn.Conv2d", "_args_": [3, 1, 1]}]}
    assert vetted(layers, "model", FILE) is layers
    monkeypatch.setenv(trust.TRUST, "timm.create_model")
    assert vetted(node, "model", FILE) is node
