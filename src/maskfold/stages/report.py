"""Look at an ensemble: `python -m maskfold.stages.report ensemble=linknet34` writes one HTML file."""

import logging
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.evidence import Evidence, Split, attempt, open_split, read_manifest, read_member
from maskfold.analysis.report import compose
from maskfold.analysis.truth import score_submission
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, entry_point, resolved
from maskfold.data.sources import Source
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import leaves
from maskfold.errors import MaskfoldError

log = logging.getLogger(__name__)


def report(config: DictConfig) -> Path:
    """Write `submissions/<ensemble>/report.html`; return its path."""
    if config.images < 1:
        raise MaskfoldError(f"images={config.images}: show at least one image in each gallery.")
    evidence = gather(config)
    path = SUBMISSIONS / evidence.name / "report.html"
    files.write_text(path, compose(evidence, images=config.images, jobs=config.jobs))
    log.info("%s", path)
    return path


def gather(config: DictConfig) -> Evidence:
    """Find all there is to know about an ensemble.

    Raises:
        MaskfoldError: If there is nothing yet.
    """
    recipe: Recipe = build(config.ensemble)
    missing: list[str] = []
    found = [attempt(missing, _open, config, recipe, split) for split in ("test", "oof")]
    sources = [pair[0] for pair in found if pair]
    if not sources:
        raise MaskfoldError("\n".join(["There is nothing to report on yet.", *missing]))
    source = sources[0]
    test, oof = (pair and pair[1] for pair in found)
    members = {} if oof is None else _members(recipe, oof, missing)
    submission = SUBMISSIONS / recipe.name / "submission.csv.gz"
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
        truth=attempt(missing, score_submission, submission, hidden) if scored else None,
        missing=missing,
    )


def need_oof(evidence: Evidence) -> Split:
    """Return the ensemble's result out of fold.

    Raises:
        MaskfoldError: If it is not there; the message says what makes it.
    """
    if evidence.oof is None:
        raise MaskfoldError("\n".join(["There is nothing out of fold to analyse.", *evidence.missing]))
    return evidence.oof


def _open(config: DictConfig, recipe: Recipe, split: str) -> tuple[Source, Split]:
    """Open what the `ensemble` stage left of a split, with its data."""
    folder = SUBMISSIONS / recipe.name / ("oof" if split == "oof" else "")
    command = f"make ensemble ENS={recipe.name}" + (" ARGS=split=oof" if split == "oof" else "")
    manifest = read_manifest(folder, ensemble=resolved(config.ensemble), command=command)
    source = build(manifest["source"])
    return source, open_split(folder, recipe, manifest, source.load(), experiments=EXPERIMENTS, command=command)


def _members(recipe: Recipe, oof: Split, missing: list[str]) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Read the scores of every member that was evaluated."""
    found = {leaf.name: leaf for leaf in leaves(recipe.members, split="oof", experiments=EXPERIMENTS)}
    ids = oof.scores["image_id"]
    read = {name: attempt(missing, read_member, leaf, ids, experiments=EXPERIMENTS) for name, leaf in found.items()}
    return {name: scores for name, scores in read.items() if scores is not None}


main = entry_point(report)

if __name__ == "__main__":
    main()
