"""Which task a stage is for, and what it is asked to work on: masks and labels are told apart at the door."""

from collections.abc import Iterator, Mapping
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from maskfold.data.task import RECOGNITION, SEGMENTATION
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import EXPERIMENTS, MemberFolder

_ABOUT = {SEGMENTATION: "masks", RECOGNITION: "labels"}


def refuse_other_task(stage: str, config: DictConfig, *, task: str) -> None:
    """Refuse data, a member or an ensemble of another task than the stage is for.

    Args:
        stage: What the stage is called.
        config: Its configuration: `data`, `name` and `ensemble` are looked at where they are.
        task: What it is for.

    Raises:
        MaskfoldError: If one is of another task; the message names it.
    """
    for what, theirs in _tasks(config):
        if theirs != task:
            raise MaskfoldError(
                f"{what} has {_ABOUT[theirs]}, and maskfold {stage} is for {_ABOUT[task]}. `maskfold` lists the "
                "stages, docs/how-to/recognition.md those for labels."
            )


def _tasks(config: DictConfig) -> Iterator[tuple[str, str]]:
    """Yield what is named, and its task; what cannot be looked at is refused by the stage itself."""
    tree = OmegaConf.to_container(config, resolve=False)
    if isinstance(data := tree.get("data"), Mapping):
        yield f"data {data.get('name') or data.get('root')}", _task_of(data)
    members = [name for name in [tree.get("name")] if isinstance(name, str)]
    for name in [*members, *_experiments(tree.get("ensemble"))]:
        for run in MemberFolder(EXPERIMENTS / name).begun()[:1]:
            yield f"{run.path}", _task_of(run.part("data"))


def _experiments(tree: Any) -> Iterator[str]:
    """Yield the names of an ensemble's members, however deep they stand."""
    if isinstance(tree, list):
        for part in tree:
            yield from _experiments(part)
    elif isinstance(tree, Mapping):
        if isinstance(name := tree.get("experiment"), str):
            yield name
        for part in tree.values():
            yield from _experiments(part)


def _task_of(data: Mapping[str, Any]) -> str:
    try:
        return getattr(get_class(data["_target_"]), "task", SEGMENTATION)
    except (KeyError, ImportError, ValueError, TypeError):  # what builds it says what is wrong
        return SEGMENTATION
