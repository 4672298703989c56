"""Score a member's out-of-fold maps or answers: `maskfold evaluate name=linknet34`."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.by_cluster import cluster_table, narrow_rows
from maskfold.analysis.recognition_tables import rejection_rows
from maskfold.analysis.verdicts import class_table, costs_sentence, results_table, worth
from maskfold.config import EXPERIMENTS, build
from maskfold.data.folds import fold_members, read_folds, split_path
from maskfold.data.labelled import LabelledSource
from maskfold.data.source import Source
from maskfold.data.task import RECOGNITION
from maskfold.ensembling.answered import score_member
from maskfold.ensembling.evaluation import made_of, refuse_other_folds, score_images, summarise
from maskfold.ensembling.large import warn_of_unscored
from maskfold.ensembling.tree import MemberMaps, leaves, open_members
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import named
from maskfold.masks.scoring import Judged
from maskfold.recognition import tables as tables_of
from maskfold.recognition.rejection import member_rejection
from maskfold.recognition.scoring import by_class, by_coarse, by_month, check_metric, confusions
from maskfold.runs.layout import MemberFolder
from maskfold.runs.results import COSTS
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import RESULT, show_table

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> pd.DataFrame:
    """Write a member's results, tables and scores; return the results, a row for each fold and one for all.

    The scores come last: whoever finds them finds the tables.
    """
    member = MemberFolder(EXPERIMENTS / config.name)
    trained = _any_run(member)
    source = build(trained.part("data"))
    table = source.load()
    split = split_path(source, trained.read_config()["split_file"])
    folds = read_folds(split, table, left_out=source.left_out)
    numbers = sorted(folds["fold"].unique().tolist()) if config.fold is None else [config.fold]
    wanted = [image_id for number in numbers for image_id in fold_members(folds, number)]
    rows = table.merge(folds[folds["image_id"].isin(wanted)][["image_id", "fold"]], on="image_id")
    (leaf,) = leaves([{"experiment": config.name, "folds": numbers}], split="oof", experiments=EXPERIMENTS)
    (oof,) = open_members([replace(leaf, named=config.fold is not None)], rows, split="oof", classes=source.classes)
    refuse_other_folds(oof, rows, folds.attrs["path"])
    judge = _judge_answers if source.task == RECOGNITION else _judge_maps
    scores, results, tables, judged, tell = judge(config, oof, rows, source, member)
    results = results.join(_costs(member, numbers), on="fold")
    files.write_text(member.results, results.to_csv(index=False))
    for path, one in tables.items():
        files.write_text(path, one.round(6).to_csv(index=False))
    scores.attrs = made_of(leaf.stores, rows)
    with files.atomic_path(member.scores) as part:
        scores.to_parquet(part, index=False)
    tell(results)
    names = ", ".join(path.name for path in (*tables, member.scores))
    log.info("%s, %s%s", member.results, names, costs_sentence(results))
    log.info("%s out of fold: %s", config.name, worth(scores, judged), extra=RESULT)
    return results


Verdict = tuple[pd.DataFrame, pd.DataFrame, dict[Path, pd.DataFrame], Judged, Callable[[pd.DataFrame], None]]
"""Scores, a row a photo; results; other tables by their files; what is judged by; and how the results are told."""


def _judge_maps(
    config: DictConfig, oof: MemberMaps, rows: pd.DataFrame, source: Source, member: MemberFolder
) -> Verdict:
    metric, classes = named(config.metric or source.metric), source.classes
    warn_of_unscored(rows, metric)
    whole = {"metric": metric, "classes": classes, "exclusive": source.exclusive}
    scores, at_cuts = score_images(oof, rows, **whole, jobs=config.jobs)
    judged = Judged(metric.name)
    clusters = cluster_table(scores, judged)

    def tell(results: pd.DataFrame) -> None:
        show_table(*results_table(results, classes), strong=len(results) - 1)
        if classes:
            show_table(*class_table(results, classes))
        shown = narrow_rows(clusters, judged)
        show_table([*shown], shown.to_numpy().tolist(), strong=len(shown) - 1)

    return scores, summarise(scores, at_cuts), {member.clusters: clusters}, judged, tell


def _judge_answers(
    config: DictConfig, oof: MemberMaps, rows: pd.DataFrame, source: LabelledSource, member: MemberFolder
) -> Verdict:
    classes, judged = source.class_table(), Judged(check_metric(config.metric or source.metric))
    scores, results = score_member(oof, rows, classes)
    tables = {
        member.classes: by_class(scores, classes),
        member.months: by_month(scores, classes),
        member.coarse: by_coarse(scores, classes),
        member.confusions: confusions(scores),
    }
    rejection = member_rejection([member.run(fold) for fold in sorted({*rows["fold"]})], source.load())
    if rejection is not None:
        tables[member.unknown] = rejection

    def tell(results: pd.DataFrame) -> None:
        show_table(*tables_of.results_table(results, COSTS), strong=len(results) - 1)
        log.info("%s.", tables_of.support(results))
        if rejection is not None:
            shown = rejection_rows({config.name: rejection})
            show_table([*shown], shown.to_numpy().tolist())

    return scores, results, tables, judged, tell


def _any_run(member: MemberFolder) -> RunFolder:
    begun = member.begun()
    if not begun:
        raise MaskfoldError(
            f"{member.path}: no fold has been trained. Run `make train EXP={member.name} FOLD=all` first."
        )
    return begun[0]


def _costs(member: MemberFolder, folds: list[int]) -> pd.DataFrame:
    """Return what each fold's training cost: `epochs`, `seconds`, `images_per_second`, `peak_memory_mb`, `device`."""
    costs = {str(fold): member.run(fold).costs() for fold in folds}
    return pd.DataFrame.from_dict(costs, orient="index").convert_dtypes()


main = entry_point(evaluate)

if __name__ == "__main__":
    main()
