"""What an ensemble teaches a fold about its own training photos: a mean map of each, by networks that may.

A network may teach a fold if it has not seen what the fold is validated on, as wherever there are teachers. Among those
a map is taken from one that has not seen the photo itself, where there is one: a map out of fold. In a run on all
photos, which is validated on nothing, that is every photo's. In a fold of the teachers' own split none is left but the
network of the same fold, which has learned from the same photos; `make predict SPLIT=learned` makes its maps of these.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from maskfold import arrays
from maskfold.data.windows import refuse_large
from maskfold.ensembling.manifest import ingredients
from maskfold.ensembling.stores import store_in
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.ensembling.vetting import vet
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.splits import LEARNED
from maskfold.pseudo.labelling import Labeller, write_labels
from maskfold.pseudo.teachers import who_may_teach
from maskfold.runs.layout import fold_of, is_full
from maskfold.runs.lineage import Lineage, read_lineage
from maskfold.runs.run_folder import RunFolder, run_of

FOLDER = "distilled"  # of a data set's own folder


@dataclass(frozen=True)
class Lesson:
    """What a fold is taught.

    Attributes:
        sources: The teachers.
        image_ids: The photos that they say something of.
        folder: Where the mean maps lie, or will: it is called by `key`.
        key: A hash of what the teachers are and of which maps are theirs.
        lineages: What they have seen.
        classes: Of the data: the names of several classes, none for one.
    """

    sources: tuple[MemberMaps, ...]
    image_ids: tuple[str, ...]
    folder: Path
    key: str
    lineages: tuple[Lineage, ...]
    classes: tuple[str, ...] = ()

    def path(self, image_id: str) -> Path:
        """Return where a mean map lies: a picture, or of several classes an array."""
        return self.folder / f"{image_id}{arrays.SUFFIX if self.classes else '.png'}"

    def handed_on(self, own: Lineage) -> Lineage:
        """Return the lineage of a run that learns from the teachers too."""
        seen = {*own.seen}.union(*(lineage.seen for lineage in self.lineages))
        round_ = 1 + max(lineage.round for lineage in self.lineages)
        return replace(own, round=max(own.round, round_), seen=tuple(sorted(seen)))

    def write(self, *, jobs: int = -1) -> None:
        """Write every mean map that is not there yet; see `write_labels`."""
        labeller = Labeller(self.sources, soft=True, threshold=0, steps=(), path=self.path)
        write_labels(labeller, [*self.image_ids], description="what the ensemble teaches", jobs=jobs)


def find_lesson(
    members: Sequence[Leaf],
    photos: pd.DataFrame,
    *,
    student: Lineage,
    fold: int | str,
    folder: Path,
    classes: Sequence[str] = (),
) -> Lesson:
    """Find out who teaches what about the photos that a fold learns from.

    Args:
        members: The ensemble's, as `trained_leaves` returns them.
        photos: Rows of the image table with true masks, to learn from.
        student: What the fold will see by itself, and what it is validated on.
        fold: Its number.
        folder: Of all that this ensemble teaches about this data.
        classes: Those of the data; empty for one.

    Raises:
        MaskfoldError: If a member has no network that may teach the fold, or no map of a photo by such a one; if it was
            trained on other data; or if maps are not what they should be, see `vet`.
    """
    refuse_large(photos, "and training takes no soft masks of these: distill.ensemble=null.")
    lineages = {store: read_lineage(run_of(store).path) for leaf in members for store in leaf.stores}
    _refuse_other_data(lineages, student)
    may_teach = partial(who_may_teach, lineages=lineages, fold=fold, held_out=student.held_out, what="Teaching")
    innocent = [may_teach(leaf) for leaf in members]
    opened = tuple(_open(leaf, photos, fold=fold, classes=classes) for leaf in innocent)
    used = [source.leaf for source in opened]
    how = [[leaf.temperature, leaf.mean] for leaf in used]
    content = [ingredients(used), how, [source.fold_of for source in opened], student.photos]
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    theirs = tuple(lineages[store] for leaf in innocent for store in leaf.stores)
    return Lesson(opened, tuple(photos["image_id"]), folder / key, key, theirs, tuple(classes))


def _refuse_other_data(lineages: Mapping[Path, Lineage], student: Lineage) -> None:
    runs = {run_of(store).path: lineage.data for store, lineage in lineages.items()}
    others = [f"{run}: {data}" for run, data in runs.items() if data != student.data]
    if others:
        raise MaskfoldError(
            f"distill: the ensemble was trained on other data than this run, which learns {student.data}:\n"
            f"{listing(others)}\n"
            "Name an ensemble of this data."
        )


def _open(leaf: Leaf, photos: pd.DataFrame, *, fold: int | str, classes: Sequence[str]) -> MemberMaps:
    """Choose a map of each photo among those of the networks that may teach: one out of fold first."""
    runs, ids = [run_of(store) for store in leaf.stores], {*photos["image_id"]}
    stores: list[Path] = []
    store_of: dict[str, int] = {}
    for split in ("oof", LEARNED):
        for run in runs:
            store = run.store(split)
            new = (store_in(store).image_ids() & ids) - store_of.keys() if store.is_dir() else set()
            if new:
                store_of |= dict.fromkeys(sorted(new), len(stores))
                stores.append(store)
                own = photos[photos["image_id"].isin(new)]
                vet({store: leaf.named}, own, split="oof" if split == "oof" else "test", classes=classes)
    _refuse_gaps(leaf, runs, sorted(ids - store_of.keys()), fold=fold)
    return MemberMaps(replace(leaf, stores=tuple(stores)), store_of, tuple(classes))


def _refuse_gaps(leaf: Leaf, runs: Sequence[RunFolder], missing: Sequence[str], *, fold: int | str) -> None:
    """Refuse photos of which there is no map, and say how they are made."""
    if not missing:
        return
    folds = [run for run in runs if not is_full(run)]
    sights = {f"image {image_id}" for image_id in missing}
    unseen = [run for run in folds if sights & {*read_lineage(run.path).held_out}]
    which, split = (fold_of([*unseen, *folds][0]), "oof" if unseen else LEARNED) if folds else ("all", "oof")
    train = "" if folds else f"`make train EXP={leaf.name} FOLD=all`, then "
    raise MaskfoldError(
        f"distill: {len(missing)} of the photos that fold {fold} learns from have no map of {leaf.name} by a network "
        f"that may teach it:\n{listing(missing)}\n"
        f"Run {train}`make predict EXP={leaf.name} FOLD={which} SPLIT={split}` first."
    )
