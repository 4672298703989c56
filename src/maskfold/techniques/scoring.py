"""What runs come to out of fold, and what they took."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from maskfold.data.source import Source
from maskfold.ensembling.by_class import threshold_of
from maskfold.ensembling.contested import by_counts, contested_pixels, groups_of_masks
from maskfold.ensembling.evaluation import HALF, refuse_other_folds
from maskfold.ensembling.guard import Chain, ChainScorer
from maskfold.ensembling.means import PROBABILITY
from maskfold.ensembling.tree import MemberMaps, leaves, open_members
from maskfold.masks.metrics import named
from maskfold.masks.scoring import Marks
from maskfold.runs.layout import EXPERIMENTS
from maskfold.techniques.layout import TechniquesFolder, store_of
from maskfold.techniques.smaller import smaller_ensembles
from maskfold.techniques.table import Costs
from maskfold.techniques.technique import BASE, ENSEMBLE, PREDICT, SOUP, TRAIN, Technique


@dataclass(frozen=True)
class Scoring:
    """What is scored, and how.

    Attributes:
        folder: Where the runs lie.
        rows: Of the image table, with their `fold`.
        source: What they are of.
        seeds: Of the runs.
        folds: That were predicted.
        jobs: Processes.
    """

    folder: TechniquesFolder
    rows: pd.DataFrame
    source: Source
    seeds: Sequence[int]
    folds: list[int]
    jobs: int

    def open(self, members: Sequence[tuple[Technique, int]], mean: str = PROBABILITY) -> list[MemberMaps]:
        """Return the maps of some techniques by some seeds.

        Raises:
            MaskfoldError: If maps are missing, of other photos, or not out of fold.
        """
        nodes = [self.folder.node(one, seed, self.folds) for one, seed in members]
        opened = leaves(nodes, split="oof", experiments=EXPERIMENTS, mean=mean)
        sources = open_members(opened, self.rows, split="oof", classes=self.source.classes)
        for source in sources:
            refuse_other_folds(source, self.rows, "the split")
        return sources

    def score(self, sources: Sequence[MemberMaps], description: str) -> Marks:
        """Return what each photo's mean map comes to."""
        chain = Chain(sources, threshold_of(HALF, self.source.classes))
        metric = named(self.source.metric)
        scorer = ChainScorer(chain, chain, frozenset(), metric, self.source.exclusive)
        return scorer.marks(self.rows, (), description, self.jobs)


def marks_of(technique: Technique, scoring: Scoring) -> list[Marks]:
    """Return what each photo comes to, `(N,)`, by each seed; by all of them together of an ensemble."""
    if technique.kind == ENSEMBLE:
        members = [(Technique(BASE), seed) for seed in scoring.seeds]
        return [scoring.score(scoring.open(members, technique.mean), technique.name)]
    return [scoring.score(scoring.open([(technique, seed)]), f"{technique.name} {seed}") for seed in scoring.seeds]


def costs_of(technique: Technique, scoring: Scoring) -> Costs:
    """Return what one seed of a technique took, or all of them together of an ensemble."""
    folder = scoring.folder
    if technique.kind == ENSEMBLE:
        return costs_of(Technique(BASE), scoring).of_members(len(scoring.seeds))
    trained = BASE if technique.kind == PREDICT else technique.name
    runs = [folder.member(trained, seed).run(fold) for seed in scoring.seeds for fold in scoring.folds]
    trainings = [run.costs() for run in runs]
    notes = folder.predictions()
    keys = [run.store(store_of(technique)).relative_to(EXPERIMENTS).as_posix() for run in runs]
    photos, seconds = (sum(notes[key][what] for key in keys if key in notes) for what in ("photos", "seconds"))
    training = sum(one["seconds"] for one in trainings) / len(scoring.seeds)
    if technique.kind == SOUP:
        training += costs_of(Technique(BASE), scoring).training
    return Costs(training, seconds / photos if photos else float("nan"), trainings[0]["device"])


def smaller_of(techniques: Sequence[Technique], scoring: Scoring) -> pd.DataFrame | None:
    """Return the ensembles of the first seed's trained members, a row a size; None where there is one member alone."""
    trained = [one for one in techniques if one.kind == TRAIN]
    if len(trained) < 2:
        return None
    sources = scoring.open([(one, scoring.seeds[0]) for one in trained])
    metric = by_counts(named(scoring.source.metric))
    cut = threshold_of(HALF, scoring.source.classes)
    contested = contested_pixels(sources, scoring.rows, threshold=cut, metric=metric, jobs=scoring.jobs)
    groups = groups_of_masks(contested, scoring.rows["group"])
    return smaller_ensembles(contested, groups, [one.name for one in trained])
