"""A set of pseudo-labels on disk, and what training takes from it.

`data/<name>/pseudo/<ensemble>/` holds `ledger.csv` (a row for each label), `fold<k>/` (the masks that fold k may learn
from), `manifest.json` (written last) and `labels.jpg` (some of them, to look at).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.data.checks import verdicts
from maskfold.data.classes import classes_of, spoken
from maskfold.data.loading import content_hash
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.layout import fold_name
from maskfold.runs.lineage import Lineage, describe_leak, shows_any_of

_HASHES = ["image_hash", "mask_hash"]
_SIZE = ["height", "width"]  # by which training knows very large photos; sets of an older version are without
LEDGER = ["fold", "image_id", "group", "image", "mask", "teachers", "round", "unconfidence", "weight", *_HASHES, *_SIZE]


class LabelSet:
    """The names of what lies in a set's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / "ledger.csv"
        self.manifest = path / "manifest.json"
        self.sheet = path / "labels.jpg"
        self.parts = path / "parts"
        self.checked = path / "checked.parquet"

    def begin(self, key: str, *, state: str) -> Path | None:
        """Make the folder this set's; return a folder for half-finished work, or None if the set is whole.

        Args:
            key: A hash of what the set is made of; no other set has it.
            state: A hash of that and of the maps as they are now; what was begun in another state is not gone on with.

        Raises:
            MaskfoldError: If there is a whole set of something else.
        """
        if self.manifest.exists():
            if files.read_json(self.manifest).get("key") == key:
                shutil.rmtree(self.parts, ignore_errors=True)
                return None
            raise MaskfoldError(
                f"{self.path}: holds pseudo-labels of other members, photos or choices. Keep them and give this set a "
                "name of its own with ensemble.name=..., or replace them with overwrite=true."
            )
        work = self.parts / state
        if not work.is_dir():  # what is here is half finished, of something else
            files.clear(self.path)
            work.mkdir(parents=True)
        return work

    def mask(self, fold: int, image_id: str, *, suffix: str = ".png") -> Path:
        """Return where a label lies: a picture, or of several classes an array."""
        return self.path / fold_name(fold) / f"{image_id}{suffix}"

    def finish(self, rows: pd.DataFrame, manifest: dict[str, Any]) -> None:
        """Write the ledger, then the manifest, which makes the set whole."""
        files.write_text(self.ledger, rows[LEDGER].to_csv(index=False, lineterminator="\n"))
        files.write_json(self.manifest, manifest | {"ledger_sha256": files.sha256(self.ledger)})
        shutil.rmtree(self.parts, ignore_errors=True)

    def read(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the ledger and the manifest.

        Raises:
            MaskfoldError: If there is no whole set here, the ledger is not the manifest's, or names a mask outside.
        """
        if not self.manifest.is_file():
            raise MaskfoldError(f"{self.path}: no whole set of pseudo-labels. Run `make pseudo ENS=<ensemble>`.")
        manifest = files.read_json(self.manifest)
        if not self.ledger.is_file() or files.sha256(self.ledger) != manifest.get("ledger_sha256"):
            raise MaskfoldError(
                f"{self.ledger}: missing or changed since the set was made, so what it says of the teachers may be "
                "wrong. Make the set again with overwrite=true."
            )
        text = dict.fromkeys(["image_id", "group", "image", "mask", "teachers", *_HASHES], str)
        rows = pd.read_csv(self.ledger, dtype=text, keep_default_na=False)
        for mask in rows["mask"]:
            files.check_inside(mask, what=f"{self.ledger}: mask")
        return rows, manifest

    def for_fold(
        self, fold: int, *, data: str, held_out: Sequence[str], classes: Sequence[str] = ()
    ) -> tuple[pd.DataFrame, Lineage]:
        """Return what a fold may learn from: rows of the ledger, and `soft`, whether masks are probabilities.

        Args:
            fold: The fold to be trained.
            data: The name of the labelled data that it trains on.
            held_out: What it is validated on, as `sights` returns it.
            classes: Those of the labelled data; empty for one.

        Returns:
            The rows, and the lineage that comes with them.

        Raises:
            MaskfoldError: If the set is of other data, or of other classes or these in another order, has no labels
                for this fold, or its teachers have seen some of `held_out`.
        """
        ledger, manifest = self.read()
        if manifest["labelled"] != data:
            raise MaskfoldError(
                f"{self.path}: these pseudo-labels were made by networks trained on {manifest['labelled']}, this run "
                f"trains on {data}. Make a set with an ensemble of this data: `make pseudo ENS=<ensemble>`."
            )
        theirs = classes_of(manifest)
        if theirs != tuple(classes):
            raise MaskfoldError(
                f"{self.path}: these pseudo-labels are of {spoken(theirs)}, the data has {spoken(classes)}. Make the "
                "set again with overwrite=true, or correct data.classes."
            )
        entry = manifest["folds"].get(str(fold))
        if entry is None:
            folds = ", ".join(manifest["folds"])
            raise MaskfoldError(
                f"{self.path}: has labels for fold {folds}, none for fold {fold}: nobody in the ensemble may teach it. "
                f"Train and predict fold {fold} of its members, then make the set again with overwrite=true."
            )
        lineage = Lineage(data, entry["round"], tuple(entry["seen"]), tuple(held_out))
        leaking = lineage.leaks_into(held_out)
        if leaking:
            reason = describe_leak(leaking, teacher=f"a teacher of {self.path}", student=f"fold {fold} of this split")
            raise MaskfoldError(f"{reason} Train on the split that the set was made for, or make a set for this one.")
        rows = ledger[ledger["fold"] == fold]
        if "image_hash" not in rows:  # a set of an older version
            rows = rows.assign(image_hash=rows["image"].map(content_hash))
        self._refuse_changed_files(rows)
        rows = rows[~shows_any_of(rows, held_out)]
        rows = rows.assign(mask=[str(self.path / mask) for mask in rows["mask"]], soft=manifest["soft"])
        return rows, lineage

    def _refuse_changed_files(self, rows: pd.DataFrame) -> None:
        """Refuse photos and labels that are not those of then; labels of an older version are taken as they are."""
        photos = rows[["image"]].set_axis(["path"], axis=1).assign(kind="file")
        known = verdicts(photos, cache=self.checked).set_index("path")["hash"]  # read again only where it has changed
        changed = [row.image for row in rows.itertuples() if known[row.image] != row.image_hash]
        if "mask_hash" in rows:
            masks = ((self.path / row.mask, row.mask_hash) for row in rows.itertuples())
            changed += [str(path) for path, content in masks if not _is_still(path, content)]
        if changed:
            raise MaskfoldError(
                f"{self.path}: {len(changed)} photos or labels are damaged, or were replaced, since the set was made:\n"
                f"{listing(changed)}\nMake the set again with overwrite=true."
            )


def _is_still(path: Path, content: str) -> bool:
    return path.is_file() and content_hash(path) == content
