"""What clusters find: white vans by contrast, groups of colours, garments, and how stable they are.

Writes docs/measured/clusters.csv (a row a question) and clusters_k.csv (stability and silhouette by k). Two minutes.

    python tests/benchmarks/study_clusters.py <folder of ccp> <folder of human>

`ccp` is the Clothing Co-Parsing data (Yang, Luo, Lin, CVPR 2014) with `images`, `masks`, `labels` and `labels.csv`;
`human` the Human Segmentation Dataset (V. Shenoy) with `images` and `masks`.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
from measure import publish
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, roc_auc_score

from maskfold.clusters.appearance import appearance
from maskfold.clusters.contrast import HEIGHT, light_share, outline_differences
from maskfold.clusters.features import appearances
from maskfold.clusters.kmeans import group
from maskfold.clusters.objects import whereabouts
from maskfold.clusters.reduction import reduce
from maskfold.clusters.stability import stability_curve
from maskfold.clusters.table import LIGHT
from maskfold.data.loading import content_hash
from maskfold.data.sources import Pairs
from maskfold.studio.camera import VIEWS
from maskfold.studio.photograph import photograph, prepare

CARS, VAN_EVERY = 96, 6
LIGHT_PAINTS = ("White", "Silver", "Beige")
BOUND, K, SEEDS = 0.35, 6, 5
LONG_TROUSERS, SKIRT_OR_DRESS, SHORTS = ("jeans", "pants"), ("skirt", "dress"), ("shorts",)
LEAST_PIXELS = 0.02  # of the photo, for a garment to be worn and not a scrap


def vans() -> list[dict]:
    """Photograph cars, one view each, and tell the white vans by how little they stand out."""
    is_van, is_light, shares = [], [], []
    for index in range(CARS):
        sitting = prepare((0, 0, index), index=index, white_van=index % VAN_EVERY == 0)
        photo = photograph(sitting, 1 + 5 * index % VIEWS, 320, 480, (0, 0, index))
        size = (480 * HEIGHT // 320, HEIGHT)
        image, mask = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (photo.image, photo.mask))
        is_van.append(index % VAN_EVERY == 0)
        is_light.append(sitting.car.paint in LIGHT_PAINTS)
        shares.append(light_share(outline_differences(image, mask)))
    is_van, is_light, shares = np.array(is_van), np.array(is_light), np.array(shares)
    dark = is_van | ~is_light
    what = f"white vans among {CARS} generated cars"
    return [
        {
            "what": f"{what}, against darker paints",
            "measure": "AUC",
            "value": roc_auc_score(is_van[dark], shares[dark]),
        },
        {"what": f"{what}, against all", "measure": "AUC", "value": roc_auc_score(is_van, shares)},
        {"what": f"{what}", "measure": "median light share", "value": np.median(shares[is_van])},
        {"what": "cars of darker paints", "measure": "median light share", "value": np.median(shares[~is_light])},
        {"what": f"{what}", "measure": f"share above {BOUND}", "value": (shares[is_van] > BOUND).mean()},
        {
            "what": "cars of darker paints",
            "measure": f"share above {BOUND}",
            "value": (shares[~is_light] > BOUND).mean(),
        },
    ]


def colour_groups() -> list[dict]:
    """Draw objects of three colours in boxes of any size, and find the colours."""
    scores = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        truth = np.repeat([0, 1, 2], 10)
        seen = [_box(rng, paint) for paint in np.array([[200, 40, 40], [40, 160, 60], [50, 60, 200]])[truth]]
        everyone = np.ones(len(truth), bool)
        found = group(reduce(np.stack(seen), everyone), shaping=everyone, k=3, examples={}, seed=seed)
        scores.append(adjusted_rand_score(truth, found.labels))
    what = f"three groups of colours, {SEEDS} drawings"
    return [{"what": what, "measure": "ARI, least", "value": min(scores)}]


def _box(rng: np.random.Generator, paint: np.ndarray) -> np.ndarray:
    image, mask = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), np.zeros((96, 96), np.uint8)
    top, left, height, width = rng.integers([5, 5, 40, 20], [20, 30, 70, 60])
    mask[top : top + height, left : left + width] = 1
    image[mask > 0] = (paint + rng.integers(-20, 20, 3)).clip(0, 255)
    return appearance(image, mask)


def real(name: str, root: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the photos of a real set, and what is seen in each."""
    table = Pairs(root=str(root), name=name).table()
    places = whereabouts(table, {}, channels=None)
    with TemporaryDirectory() as folder:
        seen = appearances(places, [content_hash(path) for path in table["image"]], folder=Path(folder), jobs=-1)
    return table, seen


def garment_of(root: Path, image_id: str, names: dict[int, str]) -> str | None:
    """Return what is worn below the waist; None where it is none of three, or several."""
    labels = cv2.imread(str(root / "labels" / f"{image_id}.png"), cv2.IMREAD_GRAYSCALE)
    if labels is None:
        return None
    shares = np.bincount(labels.ravel(), minlength=256) / labels.size
    worn = {names[label] for label in np.flatnonzero(shares >= LEAST_PIXELS) if label in names}
    kinds = {"long trousers": LONG_TROUSERS, "skirt or dress": SKIRT_OR_DRESS, "shorts": SHORTS}
    matching = [kind for kind, garments in kinds.items() if worn & {*garments}]
    return matching[0] if len(matching) == 1 else None


def garments(root: Path, table: pd.DataFrame, features: np.ndarray) -> list[dict]:
    """Compare clusters by appearance with what people wear."""
    names = pd.read_csv(root / "labels.csv").set_index("label")["name"].to_dict()
    truth = table["image_id"].map(lambda image_id: garment_of(root, image_id, names))
    known = truth.notna().to_numpy()
    everyone = np.ones(int(known.sum()), bool)
    reduced = reduce(features[known], everyone)
    runs = [group(reduced, shaping=everyone, k=K, examples={}, seed=seed).labels for seed in range(SEEDS)]
    what = f"ccp, {known.sum()} photos, garments against {K} clusters by appearance"
    scores = {"NMI": normalized_mutual_info_score, "ARI": adjusted_rand_score}
    return [
        {
            "what": what,
            "measure": f"{name}, mean of {SEEDS} seeds",
            "value": np.mean([of(truth[known], run) for run in runs]),
        }
        for name, of in scores.items()
    ]


def main() -> None:
    """Measure everything."""
    rows, curves = [*vans(), *colour_groups()], []
    for name, root in zip(("ccp", "human"), map(Path, sys.argv[1:3]), strict=True):
        table, seen = real(name, root)
        rows.append(
            {"what": f"{name}, {len(table)} photos", "measure": f"in {LIGHT}", "value": (seen[:, 0] > BOUND).mean()}
        )
        if name == "ccp":
            rows += garments(root, table, seen[:, 2:])
        reduced = reduce(seen[:, 2:], np.ones(len(seen), bool))
        curves.append(stability_curve(reduced, seed=0).set_index("k").add_prefix(f"{name}_"))
    publish("clusters", pd.DataFrame(rows).round({"value": 3}))
    publish("clusters_k", pd.concat(curves, axis=1).round(2).reset_index())


if __name__ == "__main__":
    main()
