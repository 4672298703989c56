"""What an ensemble left on disk, and whether its out-of-fold scores are those of its submission."""

from pathlib import Path
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import DICE, Judged
from maskfold.runs.ensemble_folder import ensemble_of, result_of

_DIGITS = 12  # of a hash: enough to tell submissions apart, and short enough for a message
_OF_A_SPLIT = ("folder", "data", "content")  # what a manifest says of maps that differs between two splits of a chain


def short_hash(submission: Path) -> str:
    """Return the first digits of a submission's SHA-256, by which it is known in the table and at Kaggle."""
    return files.sha256(submission)[:_DIGITS]


def read_result(submission: Path) -> dict[str, Any]:
    """Read the manifest beside a submission.

    Raises:
        MaskfoldError: If there is none, or it is about another file.
    """
    path = result_of(submission).manifest
    if not path.exists():
        raise MaskfoldError(f"{path}: missing, so the members of {submission} are not known.")
    manifest = files.read_json(path)
    if manifest.get("submission_sha256") != files.sha256(submission):
        raise MaskfoldError(f"{path}: is about another file than {submission}. Run `make ensemble` again.")
    return manifest


def read_out_of_fold(submission: Path, manifest: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read the out-of-fold scores of the very chain that made a submission.

    Args:
        submission: `submissions/<ensemble>/submission.csv.gz`.
        manifest: As `read_result` returns it.

    Returns:
        Scores, a row an image, with `image_id`, `group` and what is judged; and their manifest.

    Raises:
        MaskfoldError: If there are none, or they are of another recipe or of other members.
    """
    result, name = ensemble_of(submission).oof, manifest["ensemble"]["name"]
    again = f"`make ensemble ENS={name} ARGS=split=oof` scores the same chain out of fold."
    if not result.manifest.exists():
        raise MaskfoldError(f"{result.path}: no out-of-fold result. {again}")
    oof = read_result(result.path / submission.name)
    if oof["ensemble"] != manifest["ensemble"]:
        raise MaskfoldError(f"{result.path}: of another recipe than {submission}. {again}")
    for key in ("members", "repair_members"):
        for scored, submitted in zip(_made_of(oof[key]), _made_of(manifest[key]), strict=True):
            if scored != submitted:
                raise MaskfoldError(f"{result.path}: {scored[0]} was not the same as in {submission}. {again}")
    return files.read_table(result.scores, again=again), oof


def judged_by(manifest: dict[str, Any]) -> Judged:
    """Return what an ensemble's data is scored by, of which older manifests say nothing."""
    return Judged((manifest.get("source") or {}).get("metric", DICE.metric))


def member_names(manifest: dict[str, Any]) -> str:
    """Return the members of an ensemble with the number of their folds, such as `linknet34 x5, ternausnet11 x5`."""
    folds = [(member["name"], len(member["maps"])) for member in manifest["members"]]
    return ", ".join(f"{name} x{count}" if count > 1 else name for name, count in folds)


def _made_of(members: list[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return each member's name, weight and what its maps come from, but for the split they are of."""
    return [
        (
            member["name"],
            member["weight"],
            [{key: value for key, value in maps.items() if key not in _OF_A_SPLIT} for maps in member["maps"]],
        )
        for member in members
    ]
