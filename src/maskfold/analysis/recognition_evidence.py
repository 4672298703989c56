"""What is on disk about a recogniser, a member or an ensemble, gathered for its report and its notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskfold import files
from maskfold.analysis.evidence import attempt
from maskfold.data.annotations import DECISIONS, read_decisions
from maskfold.data.class_table import ClassTable
from maskfold.data.hold_out import unknown_kinds
from maskfold.data.labelled import LabelledSource
from maskfold.data.table import LABEL
from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import AnswerStore
from maskfold.recognition.suspects import neighbour_votes, suspect_labels
from maskfold.runs.ensemble_folder import REPORT, EnsembleFolder
from maskfold.runs.layout import MemberFolder


class Pages(NamedTuple):
    """Where the report on a recogniser lies: the page, that of labels that look wrong, and these as a table."""

    report: Path
    labels: Path
    suspects: Path

    @classmethod
    def within(cls, folder: Path) -> "Pages":
        """Return those of a member's or an ensemble's folder."""
        return cls(folder / REPORT, folder / "labels.html", folder / "labels.csv")


@dataclass(frozen=True)
class RecognitionEvidence:
    """All that a report on a recogniser may speak of.

    Attributes:
        name: Of the member or the ensemble.
        title: What it is, for the page's head.
        data: The data's name.
        decisions: The file in which the user decides about photos.
        photos: The image table's rows by `image_id`.
        classes: The data's.
        scores: A row a photo, out of fold, as `make evaluate` leaves them.
        members: The scores of an ensemble's members by name; none of a member alone.
        suspects: Labels that look wrong, see `suspect_labels`; without those that were decided about.
        settled: What was decided about photos, by `image_id`.
        rejection: What each member's networks make of unknown products, by name, see `member_rejection`.
        results: Each member's `results.csv`, by name.
        missing: What could not be had, and the command that would add it.
        pages: Where its report is to lie.
    """

    name: str
    title: str
    data: str
    decisions: Path
    photos: pd.DataFrame
    classes: ClassTable
    scores: pd.DataFrame
    members: Mapping[str, pd.DataFrame]
    suspects: pd.DataFrame
    settled: pd.Series
    rejection: Mapping[str, pd.DataFrame]
    results: Mapping[str, pd.DataFrame]
    missing: list[str]
    pages: Pages


def of_member(member: MemberFolder, source: LabelledSource) -> RecognitionEvidence:
    """Gather what is known of a member.

    Args:
        member: Its folder.
        source: The data it was trained on.

    Raises:
        MaskfoldError: If it was not evaluated yet.
    """
    scores = _scores_of(member)
    return _gathered(member.path, f"Member {member.name}", source, scores, [member], {})


def of_ensemble(folder: EnsembleFolder, members: Sequence[MemberFolder], source: LabelledSource) -> RecognitionEvidence:
    """Gather what is known of an ensemble.

    Args:
        folder: Its folder.
        members: Those whose answers it takes the mean of.
        source: The data they were trained on.

    Raises:
        MaskfoldError: If it has no result out of fold yet.
    """
    again = f"`make ensemble ENS={folder.name} ARGS=split=oof`"
    path = folder.oof.scores
    if not path.exists():
        raise MaskfoldError(f"{path} is missing; {again} makes it.")
    scores = files.read_table(path, again=f"{again} makes it anew.")
    others: dict[str, pd.DataFrame] = {}
    missing: list[str] = []
    for member in members:
        own = attempt(missing, _scores_of, member)
        if own is not None:
            others[member.name] = own
    whole = _gathered(folder.path, f"Ensemble {folder.name}", source, scores, members, others)
    whole.missing.extend(missing)
    return whole


def _scores_of(member: MemberFolder) -> pd.DataFrame:
    command = f"`make evaluate EXP={member.name}`"
    if not member.scores.exists() or not member.results.exists():
        raise MaskfoldError(f"{member.scores} is missing; {command} makes it.")
    return files.read_table(member.scores, again=f"{command} makes it anew.")


def _table_of(member: MemberFolder, path: Path) -> pd.DataFrame:
    return files.read_table(path, again=f"`make evaluate EXP={member.name}` makes it anew.", dtype={"fold": str})


def _gathered(
    folder: Path,
    title: str,
    source: LabelledSource,
    scores: pd.DataFrame,
    members: Sequence[MemberFolder],
    others: Mapping[str, pd.DataFrame],
) -> RecognitionEvidence:
    missing: list[str] = []
    photos = source.load().set_index("image_id", drop=False)
    scores = _as_labelled_now(scores, photos, missing)
    settled = read_decisions(source.folder)
    votes = [own for member in members if (own := attempt(missing, member_votes, member, scores)) is not None]
    near = pd.concat(votes).groupby(level=0).mean() if votes else None
    suspects = suspect_labels(scores, votes=near, members=others)
    suspects = suspects[~suspects["image_id"].isin(settled.index)].reset_index(drop=True)
    tables = {member.name: _table_of(member, member.unknown) for member in members if member.unknown.exists()}
    if not tables and unknown_kinds(photos).notna().any():
        missing.append(_NO_REJECTION.format(members[0].name))
    results = {member.name: _table_of(member, member.results) for member in members if member.results.exists()}
    return RecognitionEvidence(
        name=folder.name,
        title=title,
        data=source.name,
        decisions=source.folder / DECISIONS,
        photos=photos,
        classes=source.class_table(),
        scores=scores,
        members=others,
        suspects=suspects,
        settled=settled,
        rejection=tables,
        results=results,
        missing=missing,
        pages=Pages.within(folder),
    )


_NO_REJECTION = (
    "There are photos of unknown products, and nobody has measured how they are refused: `make predict EXP={0} "
    "FOLD=all SPLIT=test`, and `make evaluate EXP={0}` again."
)


def member_votes(member: MemberFolder, scores: pd.DataFrame) -> pd.Series:
    """Ask the nearest photos of each whose first answer is not its label, among those of its own fold's network.

    Args:
        member: Whose answers out of fold are at hand.
        scores: Of these photos, with `fold` where there are several.

    Returns:
        As `neighbour_votes`.

    Raises:
        MaskfoldError: If a fold's answers cannot be read.
    """
    votes = []
    for run in member.begun():
        store = AnswerStore(run.store("oof"))
        if not store.parts():
            continue
        answers = store.read()
        rows = scores.set_index("image_id", drop=False).reindex(answers.image_ids)
        known = rows[LABEL].notna().to_numpy()
        rows = rows[known]
        asked = (rows[LABEL] != rows["predicted"]).to_numpy()
        votes.append(neighbour_votes(answers.embeddings[known], rows, asked=asked))
    if not votes:
        raise MaskfoldError(
            f"{member.path}: no answers out of fold are left, so nearest photos could not be asked about labels; "
            f"`make predict EXP={member.name} FOLD=all SPLIT=oof` makes them."
        )
    return pd.concat(votes)


def _as_labelled_now(scores: pd.DataFrame, photos: pd.DataFrame, missing: list[str]) -> pd.DataFrame:
    """Return the scores of photos that are still there with their label; say how many are not."""
    labels = scores["image_id"].map(photos[LABEL])
    same = (labels == scores[LABEL]).fillna(value=False).astype(bool)
    if not same.all():
        missing.append(
            f"{int((~same).sum()):,} photos have another label by now, or are gone, and are left out: `make evaluate` "
            "scores them anew."
        )
    return scores[same].reset_index(drop=True)
