"""The data that the members of an ensemble name, by their runs or their experiments, as overrides of a training."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import MissingConfigException

from maskfold.config import EXPERIMENTS, compose, resolved
from maskfold.errors import MaskfoldError
from maskfold.places import CONF, OWN_CONF, has_own_conf
from maskfold.runs.layout import MemberFolder


def data_of_members(names: Iterable[str], overrides: Sequence[str]) -> dict[str, list[str]]:
    """Return by member the overrides that name the data which it is trained on.

    What the user says holds for all: then there are none. Otherwise a member that was begun keeps the data of its run,
    and one that was not, whose experiment says nothing of data, takes that of the first that was.

    Args:
        names: Of experiments.
        overrides: Those of every training, as the user gave them.

    Raises:
        MaskfoldError: As `as_overrides`.
    """
    names = [*names]
    if any(re.match(r"[+~]*data[.=]", override) for override in overrides):
        return {name: [] for name in names}
    runs = {
        name: begun[0].read_config()["data"] for name in names if (begun := MemberFolder(EXPERIMENTS / name).begun())
    }
    first = next(iter(runs.values()), None)
    data = {name: runs.get(name) or (first if first and _says_nothing_of_data(name) else None) for name in names}
    return {name: as_overrides(source) if source else [] for name, source in data.items()}


def _says_nothing_of_data(experiment: str) -> bool:
    try:
        taken = compose("train", [f"experiment={experiment}"])
    except MissingConfigException:  # which whoever needs it says
        return False
    return resolved(taken.data) == resolved(compose("train", ["name=any"]).data)


def as_overrides(data: dict[str, Any]) -> list[str]:
    """Return the overrides that make a training take a source as a run folder has it: the nearest option, and the rest.

    Args:
        data: The node `data` of a resolved configuration.

    Raises:
        MaskfoldError: If no option in `conf/data/` is such a source: what a run folder names is not built on its word.
    """
    folders = [OWN_CONF, Path(CONF)] if has_own_conf() else [Path(CONF)]
    files = [path for folder in folders for path in sorted((folder / "data").glob("*.yaml"))]
    options = {path.stem: _read_option(path) for path in files}
    near = {name: option for name, option in options.items() if option and option["_target_"] == data.get("_target_")}
    if not near:
        raise MaskfoldError(
            f"A member's run was trained on a source of its own, {data.get('_target_')}: name the data, as in "
            "\"train='data=pairs data.root=/photos'\"."
        )
    name = min(near, key=lambda name: len(_differing(near[name], data)))
    changes = [
        f"{'' if key in near[name] else '+'}data.{key}={_written(data[key])}" if key in data else f"~data.{key}"
        for key in _differing(near[name], data)
    ]
    return [f"data={name}", *changes]


def overrides_of(node: str, values: dict[str, Any]) -> list[str]:
    """Return the overrides that give a node the values that a run folder has, whatever an experiment says of it.

    Args:
        node: Such as `model`.
        values: Those of a resolved configuration; `_target_` stays the experiment's: what a run folder names is not
            built on its word.
    """
    return [f"++{node}.{key}={_written(value)}" for key, value in values.items() if key != "_target_"]


def _read_option(path: Path) -> dict[str, Any] | None:
    """Return an option that says by itself what a source is; None for a user's that is empty, damaged or composed."""
    try:
        option = yaml.safe_load(path.read_bytes())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return option if isinstance(option, dict) and "_target_" in option and "defaults" not in option else None


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the keys in which two sources differ; one that is absent is as one that is null."""
    return [key for key in one | other if one.get(key) != other.get(key)]


def _written(value: Any) -> str:
    """Write a value so that Hydra reads the same."""
    return QuotedString(value, Quote.single).with_quotes() if isinstance(value, str) else json.dumps(value)
