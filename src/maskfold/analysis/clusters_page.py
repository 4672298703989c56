"""The page of clusters: what each holds, which photos are least sure, and what to write to correct them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, drawing
from maskfold.analysis.clusters_list import basket, naming, script, style
from maskfold.analysis.formats import percent
from maskfold.analysis.html import Html, chart, element, page, photo, sentence, table
from maskfold.clusters.contrast import ALIKE
from maskfold.clusters.features import APPEARANCE
from maskfold.clusters.objects import PHOTO, Whereabouts
from maskfold.clusters.stability import DRAWS, PHOTOS, STABLE
from maskfold.clusters.table import LIGHT
from maskfold.masks import pictures
from maskfold.parallel import map_unordered

SHOWN = 12  # photos nearest to a centre, and as many of which it is least sure
_WIDTH, _HEIGHT = 220, 240  # of a picture, pixels


@dataclass(frozen=True)
class Clustering:
    """What was found, and what the user says of it.

    Attributes:
        name: The data's.
        photos: The table of `maskfold.clusters.table.cluster_table`.
        given: The user's word, cluster by `image_id`.
        curve: As `maskfold.clusters.stability.stability_curve` returns it.
        k: How many clusters there are.
        light: The bound of the rule of light products; None where there is none.
        anchored: The clusters that have a centre by examples.
    """

    name: str
    photos: pd.DataFrame
    given: pd.Series
    curve: pd.DataFrame
    k: int
    light: float | None
    anchored: set[str]

    @cached_property
    def final(self) -> pd.Series:
        """The cluster of each photo, in the order of `photos`, with the user's word above what was found."""
        return self.photos["image_id"].map(self.given).fillna(self.photos["cluster"]).rename("cluster")

    @property
    def names(self) -> list[str]:
        """The clusters, `light` as the last."""
        names = self.final.unique()
        return sorted(names, key=lambda name: (name == LIGHT, name not in self.anchored, *_in_order(name)))

    def at_k(self, column: str) -> float:
        """Return `silhouette` or `stability` at the number of clusters that was taken; NaN where it was not tried."""
        values = self.curve.loc[self.curve["k"] == self.k, column]
        return float(values.iloc[0]) if len(values) else float("nan")

    def verdict(self) -> str:
        """Say whether the clusters are more than one draw's."""
        stability = self.at_k("stability")
        if np.isnan(stability):
            return "Whether these clusters are stable was not tried: there are too many of them, or too few photos."
        if stability >= STABLE:
            return (
                f"Stability {stability:.2f}: most photos of another draw would fall into the same clusters. What they "
                "are is still for you to say, in `clusters.csv`."
            )
        return (
            f"Stability {stability:.2f}, below {STABLE}: another draw of photos gives other clusters, so no name of a "
            "product type is warranted, and none is given. Do not read kinds into `cluster 1` and the like: name "
            "three or more examples of each kind in `clusters.csv` and run this again; they hold their clusters."
        )


def _in_order(name: str) -> tuple[int, str]:
    """Sort `cluster 2` before `cluster 10`."""
    number = name.removeprefix("cluster ")
    return (int(number), "") if number != name and number.isdecimal() else (0, name)


def compose(clustering: Clustering, places: Sequence[Whereabouts], *, jobs: int = -1) -> str:
    """Return the page.

    Args:
        clustering: What was found.
        places: The photos, in its order.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a photo, mask or map cannot be read.
    """
    parts = {name: _parts(clustering, name) for name in clustering.names}
    rows = sorted({row for shown in parts.values() for _, _, some in shown for row in some})
    drawn = dict(map_unordered(_thumbnail, [(row, places[row]) for row in rows], "draw photos", jobs=jobs))
    sections = [_section(clustering, name, parts[name], drawn) for name in parts]
    return page(
        f"Clusters of {clustering.name}",
        style(),
        element("h1", f"Clusters of {clustering.name}"),
        element("p", _by_what(clustering), class_="soft"),
        _facts(clustering),
        _overview(clustering),
        *sections,
        basket(clustering.name, [name for name in clustering.names if not name.startswith("cluster ")]),
        script(clustering.given),
    )


def _by_what(clustering: Clustering) -> str:
    features = clustering.photos["features"].iloc[0]
    if features != APPEARANCE:
        return f"Found by what a network sees in each object: {features}."
    return "Found by appearance: colours, edges and outline of each object. That is no product type."


def _facts(clustering: Clustering) -> Html:
    bare = int((clustering.photos["object"] == PHOTO).sum())
    facts = [
        (
            f"{len(clustering.photos):,}",
            "photos" + (f", {bare:,} without mask or map only put to the nearest cluster" if bare else ""),
        ),
        (str(clustering.k), f"clusters, {len(clustering.anchored)} held by examples"),
        (f"{clustering.at_k('stability'):.2f}", f"stability, 1 at best; below {STABLE} they are no kinds"),
        (f"{clustering.at_k('silhouette'):.2f}", "silhouette, 1 at best, 0 for no gap between clusters"),
        (str(int((clustering.final == LIGHT).sum())), "light: hardly stand out from their backdrop"),
        (str(int(clustering.photos["image_id"].isin(clustering.given.index).sum())), "named by you in clusters.csv"),
    ]
    tiles = (element("div", element("b", fact), element("span", meaning), class_="fact") for fact, meaning in facts)
    return element("div", *tiles, class_="facts")


def _overview(clustering: Clustering) -> Html:
    sizes = clustering.final.value_counts().reindex(clustering.names)
    rows = {
        "cluster": clustering.names,
        "photos": [f"{size:,}" for size in sizes],
        "share": [percent(size / sizes.sum(), 1) for size in sizes],
        "named by you": [f"{(clustering.given == name).sum():,}" for name in clustering.names],
    }
    method = (
        f"Silhouette: how much nearer photos are to their own cluster than to the next. Stability: mean adjusted Rand "
        f"index between the clusters of all photos and those of {DRAWS} bootstraps"
        f"{f', on {PHOTOS:,} photos drawn by chance' if len(clustering.photos) > PHOTOS else ''}; without examples."
    )
    charted = chart(curve_chart(clustering), alt="silhouette and stability by the number of clusters")
    return element(
        "section",
        element("h2", "How many, and how sure"),
        element("p", sentence(clustering.verdict())),
        element("div", element("div", table(pd.DataFrame(rows))), element("div", charted), class_="charts"),
        element("p", method, class_="soft"),
    )


def curve_chart(clustering: Clustering) -> Figure:
    """Draw silhouette and stability by the number of clusters."""
    curve = clustering.curve
    with drawing(height=2.9) as axes:
        axes.axhline(STABLE, color=GREY, lw=1, ls=":")
        axes.axvline(clustering.k, color=PALE, lw=8, zorder=0)
        axes.plot(curve["k"], curve["stability"], "o-", color=ORANGE, ms=5, label="stability")
        axes.plot(curve["k"], curve["silhouette"], "o-", color=BLUE, ms=5, label="silhouette")
        axes.set_ylim(min(0.0, float(curve["silhouette"].min()) - 0.05) if len(curve) else 0, 1.02)
        axes.set_xticks(curve["k"])
        axes.set_xlabel("clusters; the one taken is shaded")
        axes.legend(fontsize=9, loc="upper right")
        axes.set_title("Stability and silhouette by the number of clusters")
    return axes.figure


Part = tuple[str, str, list[int]]
"""Title, explanation, and rows of the table."""


def _parts(clustering: Clustering, name: str) -> list[Part]:
    """Return what is shown of a cluster: its heart, and those that may not belong to it."""
    rows = clustering.photos[clustering.final == name]
    undecided = rows[~rows["image_id"].isin(clustering.given.index)]
    if name == LIGHT:
        bound = clustering.light if clustering.light is not None else 0.0
        near = (clustering.photos["light_share"] - bound).abs()[
            ~clustering.photos["image_id"].isin(clustering.given.index)
        ]
        return [
            ("Lightest", "The largest share of the outline hardly stands out.", _first(-rows["light_share"])),
            ("Nearest to the bound", "On either side of it: some of these are not in the cluster.", _first(near)),
        ]
    by_features = rows[rows["found"] == name]
    by_hand = rows[rows["found"] != name]
    heart = _first(by_features["distance"]) if len(by_features) else [*by_hand.index[:SHOWN]]
    parts = [("Nearest to the centre", "What the cluster is about.", heart)]
    unsure = undecided[undecided["margin"].notna()]
    if len(unsure):
        doubts = "The next cluster's centre is hardly farther away. Tick those that belong elsewhere, and say where."
        parts.append(("Least sure", doubts, _first(unsure["margin"])))
    return parts


def _first(values: pd.Series) -> list[int]:
    """Return the rows of the smallest values; what is missing comes last."""
    return [*values.sort_values(kind="stable").index[:SHOWN]]


def _thumbnail(item: tuple[int, Whereabouts]) -> tuple[int, np.ndarray]:
    """Return a row and its photo, small, with the outline of what is known to be its object."""
    row, place = item
    image, mask = place.read()
    small = pictures.shrink(pictures.as_rgb(image), width=2 * _WIDTH, height=2 * _HEIGHT)
    if place.said_by != PHOTO:
        small = pictures.draw_outline(small, mask, pictures.ORANGE, thickness=2)
    return row, pictures.shrink(small, width=_WIDTH, height=_HEIGHT)


def _section(clustering: Clustering, name: str, parts: list[Part], drawn: dict[int, np.ndarray]) -> Html:
    size = int((clustering.final == name).sum())
    return element(
        "section",
        element("h2", name, element("span", f" · {size:,} photos", class_="soft")),
        *([_about_light(clustering)] if name == LIGHT else []),
        *(_part(clustering, part, drawn) for part in parts if part[2]),
    )


def _about_light(clustering: Clustering) -> Html:
    rule = (
        f"A rule and no cluster of k-means: the two sides of the outline differ by less than {ALIKE:.0f} (dE76) along "
        f"more than {clustering.light} of it. It stands above k-means, your `clusters.csv` above it. `light=` "
        "moves the bound, `light=null` drops the rule."
    )
    return element("p", sentence(rule), class_="soft")


def _part(clustering: Clustering, part: Part, drawn: dict[int, np.ndarray]) -> Html:
    title, meaning, rows = part
    tiles = [_tile(clustering, row, drawn[row], title) for row in rows]
    heading = element("h3", title, element("span", f" · {meaning}", class_="soft"))
    return element("div", heading, element("div", *tiles, class_="tiles"), naming(), class_="part")


def _tile(clustering: Clustering, row: int, picture: np.ndarray, title: str) -> Html:
    facts = clustering.photos.loc[row]
    image_id = facts["image_id"]
    about = {"Least sure": f"or {facts['second']}, {facts['margin']:.2f} farther"}.get(title, "")
    if title in ("Lightest", "Nearest to the bound"):
        about = f"light share {facts['light_share']:.2f}"
    return element(
        "label",
        photo(picture, alt=image_id, caption=image_id),
        element("span", about, class_="soft", style="font-size:12px;display:block"),
        element("input", type="checkbox", value=image_id),
        element("span", class_="given"),
    )
