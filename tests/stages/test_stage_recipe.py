"""A recipe for tiny photos: what it writes composes, is the same again, and leaves alone what was edited."""

from pathlib import Path

import pytest

from maskfold.campaign.members import find_members
from maskfold.campaign.probe import Cost
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.recipe.machine import Device
from maskfold.stages import recipe as stage
from maskfold.stages.recipe import recipe

DATA = ["data=carvana", "data.name=tiny", "data.root=photos"]
EPOCH = {"unet_resnet18": 48, "fpn_resnet18": 50, "unet": 36}  # seconds of a fold


@pytest.fixture
def probed(trained, monkeypatch):
    """No network is trained: what each costs is known; return the members that were asked for."""
    asked = []

    def probe(member, **options):
        asked.append(member)
        epoch = next(EPOCH[name] for name in EPOCH if member.name.endswith(name))
        return Cost(start=6, epoch=epoch, photo=0, device=0, ram=0, checkpoints=0, map=0, map_from="")

    monkeypatch.setattr(stage, "probe", probe)
    monkeypatch.setattr(stage, "this_device", lambda: Device(gpu=None, memory=0, bf16=False, cores=2))
    return asked


def test_what_is_written_composes_fits_and_is_the_same_again(probed):
    path = recipe(compose("recipe", [*DATA, "hours=12", "epochs=20", "weights=none"]))

    # Two folds of 20 epochs and three starts: 2 · (720 + 18) seconds, 2 · (960 + 18), 2 · (1000 + 18).
    text = path.read_text()
    assert "| tiny_unet | 20 | 25 |" in text
    assert "| tiny_fpn_resnet18 | 20 | 34 |" in text
    assert "Together 91 of 720 minutes" in text
    assert "Twice the budget would add nothing by these rules" in text
    assert "make campaign ENS=tiny" in text
    written = {file: file.read_bytes() for file in Path("conf").rglob("*.yaml")}
    assert len(written) == 4
    nodes = compose_own("ensemble", "ensemble=tiny").ensemble.members
    assert [node.experiment for node in nodes] == [f"tiny_{name}" for name in EPOCH]
    for name in EPOCH:
        config = compose_own("train", f"experiment=tiny_{name}")
        assert (config.name, config.data.name, config.trainer.max_epochs) == (f"tiny_{name}", "tiny", 20)
        assert config.geometry._target_.endswith("Pad")  # photos of 48 x 32 are taken as they are
    own = [f"hydra.searchpath=['file://{Path('conf').absolute()}']"]
    assert [member.folds for member in find_members([list(map(dict, nodes))], own)] == [(0, 1)] * 3

    recipe(compose("recipe", [*DATA, "hours=12", "epochs=20", "weights=none"]))
    assert {file: file.read_bytes() for file in Path("conf").rglob("*.yaml")} == written


def compose_own(stage_name, override):
    """Compose as a process that is started here would, which finds `conf/` of this folder."""
    return compose(stage_name, [f"hydra.searchpath=['file://{Path('conf').absolute()}']", override])


def test_few_hours_drop_members_and_say_what_more_buys(probed):
    path = recipe(compose("recipe", [*DATA, "hours=0.6", "epochs=20", "weights=none"]))  # 1836 seconds

    assert sorted(file.stem for file in Path("conf/experiment").iterdir()) == ["tiny_unet"]
    text = path.read_text()
    assert "| tiny_fpn_resnet18 | - | - | Left out: 20 epochs take 34 min. |" in text
    # 3672 seconds hold the UNet on ResNet-18, of 1956, and not the next beside it, of 2036.
    assert "Twice the budget would add: tiny_unet_resnet18 with 20 epochs." in text


def test_too_few_hours_are_refused_with_the_least_that_works(probed):
    with pytest.raises(MaskfoldError, match=r"hours=0\.1: no member fits\. The least that works is hours=0\.48"):
        recipe(compose("recipe", [*DATA, "hours=0.1", "epochs=20", "weights=none"]))
    assert not Path("conf").exists()


def test_what_was_edited_is_left_alone(probed):
    file = Path("conf/experiment/tiny_unet.yaml")
    recipe(compose("recipe", [*DATA, "hours=12", "weights=none"]))
    edited = file.read_text().replace("gradient_clip: 1.0", "gradient_clip: 2.0")
    file.write_text(edited)
    count = len(probed)

    with pytest.raises(MaskfoldError, match=r"(?s)edited by hand.*tiny_unet\.yaml.*name="):
        recipe(compose("recipe", [*DATA, "hours=12", "weights=none"]))

    assert file.read_text() == edited
    assert len(probed) == count


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["name=carvana"], r"conf/ensemble/carvana\.yaml"),  # the package's own would hide it
        (["name=7"], "experiments cannot be called so"),
        (["files={linknet34: nowhere.pth}"], r"files\.linknet34=nowhere\.pth: there is no such file"),
        (["k=4"], r"folds\.csv: has 2 folds, not k=4"),
        (["weights=some"], "weights=some: auto, download or none"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_tried(probed, overrides, message):
    with pytest.raises(MaskfoldError, match=message):
        recipe(compose("recipe", [*DATA, "hours=12", *overrides]))
    assert not probed
