"""A judge set of flat greys, and networks that cut at a grey level: what each scores can be worked out by hand."""

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from maskfold.config import compose, recorded
from maskfold.engine.task import NETWORK
from maskfold.models.network import IMAGENET_MEAN, IMAGENET_STD
from maskfold.runs.layout import MemberFolder
from maskfold.runs.lineage import Lineage, write_lineage
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder

OBJECT = 1000  # pixels of each object, of grey 200 on a background of 40
FAINT, TRAP = 80, 120  # greys of a part of the object, and of something that is none
PLAIN, PALE = "plain", "pale"

# By which MLflow's client writes to a registry, or to what its versions carry.
WRITES = ("create_registered_model", "create_run", "log_artifact", "create_model_version", "set_model_version_tag")
WRITES += ("set_registered_model_alias", "set_registered_model_tag", "delete_registered_model_tag")


def draw_judge(root: Path, *, plain: int = 18, pale: int = 2, part: int = 20) -> None:
    """Draw photos of 64x96 with their masks.

    Beside a plain object 50 pixels of `TRAP` grey belong to the background; `part` pixels of a pale one are `FAINT`.

    A network that cuts at 30 takes all 6144 pixels and scores 1000 / 6144; one that cuts at 60 scores 1000 / 1050 on
    plain ones and 1 on pale ones; one that cuts at 160 scores 1 and 1 - part / 1000.
    """
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rows = []
    for number in range(plain + pale):
        kind = PLAIN if number < plain else PALE
        photo, mask = np.full((64, 96), 40, np.uint8), np.zeros((64, 96), np.uint8)
        photo[10:35, 20:60], mask[10:35, 20:60] = 200, 255
        if kind == PLAIN:
            photo[45:50, 70:80] = TRAP
        else:
            flat = np.argwhere(mask)[:part]
            photo[tuple(flat.T)] = FAINT
        photo[63, 0] = 31 + number  # no two are the same file
        name = f"judge{number:02}"
        cv2.imwrite(str(root / "images" / f"{name}.png"), photo)
        cv2.imwrite(str(root / "masks" / f"{name}.png"), mask)
        rows.append(f"{name},{kind}")
    clusters = Path("data", root.name, "clusters.csv")
    clusters.parent.mkdir(parents=True, exist_ok=True)
    clusters.write_text("\n".join(["image_id,cluster", *rows, ""]))


def plant(
    name: str, cut: float, *, fold: int = 0, score: float = 0.9, seen: Sequence[str] = (), root: str = "elsewhere"
) -> RunFolder:
    """Write the run folder of a network whose mask is all that is lighter than `cut`."""
    run = MemberFolder(Path("experiments", name)).run(fold)
    config = copy.deepcopy(_trained()) | {"name": name, "fold": fold}
    config["data"]["root"] = root
    run.begin(config, identity={"data": "d", "folds": "f"})
    weight = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)  # undoes the normalisation: the sum of the three channels
    bias = torch.tensor([sum(IMAGENET_MEAN) - 3 * cut])
    state = {f"{NETWORK}model.0.weight": weight, f"{NETWORK}model.0.bias": bias}
    run.checkpoints.mkdir(parents=True)
    torch.save({"state_dict": state, "construction": config["model"]}, run.best)
    write_lineage(run.path, Lineage("elsewhere", 0, tuple(sorted(seen)), ()))
    run.finish({"epoch": 0, "val/dice": score}, monitor=Monitor("val/dice", "max", "Dice"))
    return run


@cache
def _trained() -> dict[str, Any]:
    """Return how all of them are trained; composing it takes longer than all else."""
    config = recorded(compose("train", ["name=planted", "fold=0", "data=pairs", "data.root=elsewhere", "scale=smoke"]))
    layer = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 1}
    return config | {"model": {"_target_": "torch.nn.Sequential", "_args_": [layer]}}
