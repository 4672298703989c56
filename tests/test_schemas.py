"""Every key has one owner: its type stands in `maskfold.schemas`, its default and its comment in `conf/` alone."""

import dataclasses
import inspect
from pathlib import Path

import hydra
import pytest
import yaml
from omegaconf import MISSING

from maskfold import schemas
from maskfold.command.catalogue import options, stages
from maskfold.command.documents import read_document
from maskfold.places import CONF
from maskfold.schemas import STAGES, TASKS

TYPES = [kind for kind in vars(schemas).values() if dataclasses.is_dataclass(kind)]
OVERLAYS = ("experiment", "scale", "ensemble")
OPTIONS = sorted(path for path in Path(CONF).glob("*/*.yaml") if path.parent.name not in OVERLAYS)
TRAINERS = {"default": schemas.TrainingTrainer, "predict": schemas.PredictionTrainer}


def keys_of(stage):
    """Return the keys of a stage: each task widens training's."""
    kinds = [*TASKS.values()] if "task" in stage.groups else [STAGES[stage.name]]
    return set().union(*map(names, kinds))


def names(kind):
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_has_no_defaults(kind):
    for field in dataclasses.fields(kind):
        nested = field.default_factory in (
            *TRAINERS.values(),
            schemas.RulesKeys,
            schemas.MixingKeys,
            schemas.DistillKeys,
            schemas.PredictionGeometry,
        )
        assert field.default == MISSING or nested, f"{kind.__name__}.{field.name}: its default belongs into conf/"


@pytest.mark.parametrize("name", STAGES)
def test_every_key_stands_in_the_stages_file_with_a_comment(name):
    stage = stages()[name]
    keys = {key.name.partition(".")[0]: key for key in stage.keys}
    overlays = {"experiment", "scale"} & stage.groups.keys()

    assert keys.keys() | stage.groups.keys() == keys_of(stage) | overlays
    for choice in stage.choices:
        assert choice.comment, f"conf/{name}.yaml: group {choice.group} has no comment"
    for key in keys.values():
        assert key.comment or key.name in stage.groups, f"conf/{name}.yaml: {key.name} has no comment"


def test_every_stage_has_its_file_its_types_and_its_module():
    modules = {path.stem for path in Path(schemas.__file__).parent.glob("stages/[a-z]*.py")}
    assert stages().keys() == STAGES.keys() == modules


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: str(path.relative_to(CONF)))
def test_every_key_of_an_option_has_a_comment_and_a_reader(path):
    document = read_document(path)
    assert document.heading, f"{path}: begins with no comment"
    for key in document.keys:
        listed = key.default.startswith("[")
        assert key.comment or listed or "." in key.name, f"{path}: {key.name} has no comment"
    tree = yaml.safe_load(path.read_text()) or {}
    if path.parent.name == "trainer":
        assert tree.keys() == names(TRAINERS[path.stem])
    else:
        read_by_targets(tree, path)


def read_by_targets(tree, path):
    """Fail where a part is given a key that its constructor does not take."""
    if isinstance(tree, list):
        for part in tree:
            read_by_targets(part, path)
    if not isinstance(tree, dict):
        return
    for value in tree.values():
        read_by_targets(value, path)
    if "_target_" not in tree:
        return
    taken = inspect.signature(hydra.utils.get_object(tree["_target_"])).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        given = {key for key in tree if not key.startswith("_") and key != "defaults"}
        assert given <= taken.keys(), f"{path}: {given - taken.keys()} is nothing that {tree['_target_']} takes"


def test_the_engine_and_the_predictor_read_what_the_trainer_may_say():
    from maskfold.engine.engine import Engine
    from maskfold.prediction.predictor import predict_together

    by_the_stage = {"batch_size", "num_workers", "load_timeout", "channels_last", "compile"}
    assert names(schemas.TrainingTrainer) == names(Engine) | by_the_stage
    assert names(schemas.PredictionTrainer) <= inspect.signature(predict_together).parameters.keys()


def test_every_group_is_somebodys():
    used = {group for stage in stages().values() for group in stage.groups}
    assert {path.name for path in Path(CONF).iterdir() if path.is_dir()} - {"hydra"} == used
    assert all(options(group) for group in used)
