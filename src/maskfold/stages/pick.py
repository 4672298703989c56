"""Choose the two submissions to select at the end: `maskfold pick`."""

import logging
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold.analysis import formats
from maskfold.analysis.evidence import attempt
from maskfold.config import SUBMISSIONS
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.leaderboard.picker import choose, compare, difference
from maskfold.leaderboard.results import judged_by, read_out_of_fold, read_result, short_hash
from maskfold.leaderboard.table import read_table
from maskfold.masks.scoring import Judged
from maskfold.runs.ensemble_folder import EnsembleFolder, submitted_ensembles
from maskfold.runs.layout import LEADERBOARD

log = logging.getLogger(__name__)


def pick(config: DictConfig) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Print and return the submissions compared, and the two picked, each with its reason."""
    missing: list[str] = []
    names = config.ensembles or [folder.name for folder in submitted_ensembles(SUBMISSIONS)]
    results = {name: read for name in names if (read := attempt(missing, _read, _submission(name))) is not None}
    if missing:
        log.info("Left out:\n%s\n", listing(missing, limit=len(missing)))
    if not results:
        raise MaskfoldError(f"{SUBMISSIONS}: no ensemble has a submission and its out-of-fold scores.")
    _refuse_other_data({name: data for name, (_, data, _) in results.items()})
    judged = _judged({name: judged for name, (*_, judged) in results.items()})
    table = compare({name: scores for name, (scores, *_) in results.items()}, judged, seed=config.seed)
    best, *others = (_submission(name) for name in table["name"])
    public = read_table(LEADERBOARD).groupby("submission")["public"].last()
    table["difference"] = [0.0, *(difference(best, other) for other in others)]
    table["submission"] = [short_hash(path) for path in (best, *others)]
    table["public"] = table["submission"].map(public)
    picks = choose(table)
    log.info("%s\n", _printed(table).to_string(index=False))
    for number, (name, reason) in enumerate(picks, start=1):
        uploaded = table.set_index("name").loc[name, "submission"] in public
        first = "" if uploaded else f" Not submitted yet: make submit SUB={_submission(name)}"
        log.info("%d. %s: %s.%s", number, name, reason, first)
    if len(picks) == 1:
        log.info("There is no other to pick.")
    return table, picks


def _submission(name: str) -> Path:
    return EnsembleFolder(SUBMISSIONS / name).test.submission


def _judged(by: dict[str, Judged]) -> Judged:
    """Return what all are judged by."""
    if len({*by.values()}) > 1:
        lines = [f"{name}: {judged.metric}" for name, judged in by.items()]
        raise MaskfoldError(
            f"These were made of data with different metrics and cannot be compared:\n{listing(lines)}\n"
            "Make them again with one data.metric, or name those of one: ensembles=[one,another]."
        )
    return next(iter(by.values()))


def _read(submission: Path) -> tuple[pd.DataFrame, dict[str, str], Judged]:
    """Return an ensemble's scores out of fold, its photos' fingerprints (of older versions not all), and its metric."""
    manifest = read_result(submission)
    scores, oof = read_out_of_fold(submission, manifest)
    of_split = {"test": manifest, "train": oof}
    known = [(split, key) for split, content in of_split.items() for key in ("data", "contents") if key in content]
    return scores, {f"{split} {key}": of_split[split][key] for split, key in known}, judged_by(manifest)


def _refuse_other_data(data: dict[str, dict[str, str]]) -> None:
    of_key: dict[str, set[str]] = {}
    for key, fingerprint in (pair for one in data.values() for pair in one.items()):
        of_key.setdefault(key, set()).add(fingerprint)
    if any(len(fingerprints) > 1 for fingerprints in of_key.values()):
        lines = [f"{name}: {', '.join(f'{key} {one[key]}' for key in one)}" for name, one in data.items()]
        raise MaskfoldError(
            f"These are of different photos and cannot be compared:\n{listing(lines, limit=len(lines))}\n"
            "Name those of one competition: ensembles=[one,another]."
        )


def _printed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is shown, the numbers as text."""
    behind = [f"{formats.gain(row.low)} to {formats.gain(row.high)}" for row in table.itertuples()]
    return pd.DataFrame(
        {
            "submission": table["name"],
            "CV": table["cv"].map(formats.score),
            "behind the best": ["-", *table["behind"][1:].map(formats.gain)],
            "95 % interval": ["-", *behind[1:]],
            "masks differ": ["-", *table["difference"][1:].map(formats.score)],
            "public": table["public"].map(formats.score),
        }
    )


main = entry_point(pick)

if __name__ == "__main__":
    main()
