"""How a stage's configuration is composed, checked and built; what it may hold is in `maskfold.schemas`.

Nothing below the entry points receives a configuration object.
"""

import logging
import re
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import InstantiationException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, open_dict

from maskfold.errors import MaskfoldError
from maskfold.places import CONF, OWN, OWN_CONF, has_own_conf
from maskfold.runs.layout import EXPERIMENTS as EXPERIMENTS
from maskfold.runs.layout import SUBMISSIONS as SUBMISSIONS
from maskfold.schemas import STAGES as STAGES
from maskfold.trust import name_parts
from maskfold.values import refuse_values

log = logging.getLogger(__name__)

OVERLAY = "experiment"  # the group whose options set keys of other groups


class OwnOptions(SearchPathPlugin):
    """Has Hydra look for options in the current folder too, where the package has none of that name.

    Processes that a stage starts run in the same folder, and find what the stage did.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the user's own folder."""
        if has_own_conf():
            search_path.append(OWN, f"file://{OWN_CONF.absolute()}")


Plugins.instance().register(OwnOptions)


def compose(stage: str, overrides: list[str], *, choices: bool = False) -> DictConfig:
    """Compose a stage's configuration in this process, as the command line would.

    Args:
        stage: A name of `STAGES`.
        overrides: What would follow the command, such as `experiment=linknet34` or `fold=1`.
        choices: Leave Hydra's own node in, whose `runtime.choices` has the option taken of each group.

    Raises:
        hydra.errors.ConfigCompositionException: If a key or a group's option is unknown, or a value has the wrong type.
        MaskfoldError: If `+key=value` forces a key where a type says which there are, or a value is out of its range.
    """
    running = GlobalHydra.instance().is_initialized()  # called by another stage, whose folder is the same
    with nullcontext() if running else hydra.initialize_config_dir(CONF, version_base="1.3"):
        config = hydra.compose(stage, overrides, return_hydra_config=choices)
        return finish(stage, config, overrides)


def finish(stage: str, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Do what Hydra leaves undone: a chosen group beats an experiment, nothing is forced in, values are in their range.

    Args:
        stage: A name of `STAGES`.
        config: What Hydra has composed; it is changed in place.
        overrides: What Hydra composed it from, `hydra.searchpath=...` among them.

    Raises:
        MaskfoldError: If `+key=value` forces a key where a type says which there are, or a value is out of its range.
    """
    _prefer_chosen_groups(stage, config, overrides)
    _refuse_forced(config)
    name_parts(OmegaConf.to_container(config, resolve=False))
    refuse_values(config)
    return config


def _prefer_chosen_groups(stage: str, config: DictConfig, overrides: Sequence[str]) -> None:
    """Give each group that the command line chooses as its file has it, without what an experiment sets in it.

    Hydra lays the experiment over the option: `schedule=cosine` would have the experiment's phases.
    """
    groups = {override: re.split("[=@.]", override.lstrip("+~"))[0] for override in overrides}
    if not any(re.match(rf"\+?{OVERLAY}=(?!null$)", override) for override in overrides):
        return
    for group in [group for override, group in groups.items() if re.match(rf"\+?{group}=", override)]:
        if group == OVERLAY or group not in config or not Path(CONF, group).is_dir():
            continue
        own = [
            override
            for override, of in groups.items()
            if of in (group, "scale") or override.startswith("hydra.searchpath")
        ]
        removed = [override.lstrip("~") for override in own if override.startswith("~")]
        alone = hydra.compose(stage, [override for override in own if not override.startswith("~")])[group]
        with open_dict(alone):
            for key in removed:
                alone.pop(key.partition(".")[2], None)
        before, now = (OmegaConf.to_container(node, resolve=False) for node in (config[group], alone))
        keys = [f"{group}.{key}" for key in before | now if before.get(key) != now.get(key)]
        if keys:
            log.info("%s is taken as its own file has it, whatever the experiment says of %s.", group, ", ".join(keys))
            config[group] = alone


def _refuse_forced(config: DictConfig, prefix: str = "") -> None:
    """Refuse keys that `+key=value` has forced into a typed node, where nothing would read them.

    Raises:
        MaskfoldError: Naming the key, and those that there are.
    """
    kind = OmegaConf.get_type(config)
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else [*config]
    for key, value in config.items_ex(resolve=False):
        if key == "hydra" and not prefix:
            continue
        if key not in names:
            raise MaskfoldError(unknown_key(f"{prefix}{key}", [f"{prefix}{name}" for name in names]))
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            _refuse_forced(value, f"{prefix}{key}.")


def unknown_key(key: str, keys: Sequence[str]) -> str:
    """Return the sentence that refuses a key and names those that there are."""
    near = get_close_matches(key, keys, n=1, cutoff=0.7)
    guess = f" Did you mean {near[0]}?" if near else ""
    listed = f" There are {', '.join(keys)}." if keys else ""  # a part whose file says none
    return f"{key}: no such key.{guess}{listed}"


def overrides_of(config: DictConfig) -> list[str]:
    """Return what the command line said, such as `ensemble=demo`.

    Args:
        config: The configuration of the stage that runs, or one that was composed with `choices=True`.
    """
    node = config.hydra if "hydra" in config else HydraConfig.get()
    return [*node.overrides.task]


def build(node: DictConfig | dict, **arguments: Any) -> Any:
    """Instantiate a `_target_` node; the user reads what its constructor refuses.

    Raises:
        MaskfoldError: If the constructor refuses a key or a value; the message names both.
    """
    try:
        return hydra.utils.instantiate(node, **arguments, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, MaskfoldError):
            raise cause from error
        failed = re.search(r"target '([^']+)'", str(error))  # it may be a part inside this one
        name = failed[1] if failed else node["_target_"]
        raise MaskfoldError(f"{name}: {cause or error}. Check this part's keys in the config.") from error


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain dictionaries with every interpolation resolved."""
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def recorded(config: DictConfig) -> dict[str, Any]:
    """Return a training's configuration as its run folder keeps it: resolved, but for what `task` takes from elsewhere.

    Each value stands in it once, so that a difference is reported once; `OmegaConf.create` makes the whole of it again.
    """
    return resolved(config) | {"task": OmegaConf.to_container(config.task, resolve=False)}
