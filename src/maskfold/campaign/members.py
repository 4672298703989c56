"""The members of an ensemble as jobs see them: which experiments, which folds, how each is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd
from hydra.errors import MissingConfigException

from maskfold.campaign.lessons import find_teacher, with_lesson
from maskfold.campaign.member_data import data_of_members
from maskfold.config import EXPERIMENTS, build, compose, recorded
from maskfold.data.folds import fold_members, read_folds, split_path
from maskfold.engine.schedules import number_of_epochs
from maskfold.ensembling.manifest import store_origin
from maskfold.ensembling.stores import store_in
from maskfold.ensembling.tree import leaf_nodes
from maskfold.ensembling.vetting import refuse_stale
from maskfold.errors import MaskfoldError
from maskfold.prediction.larger import GEOMETRY, changed_numbers
from maskfold.prediction.photos import refuse_replaced_photos
from maskfold.prediction.splits import SPLITS
from maskfold.pseudo.rows import rows_of_fold
from maskfold.runs.contents import hashes_of
from maskfold.runs.layout import FULL, MemberFolder
from maskfold.runs.lineage import keep_lineage, refuse_replaced
from maskfold.runs.run_folder import RunFolder
from maskfold.runs.start import find_start
from maskfold.trust import KINDS


@dataclass(frozen=True)
class Member:
    """An experiment of an ensemble.

    Attributes:
        name: The experiment's, and its folder's.
        folds: Those that the ensemble has, in order.
        config: How its first fold is trained, plain and resolved.
        overrides: What makes its training so, beside its experiment and its fold.
        epochs: Of a training; None if that is not known before.
        oof: `fold -> image_ids` that the fold validates on, for every fold of its split.
        test: `image_id` of every test photo.
        table: The image table of its data.
    """

    name: str
    folds: tuple[int, ...]
    config: dict[str, Any]
    overrides: tuple[str, ...]
    epochs: int | None
    oof: dict[int, list[str]]
    test: list[str]
    table: pd.DataFrame = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether the ensemble has every fold of the split, so that every train photo has a map."""
        return set(self.folds) == self.oof.keys()

    @property
    def folder(self) -> MemberFolder:
        """Where its runs and its scores are."""
        return MemberFolder(EXPERIMENTS / self.name)

    def run(self, fold: int) -> RunFolder:
        """Return a fold's folder."""
        return self.folder.run(fold)

    def refuse_other_runs(self) -> None:
        """Refuse finished runs that were trained with another configuration, split, photos or masks than now.

        What they may differ in holds for the stages behind training as it is now.

        Raises:
            MaskfoldError: If there is one; the message names the keys that differ, or the files that were replaced.
        """
        source = build(self.config["data"])
        split, pseudo = split_path(source, self.config["split_file"]), self.config["pseudo"]
        for fold, run in self._finished().items():
            start = find_start(self.config["start_from"], fold=fold)
            rows = rows_of_fold(self.table, source, split, fold=fold, pseudo=pseudo)
            rows, _ = with_lesson(rows, source, self.config.get("distill"), fold=fold)
            rows = rows.begun_with(start).taught_by(find_teacher(self.config.get("distill"), fold=fold))
            rows = rows.replayed(self.config["replay"], start, seed=self.config["seed"])
            rows = rows.by_cluster(balance=self.config["balance"], weights=self.config["cluster_weights"])
            refuse_replaced(run, rows.lineage)
            config = self.config | {"fold": fold}
            run.refuse_other(config, rows.identity)
            run.take_over(config)
            keep_lineage(run, rows.lineage)

    def _finished(self) -> dict[int, RunFolder]:
        return {fold: self.run(fold) for fold in self.folds if self.run(fold).finished.exists()}

    def refuse_other_maps(
        self,
        tta: str | None,
        geometry: Mapping[str, int | None] = MappingProxyType({}),
        *,
        splits: Sequence[str] = tuple(SPLITS),
    ) -> None:
        """Refuse maps of other weights, photos, geometry or test-time augmentation than they would be of now.

        Args:
            tta: That of the predictions to come; None for the experiment's own.
            geometry: Numbers of theirs that are not to be as in training, None where they are.
            splits: Those whose maps are looked at.

        Raises:
            MaskfoldError: If there are any; the message names the store.
        """
        wanted = {"tta": tta or self.config["tta"], GEOMETRY: changed_numbers(self.config.get(GEOMETRY, {}), geometry)}
        for store in (self.run(fold).store(split) for fold in self.folds for split in splits):
            origin = store_origin(store)
            theirs = {"tta": origin.get("tta", wanted["tta"]), GEOMETRY: origin.get(GEOMETRY, {})}
            for key in (key for key in wanted if origin and theirs[key] != wanted[key]):
                raise MaskfoldError(
                    f"{store}: predicted with {key}={theirs[key]}, and the others would be with {key}={wanted[key]}. "
                    f"Delete the folder to predict anew, or predict everything with {key}={theirs[key]}."
                )
        hashes = hashes_of(self.table, "image")
        for run in self._finished().values():
            for split in splits:
                refuse_stale(run, run.store(split))
                refuse_replaced_photos(store_in(run.store(split)), hashes)

    def ids(self, fold: int, split: str) -> list[str]:
        """Return the images that a fold predicts, of `oof` or `test`."""
        return self.oof[fold] if split == "oof" else self.test


def find_members(
    trees: Sequence[Sequence[dict[str, Any]]], overrides: Sequence[str], *, experiments: Sequence[str] = ()
) -> list[Member]:
    """Return some experiments and those of some trees of members, each once.

    Nodes that name maps, or a store of their own, are left out: nobody knows how to make those.

    Args:
        trees: As `maskfold.ensembling.tree.leaves` takes them.
        overrides: Those of every training, beside its experiment. Where they say nothing of the data, it is that of
            the members' runs.
        experiments: Names, in front of those of the trees.

    Raises:
        MaskfoldError: If a node is malformed, or there is no such experiment or fold.
    """
    wanted: dict[str, set[int] | None] = dict.fromkeys(experiments)
    for node in (node for tree in trees for node in leaf_nodes(tree)):
        if "experiment" not in node or node.get("store"):
            continue
        name, folds = node["experiment"], node.get("folds")
        if folds is not None and FULL in folds:
            raise MaskfoldError(
                f"ensemble member {node}: a campaign trains and judges folds, and {FULL} has none. Name an ensemble "
                f"without it; then `make train EXP={name} FOLD={FULL}`, predict it, and `make ensemble`."
            )
        if folds is None or wanted.get(name, set()) is None:
            wanted[name] = None
        else:
            wanted[name] = wanted.get(name, set()) | set(folds)
    data, tables = data_of_members(wanted, overrides), {}
    return [_find_member(name, [*data[name], *overrides], folds, tables) for name, folds in wanted.items()]


def _find_member(
    name: str, overrides: Sequence[str], folds: set[int] | None, tables: dict[str, pd.DataFrame]
) -> Member:
    """Return an experiment as it would be trained, or as it was if its configuration is in its run folders only.

    Args:
        name: The experiment's.
        overrides: Further ones of its training.
        folds: Those that are wanted; None for all of its split.
        tables: Image tables that have been read, by their source; its own is added.

    Raises:
        MaskfoldError: If there is no such experiment, or it has no such fold.
    """
    config = _config(name, overrides)
    source = build(config["data"])
    key = str(config["data"])
    if key not in tables:
        tables[key] = source.load(), source.left_out
    table, left_out = tables[key]
    split = read_folds(split_path(source, config["split_file"]), table, left_out=left_out)
    oof = {int(fold): fold_members(split, fold) for fold in sorted(split["fold"].unique())}
    for fold in folds or ():
        fold_members(split, fold)
    test = table.loc[table["split"] == SPLITS["test"], "image_id"].tolist()
    numbers = tuple(sorted(oof if folds is None else folds))
    return Member(name, numbers, config, tuple(overrides), _epochs(config), oof, test, table)


def _config(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    try:
        config = recorded(compose("train", [f"experiment={name}", *overrides]))
    except MissingConfigException as error:
        begun = MemberFolder(EXPERIMENTS / name).begun()
        if not begun:
            raise MaskfoldError(
                f"experiment {name}: there is neither conf/experiment/{name}.yaml nor a run."
            ) from error
        trained = begun[0].read_config()
        return trained | {kind: begun[0].part(kind) for kind in KINDS if kind in trained}
    if config["name"] != name:
        other = EXPERIMENTS / config["name"]
        raise MaskfoldError(f"experiment {name} writes to {other}: set name: {name} in its file.")
    return config


def _epochs(config: dict[str, Any]) -> int | None:
    return number_of_epochs(config["trainer"]["max_epochs"], build(config["schedule"]))
