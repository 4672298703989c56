"""Sort photos into kinds: `maskfold clusters data=pairs data.root=/photos`."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from maskfold import files
from maskfold.clusters.features import APPEARANCE, Eye, appearances, seen_by
from maskfold.clusters.kmeans import FEWEST_EXAMPLES, group
from maskfold.clusters.objects import PHOTO, Whereabouts, whereabouts
from maskfold.clusters.reduction import reduce
from maskfold.clusters.stability import stability_curve
from maskfold.clusters.table import LIGHT, cluster_table, examples_of
from maskfold.config import EXPERIMENTS, build
from maskfold.data.annotations import CLUSTERS, FOUND_CLUSTERS, given_clusters
from maskfold.data.source import Source
from maskfold.data.windows import refuse_large
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.photos import refuse_replaced_photos
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.contents import hashes_of
from maskfold.runs.layout import MemberFolder
from maskfold.terminal import RESULT

log = logging.getLogger(__name__)

PAGE, FEATURES = "clusters.html", "features"
FEWEST_PHOTOS = 4


def clusters(config: DictConfig) -> pd.DataFrame:
    """Write `clusters.parquet` and `clusters.html`; return the table."""
    from maskfold.analysis.clusters_page import Clustering, compose  # imports matplotlib

    source: Source = build(config.data)
    table = source.load(needs_masks=False, jobs=config.jobs)
    refuse_large(table, f"and clusters look at whole photos. Write {source.folder / CLUSTERS} by hand.")
    if len(table) < max(config.k, FEWEST_PHOTOS):
        raise MaskfoldError(f"k={config.k}: the data has {len(table)} photos. Give a smaller k, or more photos.")
    eye, features = _eye(config, source)
    given = given_clusters(source.folder)
    examples = examples_of(given, table["image_id"].tolist())
    _report(source.folder / CLUSTERS, given, set(table["image_id"]), examples)
    places = whereabouts(table, _maps(config, table), channels=source.channels)
    with files.locked(source.folder / FEATURES):
        looks, raw = _looks(places, table["image_hash"].tolist(), eye, source.folder / FEATURES, config.jobs)
    shaping = _shaping(places, config.k)
    reduced = reduce(raw, shaping)
    grouping = group(reduced, shaping=shaping, k=config.k, examples=examples, seed=config.seed)
    clusters = cluster_table(places, grouping, looks, light=config.light, features=features)
    curve = stability_curve(reduced[shaping], seed=config.seed)
    path = source.folder / FOUND_CLUSTERS
    with files.atomic_path(path) as part:
        clusters.to_parquet(part, index=False)
    clustering = Clustering(source.name, clusters, given, curve, len(grouping.names), config.light, {*examples})
    page = path.with_name(PAGE)
    files.write_text(page, compose(clustering, places, jobs=config.jobs))
    sizes = clustering.final.value_counts().to_string()
    log.info("By %s: %s\n%s\n%s", features, _about_objects(places), sizes, clustering.verdict())
    log.info("%s; look at %s", path, page, extra=RESULT)
    return clusters


def _eye(config: DictConfig, source: Source) -> tuple[Eye | None, str]:
    """Return the network that looks at objects, and what the table calls the features; None for their appearance."""
    if config.weights is None and config.network is not None:
        raise MaskfoldError("network=... goes with weights=/path/to/file, which is missing: nothing is downloaded.")
    if config.weights is None and config.member is None:
        return None, APPEARANCE
    if config.weights is not None and config.member is not None:
        raise MaskfoldError("weights=... and member=... are two networks. Give one of them.")
    from maskfold.clusters.networks import GivenNetwork, MemberEncoder  # imports torch and timm
    from maskfold.prediction.members import load_network

    if config.weights is not None:
        if config.network is None:
            raise MaskfoldError("weights=... needs network=<timm's name of the network>, which the file does not say.")
        weights = Path(config.weights).expanduser()
        return GivenNetwork(config.network, weights), f"{config.network} with {weights.name}"
    member = MemberFolder(EXPERIMENTS / config.member)
    runs = [run for run in member.runs() if run.best.exists()]
    if not runs:
        raise MaskfoldError(f"{member.path}: no fold has been trained. Run `make train EXP={member.name}` first.")
    run = runs[0]
    network = load_network(run.best)
    if network.channels != source.channels:
        counts = ["null" if count is None else count for count in (network.channels, source.channels)]
        raise MaskfoldError(f"{run.path} was trained with data.channels={counts[0]}, the photos have {counts[1]}.")
    ways = {part: build(run.part(part)) for part in ("geometry", "preprocess")}
    return MemberEncoder(network, **ways, key=checkpoint_hash(run.best)), f"encoder of {member.name}, {run.path.name}"


def _maps(config: DictConfig, table: pd.DataFrame) -> dict[str, Path]:
    """Return the maps of `maps`, by `image_id`."""
    if config.maps is None:
        return {}
    folder = Path(config.maps).expanduser()
    bare = table[table["mask"].isna()] if "mask" in table else table
    store = ProbabilityStore(folder)
    refuse_replaced_photos(store, hashes_of(bare, "image"))
    return store.paths()


def _looks(
    places: list[Whereabouts], hashes: list[str], eye: Eye | None, folder: Path, jobs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return light share and contrast of each photo, `(N, 2)`, and its features, `(N, D)`."""
    seen = appearances(places, hashes, folder=folder, jobs=jobs)
    if eye is None:
        return seen[:, :2], seen[:, 2:]
    return seen[:, :2], seen_by(eye, "network", places, hashes, folder=folder)


def _shaping(places: list[Whereabouts], k: int) -> np.ndarray:
    """Return which photos clusters are found among: those whose objects are known, all if these are too few.

    Whole photos would be a cluster of their own, and the stablest of all.
    """
    known = np.array([place.said_by != PHOTO for place in places])
    return known if known.sum() >= max(k, FEWEST_PHOTOS) else np.ones_like(known)


def _report(path: Path, given: pd.Series, there: set[str], examples: dict[str, list[int]]) -> None:
    """Say what of the user's word is of no photo, and of which clusters there are too few examples for a centre."""
    unknown = sorted({*given.index} - there)
    if unknown:
        log.warning("%s: the data has no photos of %d of its ids:\n%s", path, len(unknown), listing(unknown))
    counts = given[given.index.isin(there) & (given != LIGHT)].value_counts()
    few = [f"{name} ({count})" for name, count in sorted(counts.items()) if name not in examples]
    if few:
        log.warning(
            "%s: too few examples for a cluster to be found by, which takes %d: %s. These photos alone are called so.",
            path,
            FEWEST_EXAMPLES,
            ", ".join(few),
        )


def _about_objects(places: list[Whereabouts]) -> str:
    """Say of how many photos nothing tells where the object is."""
    bare = sum(place.said_by == PHOTO for place in places)
    if not bare:
        return f"{len(places)} photos"
    return (
        f"{len(places)} photos, of which {bare} have neither a mask nor a map: with all of their pixels they "
        "go to the nearest cluster, and none is light (maps=<folder of probability maps> says where their objects are)"
    )


main = entry_point(clusters)

if __name__ == "__main__":
    main()
