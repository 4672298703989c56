"""Steps of post-processing on maps where it is known by hand in which cluster each helps, and where nothing does."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import arrays, files
from maskfold.ensembling.guard import Chain, ChainScorer, guard_steps, repaired_of, trials_of
from maskfold.ensembling.postprocess import FillHoles, LargestComponent
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.prediction.store import ProbabilityStore

DICE = METRICS_BY_NAME["dice"]
LOST = 120 / 124  # Dice of 64 pixels and 60 of them: four are a hole in one of the two masks


def square(*, hole: bool) -> np.ndarray:
    mask = np.zeros((12, 12), np.uint8)
    mask[2:10, 2:10] = 1
    mask[5:7, 5:7] = not hole
    return mask


class Photos:
    """A data set that grows photo by photo, each with its mask and its map."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, []

    def add(self, cluster: str | None, truth: np.ndarray, predicted: np.ndarray, group: str = "") -> None:
        image_id = f"photo{len(self.rows):03}"
        ProbabilityStore(self.folder / "maps").write(image_id, np.where(predicted, np.uint8(250), np.uint8(4)))
        path = self.folder / f"{image_id}{arrays.SUFFIX}"
        if truth.ndim == 3:
            files.write_bytes(path, arrays.encode(truth))
        else:
            path = path.with_suffix(".png")
            cv2.imwrite(str(path), truth * 255)
        about = {"image_id": image_id, "mask": str(path), "group": group or image_id, "height": 12, "width": 12}
        self.rows.append(about | {"cluster": cluster})

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

    def chain(self, classes: tuple[str, ...] = (), threshold=128) -> Chain:
        return Chain([MemberMaps(Leaf("maps", Fraction(1), (self.folder / "maps",)), None, classes)], threshold)

    def guard(self, *steps, clusters: dict[int, list[str]] | None = None):
        """Measure steps; `clusters` are those that some are for alone, by their number."""
        rows, own = self.table, clusters or {}
        named = [(type(step).__name__, step, own.get(number)) for number, step in enumerate(steps, start=1)]
        scorer = ChainScorer(self.chain(), self.chain(), frozenset(), DICE)
        return guard_steps(trials_of(named, rows), scorer, rows, seed=0, jobs=1)


@pytest.fixture
def photos(tmp_path) -> Photos:
    return Photos(tmp_path)


def test_a_step_that_helps_one_cluster_and_hurts_another_is_on_in_the_first_alone(photos):
    for _ in range(10):
        photos.add("plates", square(hole=False), square(hole=True))
        photos.add("rings", square(hole=True), square(hole=True))
    photos.add(None, square(hole=False), square(hole=True))

    guarded = photos.guard(FillHoles(), LargestComponent())

    rows = guarded.table.set_index(["step", "cluster"])
    gains = {
        ("1 FillHoles", "plates"): (1 - LOST, "on"),
        ("1 FillHoles", "rings"): (LOST - 1, "loses"),
        ("2 LargestComponent", "plates"): (0, "changes nothing"),
        ("2 LargestComponent", "rings"): (0, "changes nothing"),
    }
    assert {*rows.index} == {*gains}
    for cell, (gain, verdict) in gains.items():
        assert rows.loc[cell, ["gain", "low", "high"]].tolist() == pytest.approx([gain] * 3)
        assert rows.loc[cell, "verdict"] == verdict
    assert rows[["photos", "groups"]].eq(10).all(axis=None)
    assert guarded.comparisons == 4
    assert guarded.clusters == [["plates"], []]
    # A step as it is written now runs on the photo of no known cluster as well; what is proposed does not.
    assert guarded.without == pytest.approx((11 * LOST + 10) / 21)
    assert guarded.present == pytest.approx((11 + 10 * LOST) / 21)
    assert guarded.proposed == pytest.approx((20 + LOST) / 21)
    assert guarded.gain[0] == pytest.approx(guarded.proposed - guarded.present)


def test_a_gain_as_often_as_a_loss_is_noise(photos):
    for number in range(40):
        photos.add("vases", square(hole=bool(number % 2)), square(hole=True))

    guarded = photos.guard(FillHoles())

    assert guarded.table["gain"].tolist() == pytest.approx([0])
    assert guarded.table["low"][0] < 0 < guarded.table["high"][0]
    assert guarded.table["verdict"].tolist() == ["within the noise"]
    assert guarded.clusters == [[]]
    assert guarded.proposed == guarded.without == pytest.approx((1 + LOST) / 2)


def test_a_few_groups_that_all_gain_may_be_luck(photos):
    # All of n groups gain by luck with a chance of 2^-n: 1 of 64 is below 2.5 %, 1 of 32 is not.
    for _ in range(20):
        photos.add("rings", square(hole=True), square(hole=True))
    for number in range(5):
        for _ in range(4):
            photos.add("plates", square(hole=False), square(hole=True), group=f"plate{number}")
    assert photos.guard(FillHoles(), clusters={1: ["plates"]}).table["verdict"].tolist() == ["too few groups"]

    photos.add("plates", square(hole=False), square(hole=True), group="another")

    assert photos.guard(FillHoles(), clusters={1: ["plates"]}).table["verdict"].tolist() == ["on"]
    both = photos.guard(FillHoles()).table.set_index("cluster")  # of two clusters 2^-6 is too much
    assert both.loc["plates", ["verdict", "changed"]].tolist() == ["too few groups", 6]


def test_a_step_is_measured_on_what_the_steps_before_it_leave(photos):
    for _ in range(10):
        photos.add("plates", square(hole=False), square(hole=True))

    guarded = photos.guard(FillHoles(), FillHoles())

    assert guarded.table["verdict"].tolist() == ["on", "changes nothing"]
    assert guarded.proposed == guarded.present == 1
    assert guarded.gain == (0, 0, 0)


def test_without_clusters_all_photos_are_one(photos):
    for _ in range(10):
        photos.add(None, square(hole=False), square(hole=True))

    guarded = photos.guard(FillHoles())

    assert guarded.table[["cluster", "photos", "verdict"]].to_numpy().tolist() == [["all photos", 10, "on"]]
    assert guarded.clusters == [[""]]


def test_of_several_classes_a_photo_counts_once(photos):
    photos.add(None, np.stack([square(hole=False), square(hole=True)]), np.stack([square(hole=True)] * 2))
    chain = photos.chain(("plate", "ring"), threshold=(128, 128))
    for name, value, weight in (("dice", (LOST + 1) / 2, 1), ("pooled_dice", (124 * LOST + 120) / 244, 244)):
        marks = ChainScorer(chain, chain, frozenset(), METRICS_BY_NAME[name]).marks(photos.table, (), "score", 1)
        assert marks.values.tolist() == pytest.approx([value])
        assert marks.weights.tolist() == [weight]


def test_the_photos_that_are_repaired_go_the_way_of_the_repair(photos):
    for _ in range(3):
        photos.add("plates", square(hole=False), square(hole=True))
    doubtful = np.where(square(hole=False), np.uint8(120), np.uint8(4))
    ProbabilityStore(photos.folder / "maps").write("photo001", doubtful)
    usual, repair = photos.chain(), photos.chain(threshold=100)

    repaired = repaired_of(usual, photos.table, 1, jobs=1)

    assert repaired == {"photo001"}
    assert repaired_of(usual, photos.table, 0, jobs=1) == frozenset()
    marks = ChainScorer(usual, repair, repaired, DICE).marks(photos.table, (), "score", 1)
    assert marks.values.tolist() == pytest.approx([LOST, 1, LOST])
