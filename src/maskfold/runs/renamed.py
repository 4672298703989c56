"""Configurations that an earlier version has written, in the words of this one.

A run folder is read years after it was written. Since then modules have moved, and keys have come that it knows
nothing of: whoever moves a module or adds a key to training says so here.
"""

from copy import deepcopy
from typing import Any

# Where a module's classes are now. The longest name that fits is taken: a class may move elsewhere than its module.
MOVED = {
    "maskfold.analysis.disagreement": "maskfold.masks.disagreement",
    "maskfold.analysis.pictures": "maskfold.masks.pictures",
    "maskfold.data.dataset": "maskfold.segmentation.dataset",
    "maskfold.data.dataset.ByEpoch": "maskfold.data.augmentation.ByEpoch",
    "maskfold.data.studio": "maskfold.studio",
    "maskfold.ensembling.unconfidence": "maskfold.masks.unconfidence",
    "maskfold.pseudo.lineage": "maskfold.runs.lineage",
    "maskfold.submission.rle": "maskfold.masks.rle",
    "maskfold.tracking.samples": "maskfold.segmentation.samples",
    "maskfold.training.averaging": "maskfold.engine.averaging",
    "maskfold.training.batch_size": "maskfold.engine.batch_size",
    "maskfold.training.boundary": "maskfold.segmentation.boundary",
    "maskfold.training.callbacks": "maskfold.engine.callbacks",
    "maskfold.training.checkpoints": "maskfold.engine.checkpoints",
    "maskfold.training.engine": "maskfold.engine.engine",
    "maskfold.training.loaders": "maskfold.engine.loaders",
    "maskfold.training.losses": "maskfold.segmentation.losses",
    "maskfold.training.mask_metrics": "maskfold.masks.scores",
    "maskfold.training.metrics": "maskfold.segmentation.metrics",
    "maskfold.training.mining": "maskfold.engine.mining",
    "maskfold.training.run_folder": "maskfold.runs.run_folder",
    "maskfold.training.schedules": "maskfold.engine.schedules",
    "maskfold.training.segmentation": "maskfold.engine.task",
}

# By key (dotted) what training did before there was such a key: a run of then and one of now that says just this are
# the same run.
ADDED: dict[str, Any] = {
    # Masks: there was no other task. As in a run folder of today, its parts stand elsewhere in the configuration.
    "task": {
        "_target_": "maskfold.segmentation.parts.SegmentationParts",
        "geometry": "${geometry}",
        "preprocess": "${preprocess}",
        "augment": "${augment}",
        "loss": "${loss}",
        "tta": "${tta}",
        "deep": "${deep}",
        "mixing": "${mixing}",
    },
    "deep": 0,  # the main output alone was compared with the truth
    "balance": 0,  # every photo was drawn once an epoch
    "cluster_weights": {},  # and counted alike
    "freeze": [],  # every layer learned
    "start_from": None,  # from the first weights that the seed gives
    "replay": None,  # all photos of the products that a start knows
}

# Likewise where masks are learned; another task means something else by them.
ADDED_TO_SEGMENTATION: dict[str, Any] = {
    "mixing": {"mixup": 0.0, "cutmix": 0.0, "share": 1.0, "until": 0.8},  # nothing was mixed
    "distill": {"ensemble": None, "share": 0.5},  # and nobody taught
}

# Likewise of the data, where it is one of the package's own sources; the user's know nothing of these keys.
SOURCES = ("maskfold.data.sources.", "maskfold.data.competition.")
ADDED_TO_SOURCES: dict[str, Any] = {"classes": None, "exclusive": False, "channels": None, "metric": "dice"}

# Arguments with which a class does what it did before it had them: they are left out, so that what stands for a part (a
# network's identity, in qualities and records of cut-outs) stays what it was.
UNSAID: dict[str, dict[str, Any]] = {
    "maskfold.data.geometry.Resize": {"decode": "full"},
    "maskfold.engine.groups.ParameterGroups": {"layer_decay": 1.0},
}

# And of an augmentation of the package's own, and of those that it is made of: a run kept to where it began.
AUGMENTATIONS = ("maskfold.data.augmentation.", "maskfold.data.imgaug_compat.")
ADDED_TO_AUGMENTATIONS: dict[str, Any] = {"device": "auto"}

MONITOR = {"name": "val/dice", "mode": "max", "label": "validation Dice"}  # of a run that does not say

_TARGET = "_target_"


def as_of_today(config: dict[str, Any]) -> dict[str, Any]:
    """Return a training's configuration with the names and the keys of today; what is of today already stays.

    Args:
        config: Plain and resolved, of this or an earlier version.
    """
    today = with_names_of_today(config)
    for key, value in ADDED.items():
        _fill_in(today, key.split("."), deepcopy(value))
    for part, node in today.items():
        if isinstance(node, dict) and (unsaid := UNSAID.get(str(node.get(_TARGET)))):
            today[part] = {key: value for key, value in node.items() if (key, value) not in unsaid.items()}
    task = today["task"]
    if isinstance(task, dict) and task.get(_TARGET) == ADDED["task"][_TARGET]:
        today["task"] = ADDED["task"] | task  # it has not always had as many parts
        for key, value in ADDED_TO_SEGMENTATION.items():
            _fill_in(today, [key], deepcopy(value))
    data = today.get("data")
    if isinstance(data, dict) and str(data.get(_TARGET)).startswith(SOURCES):
        today["data"] = ADDED_TO_SOURCES | data
    if "augment" in today:
        today["augment"] = _with_device(today["augment"])
    return today


def _with_device(augment: Any) -> Any:
    if not isinstance(augment, dict) or not str(augment.get(_TARGET)).startswith(AUGMENTATIONS):
        return augment
    presets = augment.get("presets")
    own = {"presets": {name: _with_device(one) for name, one in presets.items()}} if isinstance(presets, dict) else {}
    return ADDED_TO_AUGMENTATIONS | augment | own


def with_names_of_today(tree: Any) -> Any:
    """Return nested dictionaries and lists with every `_target_` named as it is now."""
    if isinstance(tree, dict):
        return {
            key: _moved(value) if key == _TARGET and isinstance(value, str) else with_names_of_today(value)
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [with_names_of_today(value) for value in tree]
    return tree


def _moved(name: str) -> str:
    """Return the name of a class or function as it is now."""
    fitting = [old for old in MOVED if f"{name}.".startswith(f"{old}.")]
    if not fitting:
        return name
    longest = max(fitting, key=len)
    return MOVED[longest] + name.removeprefix(longest)


def _fill_in(tree: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for key in parents:
        if not isinstance(tree.get(key), dict):
            return
        tree = tree[key]
    tree.setdefault(last, value)
