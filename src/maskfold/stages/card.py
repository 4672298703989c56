"""Write measurements into members' cards and tables: `maskfold card name=linknet34`."""

import functools
import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from maskfold import files
from maskfold.analysis.charts import as_svg
from maskfold.cards.blocks import regenerate
from maskfold.cards.configuration import KEYS, PARTS, changed_keys, configuration_table
from maskfold.cards.curve import learning_curve
from maskfold.cards.documents import (
    Blocks,
    NetworkFacts,
    documents,
    first_card,
    members,
    not_measured,
    own_table,
    scored_logs,
)
from maskfold.config import CONF, EXPERIMENTS, build, compose, resolved
from maskfold.data.task import RECOGNITION
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import OWN_MEMBERS, MemberFolder, measured_folders

_CLASSES = 2  # of a classifier here: how many it will have, its data says

log = logging.getLogger(__name__)


def card(config: DictConfig) -> list[Path]:
    """Write a member's card (all of them), the tables, and pages of what was measured here; return what has changed.

    What was measured here goes into pages of its own. Only when it is published does it go into what is committed.
    """
    if config.publish and config.name is None:
        raise MaskfoldError("publish=true: name the member whose scores go into its committed card, with name=...")
    measured = [folder.name for folder in measured_folders(EXPERIMENTS)]
    names = sorted({*members(EXPERIMENTS), *measured}) if config.name is None else [config.name]
    changed = [path for name in names for path in _prepare(name, publish=config.publish)]
    own = [MemberFolder(EXPERIMENTS / name).own_page for name in names if name in measured]
    changed += _write(OWN_MEMBERS, own_table()) if own and not OWN_MEMBERS.exists() else []
    for document in [*documents(EXPERIMENTS, names), *own, *([OWN_MEMBERS] if own else [])]:
        blocks = Blocks(document, experiments=EXPERIMENTS, network=network)
        changed += _write(document, regenerate(document.read_text(), blocks, name=str(document)))
    log.info("%s", "\n".join(map(str, dict.fromkeys(changed))) or "Nothing has changed.")
    if config.name is not None and not MemberFolder(EXPERIMENTS / config.name).results.exists():
        log.info("%s: %s", config.name, not_measured(config.name))
    return changed


def _prepare(name: str, *, publish: bool) -> list[Path]:
    """Draw a member's learning curve, and begin its card and its own page if they are missing; return what has changed.

    Args:
        name: The member's.
        publish: Put scores and curve of here in the place of those that its card shows.
    """
    folder, overlay = MemberFolder(EXPERIMENTS / name), _overlay(name)
    if not overlay.exists() and not folder.path.is_dir():
        names = ", ".join(members(EXPERIMENTS))
        raise MaskfoldError(
            f"{name}: there is neither conf/experiment/{name}.yaml nor {folder.path}/. Members: {names}."
        )
    changed = []
    logs, first = scored_logs(folder), first_card(name, overlay.read_text() if overlay.exists() else None)
    if logs:
        curve = as_svg(learning_curve(logs, folder.run(min(logs)).monitor()))
        for path in [folder.own_curve, *([folder.curve] if publish else [])]:
            changed += _write(path, curve)
    if publish and folder.results.exists():
        changed += _write(folder.published, folder.results.read_text())
    pages = [folder.card] if publish or overlay.exists() else []
    pages += [folder.own_page] if folder.results.exists() else []
    for page in pages:
        changed += _write(page, first) if not page.exists() else []
    return changed


def _write(path: Path, content: str) -> list[Path]:
    if path.exists() and path.read_text() == content:
        return []
    files.write_text(path, content)
    return [path]


def _overlay(name: str) -> Path:
    return Path(CONF, "experiment", f"{name}.yaml")


@functools.cache
def network(name: str) -> NetworkFacts | None:
    """Return what an experiment's cards say of it, or None if there is no such file in `conf/experiment/`."""
    if not _overlay(name).exists():
        return None
    import torch  # for an experiment alone; there are cards without one

    config = compose("train", [f"experiment={name}"], choices=True)
    choices = config.hydra.runtime.choices
    weights = {"weights": None} if "weights" in config.model else {}
    labels = {"classes": _CLASSES} if choices["task"] == RECOGNITION else {}
    settings = resolved(config.model) | weights | labels
    try:
        with torch.device("meta"):  # shapes without memory
            model = build(settings)
    except MaskfoldError:  # timm works the widths of a RegNet out with tensors that need their numbers
        model = build(settings)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    by_class = _by_class(model) if labels else 0
    parameters -= by_class * _CLASSES
    table = configuration_table(
        OmegaConf.to_container(OmegaConf.masked_copy(config, [key for key in KEYS if key in config]), resolve=True),
        choices=choices,
        changed={part: changed_keys(config[part], _option(part, choices[part])) for part in PARTS if part in choices},
        parameters=parameters,
        by_class=by_class,
        schedule=build(config.schedule),
    )
    return NetworkFacts(configuration=table, parameters=parameters)


def _by_class(model: Any) -> int:
    """Return how many parameters a classifier has for each class: a row of its head, and a number beside it."""
    rows = [getattr(model.head, name, None) for name in ("weight", "bias")]
    return sum(row.numel() for row in rows if row is not None) // _CLASSES


def _option(group: str, option: str) -> DictConfig:
    """Read an option's own file, whose interpolations mean nothing yet."""
    return OmegaConf.load(Path(CONF, group, f"{option}.yaml"))


main = entry_point(card)

if __name__ == "__main__":
    main()
