"""What a fold trains on and is validated on: true masks, and pseudo-labels behind them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from maskfold.data.balance import (
    DRAWS,
    clusters_fingerprint,
    draws_at_most_half,
    draws_by_cluster,
    refuse_weights,
    refuse_without_clusters,
    weights_by_cluster,
    weights_fingerprint,
)
from maskfold.data.class_table import FILE, ClassTable
from maskfold.data.folds import fold_members, read_folds
from maskfold.data.source import Source
from maskfold.data.table import AUTOMATIC, CLASS_INDEX, CLUSTER, WEIGHT, fingerprint
from maskfold.errors import MaskfoldError
from maskfold.files import sha256
from maskfold.pseudo.label_set import LabelSet
from maskfold.pseudo.lesson import Lesson
from maskfold.recognition.replay import replayed
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.lineage import Lineage, lineage_of_split, sights
from maskfold.runs.start import Start
from maskfold.segmentation.distillation import TAUGHT, TAUGHT_SHARE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldRows:
    """The rows of the image table that one fold needs.

    Attributes:
        training: To learn from: labelled rows, automatic ones behind them; with pseudo-labels also `weight` and
            `soft`, by cluster also `draws` and `weight`, where automatic ones are drawn less also `draws`.
        validation: To measure.
        lineage: What the network will have seen.
        identity: Fingerprints of data and folds, of the pseudo-labels, of the teachers, of the start, of weights that
            the data itself gives, and of the clusters where they count: what makes a run another run.
    """

    training: pd.DataFrame
    validation: pd.DataFrame
    lineage: Lineage
    identity: dict[str, str]

    def begun_with(self, start: Start | None) -> "FoldRows":
        """Return the same rows as those of a run that begins with the weights of another; of None as they are.

        Raises:
            MaskfoldError: If the start has seen what the fold is validated on.
        """
        if start is None:
            return self
        identity = self.identity | {"start": checkpoint_hash(start.checkpoint)}
        return replace(self, lineage=start.handed_on(self.lineage), identity=identity)

    def taught_by(self, teacher: Start | None) -> "FoldRows":
        """Return the same rows as those of a run that learns from another one's answers; of None as they are.

        Raises:
            MaskfoldError: If the teacher has seen what the fold is validated on.
        """
        if teacher is None:
            return self
        identity = self.identity | {"teacher": checkpoint_hash(teacher.checkpoint)}
        return replace(self, lineage=teacher.handed_on(self.lineage), identity=identity)

    def distilled(self, lesson: Lesson | None, *, share: float) -> "FoldRows":
        """Return the same rows as those of a run that learns from an ensemble's maps as well; of None as they are.

        Args:
            lesson: Who says what.
            share: How much of each target is theirs, 0..1.
        """
        if lesson is None:
            return self
        taught = self.with_truth["image_id"].map(lambda image_id: str(lesson.path(image_id)))
        training = self.training.assign(**{TAUGHT: taught, TAUGHT_SHARE: share})
        identity = self.identity | {"distill": lesson.key}
        return replace(self, training=training, lineage=lesson.handed_on(self.lineage), identity=identity)

    @property
    def with_truth(self) -> pd.DataFrame:
        """The rows to learn from whose masks are true ones: neither automatic ones nor pseudo-labels."""
        return self.training[self.training["split"] == "train"]

    def replayed(self, photos: int | None, start: Start | None, *, seed: int) -> "FoldRows":
        """Return the same rows, of which those of products that the start knows are a few; of None as they are.

        Args:
            photos: Of each product that the start knows.
            start: The network to begin with.
            seed: Of the draw.

        Raises:
            MaskfoldError: If there is no start, or the data has no products.
        """
        if photos is None:
            return self
        if start is None or CLASS_INDEX not in self.training:
            raise MaskfoldError(
                f"replay={photos}: shows photos of the products that start_from knows again. It takes task=recognition "
                "and start_from=<run>; replay=null shows all photos."
            )
        known = len(ClassTable.read(start.folder / FILE))
        training = replayed(self.training, known=known, photos=photos, seed=seed)
        log.info("replay=%d: %d of %d photos are learned from", photos, len(training), len(self.training))
        identity = self.identity | {"replay": fingerprint(training)}
        return replace(self, training=training, identity=identity)

    def by_cluster(self, *, balance: float, weights: Mapping[str, float]) -> "FoldRows":
        """Return the same rows with how often an epoch has each, and how much it counts; as they are if all alike.

        Args:
            balance: How evenly clusters are drawn, see `draws_by_cluster`; 0 for every photo once.
            weights: In the loss, by the name of a cluster; those of pseudo-labels are multiplied by them.

        Raises:
            MaskfoldError: If no photo has a cluster, a cluster is unknown, or a weight is none.
        """
        if not balance and not weights:
            return self._at_most_half_automatic()
        key = f"balance={balance:g}" if balance else "cluster_weights"
        refuse_without_clusters(self.training, key=key, data=self.lineage.data)
        training, clusters = self.training, self.training[CLUSTER]
        if balance:
            training = training.assign(**{DRAWS: draws_by_cluster(clusters, balance)})
        if weights:
            # One that this fold is validated on alone is no misspelt name.
            refuse_weights(weights, pd.concat([clusters, self.validation[CLUSTER]]).dropna())
            training = training.assign(weight=training.get("weight", 1.0) * weights_by_cluster(clusters, weights))
        identity = self.identity | {"clusters": clusters_fingerprint(training)}
        return replace(self, training=training, identity=identity)._at_most_half_automatic()

    def _at_most_half_automatic(self) -> "FoldRows":
        """Return the same rows, of which automatic ones are drawn less where they would be more than half of an epoch.

        Raises:
            MaskfoldError: If all are automatic.
        """
        automatic = self.training.get("split", pd.Series(index=self.training.index, dtype="str")) == AUTOMATIC
        if not automatic.any():
            return self
        if automatic.all():
            raise MaskfoldError(
                f"{self.lineage.data}: of the {len(automatic)} photos to learn from, no person has seen a mask. "
                "A network would learn what it says already: `make review` some, and `make store` again."
            )
        before = self.training.get(DRAWS, pd.Series(1.0, index=self.training.index))
        draws = draws_at_most_half(automatic, before)
        return self if draws is before else replace(self, training=self.training.assign(**{DRAWS: draws}))


def rows_of_all(table: pd.DataFrame, source: Source, *, pseudo: str | None) -> FoldRows:
    """Return what a training on all photos has: every labelled row, and none to be validated on.

    Args:
        table: The image table.
        source: What the table is of.
        pseudo: A folder of pseudo-labels, which must be none.

    Raises:
        MaskfoldError: If there is one.
    """
    if pseudo:
        raise MaskfoldError(
            f"pseudo={pseudo}: pseudo-labels are made for folds, each by networks that have not seen its photos, and "
            "fold=full has none. Train without them: pseudo=null."
        )
    training = table[table["split"].isin(["train", AUTOMATIC])]
    validation = training[:0]
    lineage = lineage_of_split(source.name, training, validation, folds=None)
    identity = {"data": fingerprint(training)}
    if WEIGHT in training:
        identity["weights"] = weights_fingerprint(training)
    return FoldRows(training, validation, lineage, identity)


def rows_of_fold(table: pd.DataFrame, source: Source, split: Path, *, fold: int, pseudo: str | None) -> FoldRows:
    """Return what a fold trains on.

    Automatic labels stand behind the others, but for those of groups that the fold is validated on; it is validated on
    none.

    Args:
        table: The image table.
        source: What the table is of.
        split: The file of the folds.
        fold: Its number.
        pseudo: A folder of pseudo-labels to learn from as well.

    Raises:
        MaskfoldError: If the data has no split or no such fold, or the pseudo-labels would leak.
    """
    labelled = table[table["split"] == "train"]
    folds = read_folds(split, table, left_out=source.left_out)
    validated = labelled["image_id"].isin(fold_members(folds, fold))
    training, validation = labelled[~validated], labelled[validated]
    automatic = table[table["split"] == AUTOMATIC]
    training = pd.concat([training, automatic[~automatic["group"].isin(validation["group"])]])
    lineage = lineage_of_split(source.name, training, validation, folds=folds["fold"].nunique())
    identity = {"data": fingerprint(pd.concat([labelled, automatic])), "folds": folds.attrs["hash"]}
    if WEIGHT in training:
        identity["weights"] = weights_fingerprint(training)
    if pseudo:
        labels = LabelSet(Path(pseudo))
        training, lineage = _with_pseudo_labels(training, lineage, labels, fold, source.classes, _clusters(table))
        identity["pseudo"] = sha256(labels.manifest)
    return FoldRows(training, validation, lineage, identity)


def _with_pseudo_labels(
    rows: pd.DataFrame,
    lineage: Lineage,
    labels: LabelSet,
    fold: int,
    classes: Sequence[str],
    clusters: pd.Series | None,
) -> tuple[pd.DataFrame, Lineage]:
    """Return the rows with pseudo-labels behind them, and what the network will have seen through them too."""
    taught, teachers = labels.for_fold(fold, data=lineage.data, held_out=lineage.held_out, classes=classes)
    seen = {*lineage.seen, *teachers.seen, *sights(taught)}
    if clusters is not None:
        taught = taught.assign(**{CLUSTER: taught["image_hash"].map(clusters)})
    log.info("%s: %d pseudo-labels beside %d true masks", labels.path, len(taught), len(rows))
    joined = pd.concat([rows.assign(weight=rows.get(WEIGHT, 1.0), soft=False), taught], ignore_index=True)
    return joined, replace(lineage, round=teachers.round, seen=tuple(sorted(seen)))


def _clusters(table: pd.DataFrame) -> pd.Series | None:
    """Return the clusters that are known by the photos' contents; None of a table without any.

    A pseudo-label may be of a photo of other data, which has the same id as another one here.
    """
    if CLUSTER not in table or "image_hash" not in table:
        return None
    known = table.dropna(subset=[CLUSTER, "image_hash"]).drop_duplicates("image_hash")
    return known.set_index("image_hash")[CLUSTER]
