"""Which kind each photo is of: the cluster it was found in, unless its object hardly stands out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskfold.clusters.kmeans import FEWEST_EXAMPLES, Grouping
from maskfold.clusters.objects import Whereabouts

LIGHT = "light"  # the cluster of products that hardly stand out from their backdrop


def examples_of(given: pd.Series, image_ids: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of the examples that a person has given, for each cluster that has enough of them.

    Light products are no examples: what they have in common is their backdrop.

    Args:
        given: Cluster by `image_id`, of photos that are there and others.
        image_ids: The photos, in the order of their rows.
    """
    rows = {image_id: row for row, image_id in enumerate(image_ids)}
    named = given[given.index.isin(rows) & (given != LIGHT)]
    groups = {name: [rows[image_id] for image_id in of.index] for name, of in named.groupby(named)}
    return {name: sorted(members) for name, members in groups.items() if len(members) >= FEWEST_EXAMPLES}


def cluster_table(
    places: Sequence[Whereabouts], grouping: Grouping, seen: np.ndarray, *, light: float | None, features: str
) -> pd.DataFrame:
    """Return a row for each photo, which `clusters.parquet` keeps.

    Args:
        places: The photos.
        grouping: The clusters they were found in.
        seen: Light share and mean difference along the outline, `(N, 2) float32`, NaN where no outline is seen.
        light: The share of the outline above which an object is light; None for no such rule.
        features: What the clusters were found by.

    Returns:
        `image_id`; `cluster`, `light` or that of `found`; `found`, the cluster by features; `second`, the next
        nearest, `margin`, how much farther its centre is, and `distance`, that of the own centre; `light_share` and
        `contrast` (dE76), the outline's; `object`, what says where it is: `mask`, `map`, or `photo` for nothing;
        `features`.
    """
    names = np.array(grouping.names, dtype=object)
    by_features = names[grouping.labels]
    shares, contrasts = seen.T.astype(np.float64)
    is_light = shares > (np.inf if light is None else light)
    return pd.DataFrame(
        {
            "image_id": [place.image_id for place in places],
            "cluster": np.where(is_light, LIGHT, by_features),
            "found": by_features,
            "second": names[grouping.second()] if len(names) > 1 else "",
            "margin": grouping.margins() if len(names) > 1 else np.nan,
            "distance": grouping.to_own(),
            "light_share": shares,
            "contrast": contrasts,
            "object": [place.said_by for place in places],
            "features": features,
        }
    )
