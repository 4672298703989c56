"""Everything there is to know about an ensemble, gathered from what the stages have left on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.analysis.evidence import Evidence, Split, attempt, open_split, read_manifest, read_member
from maskfold.analysis.recognition_evidence import RecognitionEvidence, of_ensemble, of_member
from maskfold.analysis.truth import score_submission
from maskfold.config import build
from maskfold.data.labelled import LabelledSource
from maskfold.data.source import Source
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import leaf_nodes, leaves
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import named
from maskfold.masks.scoring import DICE, Judged
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.layout import EXPERIMENTS, SUBMISSIONS, MemberFolder
from maskfold.submission.shape import shape_of
from maskfold.trust import vetted


def gather(ensemble: dict[str, Any], *, experiments: Path = EXPERIMENTS, submissions: Path = SUBMISSIONS) -> Evidence:
    """Find all there is to know about an ensemble.

    Args:
        ensemble: Its configuration, plain and resolved.
        experiments: The folder of all members.
        submissions: The folder of all ensembles.

    Raises:
        MaskfoldError: If there is nothing yet.
    """
    recipe: Recipe = build(ensemble)
    folder = EnsembleFolder(submissions / recipe.name)
    missing: list[str] = []
    opened = [attempt(missing, _open, folder, recipe, ensemble, split, experiments) for split in ("test", "oof")]
    sources = [pair[0] for pair in opened if pair]
    if not sources:
        raise MaskfoldError("\n".join(["There is nothing to report on yet.", *missing]))
    source = sources[0]
    test, oof = (pair and pair[1] for pair in opened)
    judged = Judged(source.metric)
    if oof is not None and judged.column in oof.scores and not judged.marks(oof.scores).weights.any():
        missing.append(f"No photo counts for {judged.title} out of fold: the report goes by Dice.")
        judged = DICE
    members = {} if oof is None else _members(recipe, oof, missing, experiments, judged)
    planted, hidden = source.root / "planted.csv", source.root / "test_truth"
    scored = test is not None and hidden.is_dir()
    return Evidence(
        name=recipe.name,
        data=source.name,
        test=test,
        oof=oof,
        members={name: scores for name, (scores, _) in members.items()},
        results={name: results for name, (_, results) in members.items()},
        planted=pd.read_csv(planted) if planted.exists() else None,
        truth=attempt(missing, _against_truth, folder.test.submission, hidden, source) if scored else None,
        missing=missing,
        judged=judged,
        classes=source.classes,
    )


def gather_recognised(
    ensemble: dict[str, Any] | None,
    name: str | None = None,
    *,
    experiments: Path = EXPERIMENTS,
    submissions: Path = SUBMISSIONS,
) -> RecognitionEvidence | None:
    """Find all there is to know about a recogniser; None where the ensemble masks.

    Args:
        ensemble: Configuration of an ensemble, plain and resolved; None for a member alone.
        name: The member.
        experiments: The folder of all members.
        submissions: The folder of all ensembles.

    Raises:
        MaskfoldError: If both or neither are given, the member masks, or nothing was evaluated yet.
    """
    members, source = _recogniser(ensemble, name, experiments)
    if source is None:
        return None
    if ensemble is None:
        return of_member(members[0], source)
    return of_ensemble(EnsembleFolder(submissions / build(ensemble).name), members, source)


def recogniser_folder(
    ensemble: dict[str, Any] | None,
    name: str | None = None,
    *,
    experiments: Path = EXPERIMENTS,
    submissions: Path = SUBMISSIONS,
) -> Path | None:
    """Return the folder that a report on a recogniser lies in; None where the ensemble masks. As `gather_recognised`.

    Raises:
        MaskfoldError: Likewise.
    """
    members, source = _recogniser(ensemble, name, experiments)
    if source is None:
        return None
    return members[0].path if ensemble is None else submissions / build(ensemble).name


def _recogniser(
    ensemble: dict[str, Any] | None, name: str | None, experiments: Path
) -> tuple[list[MemberFolder], LabelledSource | None]:
    """Return the members that are asked for, and their data where they recognise."""
    if (ensemble is None) == (name is None):
        raise MaskfoldError("Say what to look at: ensemble=<name>, or name=<member> for one that recognises.")
    nodes = [{"experiment": name}] if ensemble is None else leaf_nodes(build(ensemble).members)
    names = dict.fromkeys(node["experiment"] for node in nodes if "experiment" in node)
    members = [MemberFolder(experiments / one) for one in names]
    source = _data_of(members)
    if isinstance(source, LabelledSource):
        return members, source
    if ensemble is None and source is None:
        raise MaskfoldError(f"{members[0].path}: no fold has been trained. Run `make train EXP={name} FOLD=all` first.")
    if ensemble is None:
        raise MaskfoldError(
            f"name={name}: a member that masks is looked at as an ensemble: ensemble={name}, of conf/ensemble/."
        )
    return members, None


def _data_of(members: Sequence[MemberFolder]) -> Source | None:
    """Return the data of the first member that has a run."""
    data = next((run.part("data") for member in members for run in member.begun()), None)
    return None if data is None else build(data)


def _against_truth(submission: Path, hidden: Path, source: Source) -> pd.DataFrame:
    return score_submission(submission, hidden, shape=shape_of(source), metric=named(source.metric))


def need_oof(evidence: Evidence) -> Split:
    """Return the ensemble's result out of fold.

    Raises:
        MaskfoldError: If it is not there; the message says what makes it.
    """
    if evidence.oof is None:
        raise MaskfoldError("\n".join(["There is nothing out of fold to analyse.", *evidence.missing]))
    return evidence.oof


def _open(
    folder: EnsembleFolder, recipe: Recipe, ensemble: dict[str, Any], split: str, experiments: Path
) -> tuple[Source, Split]:
    """Open what the `ensemble` stage left of a split, with its data."""
    command = f"make ensemble ENS={recipe.name}" + (" ARGS=split=oof" if split == "oof" else "")
    manifest = read_manifest(folder.result(split), ensemble=ensemble, command=command)
    source = build(vetted(manifest["source"], "data", folder.result(split).manifest))
    shown = {"experiments": experiments, "command": command, "channels": source.channels}
    return source, open_split(folder, recipe, manifest, source.load(), **shown)


def _members(
    recipe: Recipe, oof: Split, missing: list[str], experiments: Path, judged: Judged
) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Read the scores of every member that was evaluated."""
    by_name = {leaf.name: leaf for leaf in leaves(recipe.members, split="oof", experiments=experiments)}
    ids = oof.scores["image_id"]
    wanted = {"experiments": experiments, "judged": judged}
    read = {name: attempt(missing, read_member, leaf, ids, **wanted) for name, leaf in by_name.items()}
    return {name: scores for name, scores in read.items() if scores is not None}
