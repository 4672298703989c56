"""A tiny set of labelled photos, a coloured square on noise each, and a recogniser that was really trained on it."""

from contextlib import chdir
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

COLOURS = {
    "blue": (30, 60, 230),
    "cyan": (20, 210, 220),
    "green": (20, 200, 40),
    "olive": (150, 160, 20),
    "red": (230, 30, 30),
    "violet": (200, 30, 210),
}
COARSE = {"blue": "cold", "cyan": "cold", "green": "leaf", "olive": "leaf", "red": "warm", "violet": "warm"}
LATE = ("olive", "violet")  # the labels of the second month
SIDE = 48
TRAIN, FROZEN = 8, 2  # photos of a label
DATA = ["data=label_table", "data.root=photos", "data.name=squares"]
SMALL = [
    *("task=recognition", "model=classifier", "model.architecture=test_resnet", "model.weights=null", "model.width=16"),
    *("framing.size=16", "framing.resize=18", "optimizer=adamw", "schedule=cosine"),
    *("trainer.accelerator=cpu", "trainer.num_workers=0", "trainer.batch_size=8"),
    *("trainer.max_epochs=3", "+optimizer.lr=0.005"),
]


def draw_square(path: Path, label: str, seed: int) -> None:
    """Draw a photo of a label, another one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 140, (6, 6, 3), dtype=np.uint8)
    photo = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    top, left = rng.integers(4, 16, 2)
    side = int(rng.integers(22, 28))
    photo[top : top + side, left : left + side] = COLOURS[label][::-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), photo)


def draw_squares(root: Path) -> None:
    """Draw a folder for `data=label_table` with its table `labels.csv`, and `sample_submission.csv`.

    Eight train photos of each of six labels; two frozen test photos of each, with their labels; and six test photos
    without, which are those of the sample submission (`id,label`), in an order of its own. `truth.csv` has their
    labels.
    """
    rows, seed = [], 0
    for label in COLOURS:
        for number in range(TRAIN + FROZEN + 1):
            seed += 1
            frozen, bare = TRAIN <= number < TRAIN + FROZEN, number == TRAIN + FROZEN
            name = f"t{list(COLOURS).index(label)}" if bare else f"{label}{number}"
            path = f"{'test' if bare else label}/{name}.png"
            draw_square(root / path, label, seed)
            month = "2026-02" if label in LATE else "2026-01"
            split = "test" if frozen or bare else "train"
            row = {"path": path, "image_id": name, "label": label, "coarse": COARSE[label], "month": month}
            rows.append(row | {"split": split, "shelf": str(number % 3), "bare": bare})
    table = pd.DataFrame(rows)
    bare = table.pop("bare")
    truth = table.loc[bare, ["image_id", "label"]].rename(columns={"image_id": "id"})
    truth.to_csv(root / "truth.csv", index=False)
    truth.iloc[::-1].assign(label="red").to_csv(root / "sample_submission.csv", index=False)
    table.loc[bare, ["label", "coarse", "month"]] = None
    table.to_csv(root / "labels.csv", index=False)


def train_squares(root: Path) -> None:
    """Draw the set in `root/photos`, deal two folds and train both of the member `squares`."""
    import torch

    from maskfold.config import compose
    from maskfold.stages.folds import folds
    from maskfold.stages.train import train

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with chdir(root):
        draw_squares(Path("photos"))
        folds(compose("folds", [*DATA, "folds=by_label", "folds.k=2", "twins=0"]))
        for fold in (0, 1):
            train(compose("train", ["name=squares", f"fold={fold}", *DATA, *SMALL, "audit=false"]))
    torch.set_num_threads(threads)
