"""The measures of many photos from their stored maps: parallel, resumable chunk by chunk, in bounded memory."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.data.windows import LARGE, refuse_large
from maskfold.ensembling.manifest import ingredients, last_changes, store_origin
from maskfold.ensembling.mean_map import merged_probability
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, read_table
from maskfold.masks.scores import iou_score
from maskfold.memory import keep_freed_memory
from maskfold.parallel import map_unordered
from maskfold.quality.measures import measure
from maskfold.quality.names import DIRECTIONS
from maskfold.quality.routes import MEASURE

TRUTH = "true_iou"
CHUNK = 16  # photos a task
MIRROR, PLAIN = "mirror", "none"  # ways of test-time augmentation


@dataclass(frozen=True)
class Measurer:
    """Measures one chunk of photos into its part file.

    Attributes:
        members: Whose maps.
        mirrored: Those of the mirror images, in the same order; none where there are none.
        cut: Of 255; at or above is object.
        parts: Where finished chunks are kept.
    """

    members: Sequence[MemberMaps]
    mirrored: Sequence[MemberMaps]
    cut: int
    parts: Path

    def __call__(self, chunk: pd.DataFrame) -> None:
        """Write the part."""
        keep_freed_memory()
        rows = pd.DataFrame([self._row(photo) for photo in chunk.itertuples()])
        with atomic_path(self.part(chunk)) as part:
            rows.to_parquet(part, index=False)

    def part(self, chunk: pd.DataFrame) -> Path:
        """Return the file of a chunk, named after its photos."""
        ids = hashlib.sha256(json.dumps(chunk["image_id"].tolist()).encode()).hexdigest()
        return self.parts / f"{ids[:16]}.parquet"

    def _row(self, photo: Any) -> dict[str, Any]:
        size = photo.height, photo.width
        mean = merged_probability(self.members, photo.image_id, size=size)
        apart = [merged_probability([one], photo.image_id, size=size) for one in self.members]
        back = merged_probability(self.mirrored, photo.image_id, size=size) if self.mirrored else None
        values = measure(mean, members=apart, mirrored=back, threshold=self.cut)
        truth = {TRUTH: self._iou(mean, photo.mask, size)} if isinstance(photo.mask, str) else {}
        return {"image_id": photo.image_id, **truth} | {MEASURE + name: value for name, value in values.items()}

    def _iou(self, mean: np.ndarray, path: str, size: tuple[int, int]) -> float:
        truth = read_mask(path, size=size)
        if truth.ndim != 2:
            raise MaskfoldError(f"{path}: a mask of {len(truth)} classes; quality is of masks of one object.")
        mask, truth = mean >= self.cut, truth != 0
        counts = (np.float64(np.count_nonzero(one)) for one in (mask & truth, mask, truth))
        return float(iou_score(*counts))


def measure_photos(measurer: Measurer, photos: pd.DataFrame, *, jobs: int = -1) -> pd.DataFrame:
    """Measure photos, going on from what is finished.

    Args:
        measurer: How.
        photos: Rows of the image table.
        jobs: Processes; -1 is one per core.

    Returns:
        A row a photo in the table's order: `image_id`, `true_iou` where there is a mask, and `measure.<name>`.

    Raises:
        MaskfoldError: If a map or mask cannot be read, or a photo is very large.
    """
    refuse_large(photos, f"and quality is measured over the whole of a map. Leave out photos of more than {LARGE:,}.")
    chunks = [photos.iloc[start : start + CHUNK] for start in range(0, len(photos), CHUNK)]
    todo = [chunk for chunk in chunks if not measurer.part(chunk).exists()]
    for _ in map_unordered(measurer, todo, f"measure ({CHUNK} photos each)", unit="chunks", jobs=jobs):
        pass
    again = "Delete it, and run the same command again."
    return pd.concat([read_table(measurer.part(chunk), again=again) for chunk in chunks], ignore_index=True)


def parts_key(leaves: Sequence[Leaf], contents: str, cut: int) -> str:
    """Return what stands for all that measures are made of: those of anything else are not gone on with."""
    state = [ingredients(leaves), last_changes(leaves), contents, cut, [*DIRECTIONS]]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]


def mirror_nodes(nodes: Sequence[dict[str, Any]], store: str) -> list[dict[str, Any]]:
    """Return a tree of members whose experiments' maps are taken from another store, see `Recipe.members`.

    Raises:
        MaskfoldError: If one is a folder of maps, which has no second one.
    """
    mirrored = []
    for node in nodes:
        if "members" in node:
            mirrored.append({**node, "members": mirror_nodes(node["members"], store)})
        elif "experiment" in node:
            mirrored.append({**node, "store": store})
        else:
            raise MaskfoldError(
                f"mirror={store}: {node['maps']} is a folder of maps, with none of the mirror images beside it. Take "
                "mirror=null, or leave the member out."
            )
    return mirrored


def check_views(leaves: Sequence[Leaf], mirrored: Sequence[Leaf]) -> None:
    """Refuse to compare maps with those of the mirror images, unless each is of one view.

    Raises:
        MaskfoldError: Naming the store.
    """
    for some, wanted in ((leaves, PLAIN), (mirrored, MIRROR)):
        for store in (store for leaf in some for store in leaf.stores):
            view = _view_of(store)
            if view != wanted:
                raise MaskfoldError(
                    f"{store}: predicted with tta={view}, and to see how far the map of the mirror image is from the "
                    f"photo's own, it has to be tta={wanted}. Predict it so (make predict ARGS=\"tta={wanted} "
                    f'store=<name>"), and name the store in the recipe or in mirror=.'
                )


def _view_of(store: Path) -> str | None:
    return store_origin(store).get("tta")
