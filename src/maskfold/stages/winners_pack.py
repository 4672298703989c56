"""The model summary that hosts ask of winners, and what goes with it: `maskfold winners_pack ensemble=linknet34`."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.tables import Gain, gain_over
from maskfold.analysis.verdicts import member_scores, worth
from maskfold.command.catalogue import options
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, compose, recorded, resolved
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import trained_leaves
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.leaderboard.results import judged_by, read_out_of_fold, read_result
from maskfold.leaderboard.table import read_table
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.kinship import SOUP
from maskfold.runs.layout import LEADERBOARD
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import RESULT
from maskfold.winners import handing_over
from maskfold.winners.commands import TrainCommand, soup_command, train_command
from maskfold.winners.facts import MemberFacts, members_of
from maskfold.winners.summary import Pack, model_summary

log = logging.getLogger(__name__)

SUMMARY, PACK = "model_summary.md", "winners"
BUNDLES = Path("bundles")


def winners_pack(config: DictConfig) -> Path:
    """Write the documents of an ensemble that won, and return their folder."""
    recipe: Recipe = build(config.ensemble)
    ensemble = EnsembleFolder(SUBMISSIONS / recipe.name)
    folder = Path(config.to) if config.to else ensemble.path / PACK
    if (folder / SUMMARY).exists() and not config.overwrite:
        raise MaskfoldError(
            f"{folder / SUMMARY}: there already, maybe with your own words in it. Name another folder with to=..., or "
            "replace it with overwrite=true."
        )
    members = members_of(trained_leaves(recipe.members, experiments=EXPERIMENTS), experiments=EXPERIMENTS)
    pack = _pack(resolved(config.ensemble), recipe, ensemble, members)
    _write(folder, pack)
    log.info("%s: fill in what is marked 'To be written by you'", folder / SUMMARY, extra=RESULT)
    return folder


def _pack(node: dict[str, Any], recipe: Recipe, ensemble: EnsembleFolder, members: Sequence[MemberFacts]) -> Pack:
    """Return all that the documents say."""
    said, gains = _scores(recipe, ensemble)
    submitted = read_table(LEADERBOARD)
    return Pack(
        ensemble=node,
        data=next((member.config["data"] for member in members if member.runs), {}),
        members=members,
        commands=_commands(members),
        worth=said,
        gains=gains,
        submitted=submitted[submitted["ensemble"] == recipe.name],
        fitted={path.stem: _read(path) for path in (ensemble.blend, ensemble.tune)},
        rehearsal=_read(BUNDLES / recipe.name / "rehearsal.json"),
        machine=handing_over.machine(),
    )


def _scores(recipe: Recipe, ensemble: EnsembleFolder) -> tuple[str, list[Gain] | str]:
    """Return what the submitted chain is worth out of fold, and what it gains over each member; or why nobody knows."""
    submission = ensemble.test.submission
    try:
        manifest = read_result(submission) if submission.exists() else None
        if manifest is None:
            raise MaskfoldError(f"{submission}: no submission. `make ensemble ENS={recipe.name}` writes it.")
        scores, _ = read_out_of_fold(submission, manifest)
    except MaskfoldError as error:
        return f"_Its score out of fold is missing: {' '.join(str(error).split())}_", " ".join(str(error).split())
    judged = judged_by(manifest)
    said = f"{recipe.name} out of fold: {worth(scores, judged)}."
    try:
        others = member_scores(recipe, scores["image_id"], experiments=EXPERIMENTS, judged=judged)
    except MaskfoldError as error:
        return said, " ".join(str(error).split())
    return said, [gain_over(scores, other, name, judged) for name, other in others.items()]


def _read(path: Path) -> dict[str, Any] | None:
    """Read a file that need not be there."""
    return files.read_json(path) if path.exists() else None


def _commands(members: Sequence[MemberFacts]) -> dict[str, TrainCommand]:
    """Return how each run is trained again; the experiment is looked for once a member."""
    commands: dict[str, TrainCommand] = {}
    for member in members:
        named: list[str] | None = None
        for run in member.runs:
            command = commands[str(run.path)] = _command(run, named)
            named = [one.partition("=")[2] for one in command.first.overrides if one.startswith("experiment=")]
    return commands


def _command(run: RunFolder, experiments: Sequence[str] | None = None) -> TrainCommand:
    """Return how a run is trained again, as one of some experiments where they are known."""
    known, config = options("experiment"), run.read_config()
    if SOUP in config:
        return soup_command(run, _command)
    own = [config["name"]] if config["name"] in known else experiments or [*known]
    target = config["data"].get("_target_")
    data = [name for name in options("data") if _target("data", name) == target]
    return train_command(run, _composed, experiments=own, data=data)


def _target(group: str, option: str) -> Any:
    return compose("train", [f"{group}={option}", "name=any"])[group].get("_target_")


def _composed(overrides: Sequence[str]) -> dict[str, Any] | None:
    try:
        return recorded(compose("train", [*overrides]))
    except Exception as error:  # whatever Hydra, OmegaConf and the parts say of a combination that is none
        log.debug("%s: %s", overrides, error)
        return None


def _write(folder: Path, pack: Pack) -> None:
    """Write the documents; the summary last."""
    shutil.rmtree(folder, ignore_errors=True)
    for member in pack.members:
        if member.runs:
            text = yaml.safe_dump(member.config, sort_keys=False)
            files.write_text(folder / "configs" / f"{member.name}.yaml", text)
    documents = {
        "entry_points.md": handing_over.entry_points(pack),
        "directory_structure.txt": handing_over.directory_structure(Path.cwd()),
        "SETTINGS.json": handing_over.settings(pack),
        "requirements.txt": handing_over.requirements(),
    }
    documents["README.md"] = handing_over.readme(pack, [SUMMARY, *documents, "configs/"])
    for name, text in (documents | {SUMMARY: model_summary(pack)}).items():
        files.write_text(folder / name, text)


main = entry_point(winners_pack)

if __name__ == "__main__":
    main()
