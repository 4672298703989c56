"""Any competition's folders and tables: photos, and masks in whatever form they come."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.data.coco import Polygons
from maskfold.data.conversion import Converted, convert
from maskfold.data.groups import GroupTable
from maskfold.data.label_pictures import ClassFiles, LabelPictures
from maskfold.data.mask_kinds import MaskKind, inside, keys_of
from maskfold.data.mask_record import mask_path
from maskfold.data.run_tables import RunTable
from maskfold.data.sources import Pairs
from maskfold.data.table import FAULTS, METADATA, STRAYS
from maskfold.errors import MaskfoldError

PICTURES = "pictures"  # two-valued, one a photo: they are read where they lie
KINDS: dict[str, type[MaskKind]] = {
    "runs": RunTable,
    "labels": LabelPictures,
    "files": ClassFiles,
    "polygons": Polygons,
}


class Competition(Pairs):
    """Photos in folders; masks as run lengths, label pictures, a file a class, polygons, or pictures as of `Pairs`.

    Masks that are no pictures of two values are made into arrays when the table is loaded, in
    `data/<name>/masks/<image_id>.b2nd`, and again when what they are made of has changed.
    """

    def __init__(
        self,
        *,
        root: str,
        images: str | None = "train",
        test: str | None = "test",
        masks: Mapping[str, Any] | None = None,
        group: str | Mapping[str, str] = "(.*)",
        view: str | None = None,
        **common: Any,
    ):
        """Name the folders and tables inside `root`.

        Args:
            root: The folder that holds the others.
            images: The folder of train photos; None where there are only photos to predict.
            test: The folder of photos to predict, if there is one.
            masks: What the masks are: `kind`, a key of `KINDS` or `pictures`, and the keys of that kind; None where
                there are none.
            group: A regular expression as in `Pairs`, or the keys of `maskfold.data.groups.GroupTable`.
            view: As in `Pairs`.
            common: The others of `maskfold.data.source.Source`.

        Raises:
            MaskfoldError: If a key or a value is none of these, or a path leads out of `root`.
        """
        given = dict(masks or {})
        kind = given.pop("kind", None)
        folder = given.get("folder") if kind in (PICTURES, "labels") else None
        for key, name in {"images": images, "test": test, "masks.folder": folder}.items():
            if name is not None:
                inside(Path(root), f"data.{key}", name)
        by_name = group if isinstance(group, str) else "(.*)"
        super().__init__(root=root, images=images, masks=folder, test=test, group=by_name, view=view, **common)
        self._kind = None if masks is None else self._kind_of(kind, given)
        self._groups = None if isinstance(group, str) else self._group_table(group)

    @property
    def order_of_labels(self) -> str | None:
        """As `maskfold.data.source.Source.order_of_labels`."""
        return self._kind.order if isinstance(self._kind, RunTable) else None

    def table(self) -> pd.DataFrame:
        """Return the image table as the folders and the table of groups have it; masks are not made yet.

        Raises:
            MaskfoldError: As `Pairs.table`, and if the table of groups does not fit.
        """
        table = super().table()
        return table if self._groups is None else self._groups.join(table)

    def prepared(self, *, jobs: int = -1) -> pd.DataFrame:
        """Return the table with all masks made; `attrs[FAULTS]` lists what is wrong with labels.

        Of several classes `meta.classes` names those that a photo has, for `folds.by=classes`.

        Raises:
            MaskfoldError: If labels cannot be read at all, or masks cannot be written.
        """
        table = self.table()
        if self._kind is None:
            return table
        has_labels = table["mask"].notna() if isinstance(self._kind, LabelPictures) else table["split"] == "train"
        is_made = has_labels & table["image"].notna()
        converted = convert(
            table.loc[is_made, ["image_id", "image", "mask"]], self._kind, folder=self.folder, jobs=jobs
        )
        made = table.loc[is_made, "image_id"].map(lambda image_id: str(mask_path(self.folder, image_id)))
        table = table.assign(mask=made.reindex(table.index).fillna(table["mask"]))
        if self.classes:
            table[f"{METADATA}classes"] = table["image_id"].map(converted.present)
        return _with_faults(table, converted, self.folder)

    def _kind_of(self, name: str | None, keys: dict[str, Any]) -> MaskKind | None:
        """Return what reads the masks; None for pictures, which need no reading here.

        Raises:
            MaskfoldError: If there is no such kind, or a key is none of its own.
        """
        if name == PICTURES:
            if self.classes or {*keys} != {"folder"}:
                wrong = "are masks of one class: see kind: files" if self.classes else "need folder, and nothing else"
                raise MaskfoldError(f"data.masks: kind: {PICTURES} {wrong}.")
            return None
        if name not in KINDS:
            raise MaskfoldError(f"data.masks.kind={name}: there are {', '.join([PICTURES, *KINDS])}.")
        known = keys_of(KINDS[name])
        try:
            if {*keys} - {*known}:
                raise TypeError(f"no key {', '.join(sorted({*keys} - {*known}))}")
            return KINDS[name](
                root=self.root, classes=self.classes, max_pixels=self._max_pixels, channels=self.channels, **keys
            )
        except TypeError as error:
            raise MaskfoldError(f"data.masks: kind: {name} takes {', '.join(known)} ({error}).") from error

    def _group_table(self, keys: Mapping[str, str]) -> GroupTable:
        """Return what reads the groups; the runs of a table that has the masks as well are no metadata."""
        runs = self._kind.rules.header if isinstance(self._kind, RunTable) else ()
        try:
            return GroupTable(root=self.root, unread=runs, **keys)
        except TypeError as error:
            raise MaskfoldError(f"data.group={dict(keys)}: a table has file, id and column ({error}).") from error


def _with_faults(table: pd.DataFrame, converted: Converted, folder: Path) -> pd.DataFrame:
    """Add what is wrong with labels: to the attributes, and as rows of masks without a photo."""
    orphans = pd.DataFrame({"mask": converted.orphans, "split": "train", "view": ""}, dtype="str")
    orphans = orphans.assign(image_id=orphans["mask"], group=orphans["mask"])
    strays = [*table.attrs.get(STRAYS, []), *converted.strays]
    if converted.orphans:
        table = pd.concat([table, orphans], ignore_index=True)
    table.attrs = {
        STRAYS: strays,
        FAULTS: {str(mask_path(folder, image_id)): fault for image_id, fault in converted.faults.items()},
    }
    return table
