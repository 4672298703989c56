"""The page of clusters: what it shows of each, and that nothing in a name becomes code."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import simplejpeg

from maskfold.analysis.clusters_page import Clustering, compose
from maskfold.clusters.objects import MASK, PHOTO, Whereabouts
from maskfold.files import write_bytes

NASTY = "</script><script>alert(1)</script>"


def clustering(count: int = 4, *, stability: float = 0.9, given: dict | None = None, **changes) -> Clustering:
    found = {
        "image_id": [f"p{number}" for number in range(count)],
        "cluster": ["cluster 1"] * (count - 1) + ["light"],
        "found": "cluster 1",
        "second": "cluster 2",
        "margin": np.arange(count) / 10,
        "distance": np.arange(count)[::-1] / 10,
        "light_share": [0.1] * (count - 1) + [0.6],
        "contrast": 20.0,
        "object": PHOTO,
        "features": "appearance",
    }
    curve = pd.DataFrame({"k": [2, 3], "silhouette": [0.2, 0.1], "stability": [stability, 0.3]})
    word = pd.Series(given or {}, dtype="str")
    return Clustering("shop", pd.DataFrame(found | changes), word, curve, 2, 0.35, set())


@pytest.fixture
def places(tmp_path):
    write_bytes(tmp_path / "photo.jpg", simplejpeg.encode_jpeg(np.full((8, 8, 3), 99, np.uint8), 80, "RGB", "444"))
    return [Whereabouts(f"p{number}", str(tmp_path / "photo.jpg"), None, MASK) for number in range(30)]


def shown(page: str) -> list[list[str]]:
    """Return the photos of each part of the page, in their order."""
    return [re.findall(r'type="checkbox" value="([^"]+)"', part) for part in page.split('class="part"')[1:]]


def test_the_heart_and_the_least_sure_of_each_cluster_are_shown(places):
    heart, unsure, lightest, near = shown(compose(clustering(30), places, jobs=1))

    assert heart == [f"p{number}" for number in range(28, 16, -1)]  # distance falls; p29 is light
    assert unsure == [f"p{number}" for number in range(12)]
    assert lightest == ["p29"]
    assert len(near) == 12  # .1 and .6 are equally far from .35, so the first come first


def test_what_the_user_has_named_is_in_its_cluster_and_not_asked_again(places):
    one = clustering(given={"p0": "shorts", "elsewhere": "shorts"})
    named, _, unsure, *_ = shown(compose(one, places, jobs=1))

    assert [*one.final] == ["shorts", "cluster 1", "cluster 1", "light"]
    assert one.names == ["shorts", "cluster 1", "light"]
    assert (named, unsure) == (["p0"], ["p1", "p2"])


@pytest.mark.parametrize(("stability", "says"), [(0.49, "no name of a product type is warranted"), (0.5, "your")])
def test_unstable_clusters_are_no_kinds(places, stability, says):
    one = clustering(stability=stability)
    assert ("no name" in one.verdict()) == (stability < 0.5)
    assert ("no name of a" in compose(one, places, jobs=1)) == (stability < 0.5)


def test_where_k_was_not_tried_nothing_is_said_of_it(places):
    one = clustering()
    assert np.isnan(Clustering(one.name, one.photos, one.given, one.curve, 9, None, set()).at_k("stability"))


def test_clusters_are_in_the_order_of_their_numbers():
    names = ["cluster 10", "shorts", "cluster 2", "light"]
    assert clustering(cluster=names).names == ["shorts", "cluster 2", "cluster 10", "light"]


@pytest.mark.hostile("names and paths")
def test_no_name_becomes_code(places):
    ids = [NASTY, "p1", "p2", "p3"]
    page = compose(clustering(image_id=ids, given={NASTY: NASTY}), places, jobs=1)

    assert page.count("<script") == 1
    assert page.count("</script>") == 1
    given = re.search(r"const GIVEN = (.*?);\n", page)[1]
    assert json.loads(given) == [[NASTY, NASTY]]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
