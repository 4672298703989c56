"""The jobs that make an ensemble: what each runs, what it waits for, and how far it is."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.campaign.members import Member
from maskfold.config import EXPERIMENTS
from maskfold.ensembling.evaluation import facts_of, scored_from
from maskfold.ensembling.fused_stores import FusedStores, ingredients_of_passes
from maskfold.ensembling.manifest import content_of
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.steps import cluster_facts
from maskfold.ensembling.stores import store_in
from maskfold.prediction.splits import photos_of
from maskfold.prediction.store import PNG, SUFFIX
from maskfold.recognition.answers import PART, is_part
from maskfold.runs.contents import contents_fingerprint
from maskfold.runs.ensemble_folder import EnsembleFolder, ResultFolder
from maskfold.runs.layout import MemberFolder, fold_name
from maskfold.runs.run_folder import RunFolder

FUSE = "ensemble.fuse"  # the job that predicts the test photos with all networks in one pass
SCORE = "score"  # the column of the table that tells what a member, or the ensemble, is worth out of fold


@dataclass(frozen=True)
class Job:
    """One stage of one run.

    Attributes:
        name: Unique in its campaign; its log is named after it.
        command: The stage and its overrides.
        row: The line of the table that it is shown in: its member's, or the ensemble's.
        column: The column: its fold, or another word.
        label: What the table says while it runs.
        needs: Names of the jobs that must be done before.
        done: Whether what it makes is there; asked when all that it needs is done.
        progress: How far it is, in a few words.
    """

    name: str
    command: tuple[str, ...]
    row: str
    column: str
    label: str
    needs: tuple[str, ...] = ()
    done: Callable[[], bool] = field(default=lambda: False, repr=False)
    progress: Callable[[], str] = field(default=str, repr=False)


def member_jobs(member: Member, *, predict: Sequence[str], own_maps: bool = True) -> Iterator[Job]:
    """Yield a member's jobs: training and prediction of every fold, and its evaluation.

    Args:
        member: An experiment and its folds.
        predict: Further overrides of every prediction.
        own_maps: Whether each of its networks predicts the test photos by itself.
    """
    predicted = []
    for fold in member.folds:
        run, column, begun = member.run(fold), f"fold {fold}", f"{member.name}.{fold_name(fold)}"
        command = ("train", f"experiment={member.name}", f"fold={fold}", *member.overrides)
        epochs = _Epochs(run, member.epochs)
        yield Job(f"{begun}.train", command, member.name, column, "train", (), run.finished.exists, epochs)
        for split in ("oof", "test") if member.test and own_maps else ("oof",):
            command = ("predict", f"name={member.name}", f"fold={fold}", f"split={split}", *predict)
            maps = _Maps((run.store(split),), tuple(member.ids(fold, split)))
            yield Job(
                f"{begun}.{split}", command, member.name, column, split, (f"{begun}.train",), maps.all_there, maps
            )
        predicted.append(f"{begun}.oof")
    if member.complete:
        rows = member.table[member.table["image_id"].isin([one for ids in member.oof.values() for one in ids])]
        stores = tuple(member.run(fold).store("oof") for fold in member.folds)
        scored = _Scored(member.folder, stores, facts_of(rows))
        yield Job(
            f"{member.name}.evaluate",
            ("evaluate", f"name={member.name}"),
            member.name,
            SCORE,
            "evaluate",
            tuple(predicted),
            scored,
        )


def ensemble_jobs(
    folder: EnsembleFolder,
    recipe: Recipe,
    written: dict[str, Any],
    members: Sequence[Member],
    *,
    overrides: Sequence[str],
    fuse: Sequence[str] | None = None,
) -> Iterator[Job]:
    """Yield the merges of an ensemble: out of fold where every member has all folds, and of the test photos.

    In front of the latter is the prediction of the test photos in one pass, where there is one.

    Args:
        folder: The ensemble's.
        recipe: The ensemble.
        written: The same as its file has it.
        members: Its experiments.
        overrides: Those of the stage: the ensemble's name, and what else it needs.
        fuse: Those of the pass over the test photos; None where every network has test maps of its own.
    """
    possible = {"oof": all(member.complete for member in members), "test": all(member.test for member in members)}
    for split in (split for split, is_possible in possible.items() if is_possible):
        photos = photos_of(members[0].table, split)
        fused = FusedStores(recipe, folder) if split == "test" and fuse is not None else None
        command = ("ensemble", *overrides, f"split={split}")
        if fused is None or fuse is None:
            needs = _of_networks(members, split)
        else:
            maps = _Maps(tuple(fused.folders), tuple(photos["image_id"]), digits=1)
            trained = _of_networks(members, "train")
            yield Job(FUSE, ("fuse", *fuse), "ensemble", "fuse", "fuse", trained, maps.all_there, maps)
            command, needs = (*command, "fused=true"), (FUSE,)
        facts = {"contents": contents_fingerprint(photos), **cluster_facts(recipe, photos)}
        merged = _Merged(folder.result(split), split, recipe, written, facts, fused)
        yield Job(f"ensemble.{split}", command, "ensemble", SCORE, f"merge {split}", needs, merged)


def _of_networks(members: Sequence[Member], part: str) -> tuple[str, ...]:
    """Return the names of a job of every network."""
    return tuple(f"{member.name}.{fold_name(fold)}.{part}" for member in members for fold in member.folds)


@dataclass(frozen=True)
class _Epochs:
    """How many epochs of a run are trained."""

    run: RunFolder
    epochs: int | None

    def __call__(self) -> str:
        trained = len(pd.read_csv(self.run.metrics)) if self.run.metrics.exists() else 0
        if self.epochs is None:
            return f"epoch {trained + 1}"
        return f"epoch {min(trained + 1, self.epochs)}/{self.epochs}"


@dataclass(frozen=True)
class _Maps:
    """How many maps of some stores are there.

    Attributes:
        folders: The stores'.
        image_ids: Of all the maps to be of each.
        digits: Behind the point of the percentage: with many networks a hundredth of the photos takes hours, in which
            a worker may be lost though it has got on.
    """

    folders: tuple[Path, ...]
    image_ids: tuple[str, ...]
    digits: int = 0

    def __call__(self) -> str:
        # Asked at every look, of up to a hundred thousand maps: the names are counted and no more.
        names = [name for folder in self.folders if folder.is_dir() for name in os.listdir(folder)]
        there = sum(PART if is_part(name) else name.endswith((SUFFIX, PNG)) for name in names)
        return f"{min(there / len(self.image_ids) / len(self.folders), 1):.{self.digits}%}"

    def all_there(self) -> bool:
        return not any(store_in(folder).missing(self.image_ids) for folder in self.folders)


@dataclass(frozen=True)
class _Scored:
    """Whether a member's scores are of the maps, the photos, the masks and the clusters that are there."""

    folder: MemberFolder
    stores: tuple[Path, ...]
    facts: dict[str, str]

    def __call__(self) -> bool:
        now = {"maps": [content_of(store) for store in self.stores]} | self.facts
        return self.folder.results.exists() and scored_from(self.folder.scores) == now


@dataclass(frozen=True)
class _Merged:
    """Whether an ensemble's submission is of the maps, the photos and the clusters that are there."""

    result: ResultFolder
    split: str
    recipe: Recipe
    written: dict[str, Any]
    facts: dict[str, str | None]
    fused: FusedStores | None

    def __call__(self) -> bool:
        path = self.result.manifest
        if not path.exists():
            return False
        usual, repair = ingredients_of_passes(self.recipe, split=self.split, experiments=EXPERIMENTS, fused=self.fused)
        now = {"ensemble": self.written, "members": usual, "repair_members": repair, **self.facts}
        manifest = files.read_json(path)
        return all(manifest.get(key) == value for key, value in now.items())
