"""The page of findings: whole in itself, and safe whatever photos are called."""

import re

import cv2
import numpy as np
import pytest
from tests.scenes import copied, scene

from maskfold.config import compose
from maskfold.stages.clean import clean

ODD = 'a,"b" <script>alert(1)'


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    root = tmp_path_factory.mktemp("page")
    for folder in ("images", "masks"):
        (root / "photos" / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, name in enumerate(["one", "two", "three", ODD]):
        photo = cv2.GaussianBlur(rng.normal(0, 300, (80, 120, 3)), (0, 0), 5) + 120
        mask = np.zeros((80, 120), np.uint8)
        mask[20:60, 30:90] = 255 * (number < 3)
        (root / "photos/images" / f"{name}.png").write_bytes(cv2.imencode(".png", photo.clip(0, 255))[1].tobytes())
        (root / "photos/masks" / f"{name}.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    for name, photo in {"near_a": scene(1), "near_b": copied(scene(1))}.items():
        cv2.imwrite(str(root / "photos/images" / f"{name}.png"), photo)
        mask = cv2.rectangle(np.zeros(photo.shape[:2], np.uint8), (20, 20), (60, 50), 255, -1)
        cv2.imwrite(str(root / "photos/masks" / f"{name}.png"), mask)
    (root / "data/photos").mkdir(parents=True)
    (root / "data/photos/decisions.csv").write_text("note,image_id,decision\nseen,one,keep\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        path = clean(compose("clean", ["data=pairs", f"data.root={root / 'photos'}", "jobs=1"]))
        assert (root / "data/photos/findings.csv").read_text().startswith("kind,rank,image_id,partner,class,score,")
        return (root / path).read_text()


@pytest.mark.hostile("names and paths")
def test_names_of_photos_are_text_on_the_page(page):
    assert "<script>alert" not in page
    assert "empty (1)" in page
    # As a row of a CSV, and that as an attribute.
    assert "&quot;a,&quot;&quot;b&quot;&quot; &lt;script&gt;alert(1)&quot;,drop" in page


def test_the_page_needs_nothing_from_elsewhere(page):
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", page)
    assert "http" not in page


def test_the_box_holds_the_decisions_that_there_are(page):
    assert 'data-before="image_id,decision,note\none,keep,seen\n"' in page


@pytest.mark.hostile("leaks")
def test_what_keeping_two_near_copies_means_is_said(page):
    keep, together = (re.search(f"near_b,{decision}</code>([^<]*)<", page)[1] for decision in ("keep", "group=near_a"))

    assert keep == " two objects, for any fold"
    assert together == " one object, both stay"
