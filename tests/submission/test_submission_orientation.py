"""The doctor on square photos, where no run is wrong by itself: photos and training masks tell the order."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import files
from maskfold.masks import rle
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.masks.rules import Rules
from maskfold.submission.checkup import check_up
from maskfold.submission.orientation import Chosen, Truth, judge_submission, order_by_place
from maskfold.submission.shape import Shape
from maskfold.submission.writer import write_submission
from textures import textured_photo

COLUMNS = Rules(columns={"id": "{image_id}", "rle_mask": "{runs}"}, order="columns")
DICE = METRICS_BY_NAME["dice"]


def by(order: str) -> Rules:
    """Return rules that number pixels in an order."""
    return Rules(columns=COLUMNS.columns, order=order)


@pytest.fixture(scope="module")
def square(tmp_path_factory) -> tuple[Path, dict[str, np.ndarray]]:
    """Square photos of a competition that counts by columns, 24 to train with and 30 to predict; the latter's masks."""
    root = tmp_path_factory.mktemp("square") / "photos"
    rng, masks = np.random.default_rng(0), {}
    for folder in ("images", "masks", "test"):
        (root / folder).mkdir(parents=True)
    for number in range(54):
        photo, mask = textured_photo(rng)
        name, split = f"p{number:02}", "images" if number < 24 else "test"
        cv2.imwrite(str(root / split / f"{name}.png"), photo)
        if split == "images":
            cv2.imwrite(str(root / "masks" / f"{name}.png"), mask * 255)
        else:
            masks[name] = mask
    return root, masks


@pytest.fixture
def data(square, tmp_path, monkeypatch) -> dict:
    """The source of those photos, in a working folder of this test's own."""
    monkeypatch.chdir(tmp_path)
    pairs = {"_target_": "maskfold.data.sources.Pairs", "root": str(square[0]), "test": "test"}
    return pairs | {"submission": {"columns": dict(COLUMNS.columns), "order": "columns"}}


def written(masks: dict[str, np.ndarray], rules: Rules, path: Path = Path("submissions/x/submission.csv.gz")) -> Path:
    write_submission(path, [(f"{name}.png", "", rules.text(mask)) for name, mask in masks.items()], rules)
    return path


@pytest.mark.hostile("wrong input")
def test_square_masks_in_the_wrong_order_are_an_error_and_in_the_right_one_pass(square, data):
    _, masks = square

    right, wrong = (check_up(written(masks, by(order)), data=data) for order in ("columns", "rows"))

    assert (right.errors, right.warnings) == ([], [])
    assert right.notes[0].startswith("order: outlines fit what ")
    assert right.notes[0].endswith(" photos show by columns, and that is the order asked for")
    (error,) = wrong.errors
    assert error.startswith("orientation: outlines fit what ")
    assert error.endswith(" photos show by rows, and the order asked for is by columns")


def test_photos_that_show_nothing_are_not_guessed_at(square, data):
    _, masks = square
    unrelated = dict(zip(masks, [*masks.values()][1:] + [*masks.values()][:1], strict=True))

    report = check_up(written(unrelated, by("rows")), data=data)

    assert report.ok
    assert report.notes[0].startswith("order: the order could not be told: outlines fit what ")


def test_what_either_order_scores_is_told_from_masks_out_of_fold(square, data):
    root, masks = square
    truth = {path.stem: cv2.imread(str(path), 0) // 255 for path in sorted((root / "masks").iterdir())}
    predicted = {name: np.roll(mask, 1, axis=0) for name, mask in truth.items()}
    written(predicted, COLUMNS, Path("submissions/x/oof/submission.csv.gz"))
    files.write_json(Path("submissions/x/oof/manifest.json"), Shape(COLUMNS).facts)

    def dice(one: np.ndarray, other: np.ndarray) -> float:
        total = one.sum() + other.sum()
        return 2 * (one & other).sum() / total if total else 1.0

    right = np.mean([dice(predicted[name], mask) for name, mask in truth.items()])
    crossed = np.mean([dice(predicted[name].T, mask) for name, mask in truth.items()])
    assert check_up(written(masks, COLUMNS), data=data).notes[1] == (
        f"predicted score (Dice, of 24 masks out of fold): about {right:.3f} if the competition numbers pixels by "
        f"columns, as here; about {crossed:.3f} if by rows"
    )
    assert check_up(written(masks, by("rows")), data=data).notes[0] == (
        f"predicted score (Dice, of 24 masks out of fold): about {crossed:.3f} as it is written, about {right:.3f} "
        "numbered by columns"
    )


def test_without_masks_out_of_fold_it_is_said_what_the_wrong_order_would_leave(square, data):
    note, about_the_sample = check_up(written(square[1], COLUMNS), data=data).notes[1:]

    assert about_the_sample.startswith("sample: there is none, so names and order of the rows are not checked")
    assert note.startswith("score: 24 true masks that are read in the other order score 0.")
    assert "`make ensemble ARGS=split=oof` tells" in note


@pytest.mark.hostile("wrong input")
def test_a_sample_whose_masks_are_in_the_other_order_than_the_data_says_is_a_warning(square, data):
    sample = written(square[1], by("rows"), Path("sample_submission.csv.gz"))

    (warning,) = check_up(written(square[1], COLUMNS), data=data, sample=sample).warnings

    assert warning.startswith("orientation: the masks of sample_submission.csv.gz are numbered by rows (outlines fit")
    assert warning.endswith("), and data.submission asks for columns")


def test_the_sample_that_the_data_names_says_which_rows_are_missing(square, data):
    written(square[1], COLUMNS, Path("given/stage_1.csv.gz"))
    few = dict([*square[1].items()][1:])

    report = check_up(written(few, COLUMNS), data=data | {"sample": str(Path("given/stage_1.csv.gz").absolute())})

    assert [error.partition(":")[0] for error in report.errors] == ["missing images"]
    assert not any(note.startswith("sample:") for note in report.notes)


@pytest.mark.hostile("wrong input")
def test_labels_in_the_other_order_than_submissions_are_a_warning(square, data):
    root, masks = square
    rows = [(path.name, COLUMNS.text(cv2.imread(str(path), 0) // 255)) for path in sorted((root / "masks").iterdir())]
    lines = ["img,rle_mask", *(",".join(row) for row in rows)]
    (root / "train.csv").write_text("\n".join(lines))
    competition = {
        "_target_": "maskfold.data.competition.Competition",
        "root": str(root),
        "images": "images",
        "masks": {"kind": "runs", "file": "train.csv", "order": "columns"},
        "submission": {"columns": dict(COLUMNS.columns), "order": "rows"},
    }

    report = check_up(written(masks, by("rows")), data=competition)

    assert report.errors == []
    assert report.warnings == [
        "orientation: the table of training masks numbers pixels by columns, a submission by rows; most competitions "
        "do both alike"
    ]


@pytest.mark.parametrize("order", rle.ORDERS)
def test_places_tell_the_order_where_objects_lie_in_one_corner(order):
    rng = np.random.default_rng(0)

    def corner() -> np.ndarray:
        mask = np.zeros((40, 40), np.uint8)
        x, y = rng.integers(2, 10), rng.integers(20, 28)
        mask[y : y + 8, x : x + 10] = 1
        return mask

    from_training = Truth(cells=[("", cv2.resize(corner().astype(np.float32), (16, 16))) for _ in range(20)]).cells
    runs = [
        rle.runs(mask if order == "rows" else np.ascontiguousarray(mask.T)) for mask in (corner() for _ in range(20))
    ]

    verdict = order_by_place([("", one, (40, 40)) for one in runs], from_training)

    assert verdict.order == order


def test_places_tell_nothing_where_objects_lie_anywhere(square):
    _, masks = square
    half = len(masks) // 2
    cells = [("", cv2.resize(mask.astype(np.float32), (16, 16))) for mask in [*masks.values()][:half]]

    verdict = order_by_place([("", rle.runs(mask), mask.shape) for mask in [*masks.values()][half:]], cells)

    assert verdict.order is None


def test_a_photo_is_read_once_for_all_its_classes(square):
    root, masks = square
    name, mask = next(iter(masks.items()))
    table = pd.DataFrame({"image_id": [name], "image": [str(root / "test" / f"{name}.png")], "height": 64, "width": 64})
    asked = []

    def read(path: str) -> np.ndarray:
        asked.append(path)
        return cv2.imread(path, 0)

    judge_submission([(name, label, rle.runs(mask)) for label in "ab"], table, read)

    assert len(asked) == 1


def test_no_mask_of_a_very_large_photo_is_kept_or_drawn():
    runs = np.array([[1, 2]])
    chosen = Chosen(most=2, sizes={"large": (20_000, 20_000), "small": (20, 20)})
    for image_id in ("large", "small", "unknown"):
        chosen(image_id, "", runs)

    assert sorted(image_id for image_id, _, _ in chosen) == ["small", "unknown"]
