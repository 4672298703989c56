"""Networks that learned from generated cars alone, on real photos without masks: which of them do the photos speak for?

    python tests/benchmarks/study_street.py <folder> <folder of the real photos>

The second folder holds `test/` of the Carvana challenge, views of cars on a turntable. Two networks each learn from the
generator's two worlds (`world: studio`, `world: street`); the two of the street label the real photos, whose labels
teach their successors. All mask the real photos, and the generated test cars of both worlds, whose truth is known: of
each kind of evidence one sees there whether it puts two networks in the order in which Dice does. Writes
docs/measured/street.csv, street_generated.csv and street_checks.csv. Killed and started again in the same folder, it
goes on from what is finished.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import measure
import numpy as np
import pandas as pd
from measure import publish
from street_evidence import MORE_IS_BETTER, agreement, dice, evidence, pairs_in_order
from street_plates import correct_store

from maskfold.config import EXPERIMENTS, compose
from maskfold.ensembling.postprocess import FillHoles, LargestComponent
from maskfold.entry import quiet_console
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.pseudo import pseudo
from maskfold.stages.studio import studio
from maskfold.stages.train import train

WORLDS, SEEDS = ("studio", "street"), (0, 1)
SHAPE = ["cars=24", "test_cars=4", "height=320", "width=480"]
SIZE = (320, 480)  # pixels, height and width at which masks are compared
# What they learned from, the names of the networks, and the views that they predict real photos in.
LEARNED = {"studio": "studio", "street": "street", "street, labelled real photos": "student"}
VIEWS = {"real": "none", "real_flip": "hflip"}
MEMBER = ["data=studio", "model=smp_unet", "model.encoder=resnet18", "model.weights=null", "geometry=resize"]
MEMBER += ["geometry.height=192", "geometry.width=288", "augment=heavy_scratch", "optimizer=adamw_groups"]
MEMBER += ["schedule=warmup_cosine", "averaging=ema", "averaging.decay=0.98", "trainer.batch_size=2"]
MEMBER += ["trainer.precision=bf16-mixed", "fold=0"]
FIRST = ["optimizer.lr=5e-4", "trainer.max_epochs=3"]
NEXT = ["optimizer.lr=3e-4", "trainer.max_epochs=2"]
POSTPROCESS = [f"{{_target_: maskfold.ensembling.postprocess.{step}}}" for step in ("LargestComponent", "FillHoles")]
LABELS = ["soft=false", "quantile=0.9", "weight=1", "ensemble.postprocess=[" + ",".join(POSTPROCESS) + "]"]


def real_data(photos: Path) -> list[str]:
    """Return the keys that name the real photos."""
    return ["data=carvana", "data.name=carvana", f"data.root={photos}"]


def world_data(world: str) -> list[str]:
    """Return the keys that name a generated set."""
    return ["data=studio", f"data.root=data/{world}", f"data.name={world}"]


def learn(photos: Path) -> None:
    """Generate both worlds, train all networks and let them mask everything; what is finished is kept."""
    for world in WORLDS:
        studio(compose("studio", [f"root=data/{world}", *SHAPE, f"world={world}", "jobs=1"]))
        folds(compose("folds", [*world_data(world), "folds.k=6"]))
    for seed in SEEDS:
        train_one(f"street_{seed}", seed, "street", photos, FIRST)
    labels = label(photos)
    for seed in SEEDS:
        begun = [f"start_from=experiments/street_{seed}", f"pseudo={labels}"]
        train_one(f"student_{seed}", seed, "street", photos, [*NEXT, *begun])
        train_one(f"studio_{seed}", seed, "studio", photos, FIRST)


def train_one(name: str, seed: int, world: str, photos: Path, own: list[str]) -> None:
    """Train a network on a world, with keys of its own, and let it mask everything."""
    train(compose("train", [*MEMBER, f"name={name}", f"seed={seed}", *world_data(world), *own]))
    mask_photos(name, photos)


def label(photos: Path) -> Path:
    """Let the street's networks label the real photos; their maps are corrected by the backdrop of a car's views."""
    images = {path.stem: path for path in (photos / "test").glob("*.jpg")}
    for seed in SEEDS:
        stores = EXPERIMENTS / f"street_{seed}" / "fold0/predictions"
        correct_store(images, stores / "real_flip", stores / "real_plates")
    teachers = ",".join(f"{{experiment: street_{seed}, store: real_plates}}" for seed in SEEDS)
    tree = ["ensemble=linknet34", "ensemble.name=street", f"ensemble.members=[{teachers}]"]
    return pseudo(compose("pseudo", [*tree, *LABELS, *real_data(photos), "jobs=1"])).path


def mask_photos(name: str, photos: Path) -> None:
    """Let a network mask the real photos, alone and with their mirror images, and both worlds' test cars."""
    jobs = {store: [f"tta={tta}", *real_data(photos)] for store, tta in VIEWS.items()}
    jobs |= {world: ["tta=none", *world_data(world)] for world in WORLDS}
    for store, keys in jobs.items():
        own = [f"name={name}", "fold=0", "split=test", f"store={store}", "trainer.precision=bf16-mixed"]
        predict(compose("predict", [*own, *keys]))


def maps_of(name: str, store: str) -> dict[str, np.ndarray]:
    """Return a network's maps by image id, (H, W) uint8, shrunk to `SIZE`."""
    maps = ProbabilityStore(EXPERIMENTS / name / "fold0/predictions" / store)
    return {
        image_id: cv2.resize(maps.read(image_id), SIZE[::-1], interpolation=cv2.INTER_AREA)
        for image_id in sorted(maps.image_ids())
    }


def masks_of(maps: Iterable[dict[str, np.ndarray]], *, repaired: bool = False) -> dict[str, np.ndarray]:
    """Return the masks of the networks' mean, (H, W) uint8 0/1; `repaired`: one part without holes."""
    several = [*maps]
    masks = {}
    for image_id in several[0]:
        mean = np.mean([one[image_id] for one in several], axis=0)
        mask = (mean >= 128).astype(np.uint8)
        masks[image_id] = FillHoles()(mean, LargestComponent()(mean, mask)) if repaired else mask
    return masks


def grey_photos(folder: Path) -> dict[str, np.ndarray]:
    """Return the photos of a folder by image id, (H, W) uint8, grey, shrunk to `SIZE`."""
    grey = {path.stem: cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_2) for path in folder.glob("*.jpg")}
    return {name: cv2.resize(photo, SIZE[::-1], interpolation=cv2.INTER_AREA) for name, photo in grey.items()}


def true_masks(world: str) -> dict[str, np.ndarray]:
    """Return the truth of a world's test cars, (H, W) uint8 0/1."""
    masks = {}
    for path in sorted(Path(f"data/{world}/test_truth").glob("*.gif")):
        _, frames = cv2.imreadmulti(str(path), flags=cv2.IMREAD_GRAYSCALE)
        masks[path.stem.removesuffix("_mask")] = (frames[0] > 127).astype(np.uint8)
    return masks


def on_real_photos(photos: Path) -> pd.DataFrame:
    """Return a row of evidence for each kind of network, alone, with mirror images, and for the repaired mean."""
    grey = grey_photos(photos / "test")
    rows = []
    for learned, name in LEARNED.items():
        for store, tta in VIEWS.items():
            maps = [maps_of(f"{name}_{seed}", store) for seed in SEEDS]
            alone = [masks_of([one]) for one in maps]
            agreed = agreement(*([*masks.values()] for masks in alone))
            means = pd.DataFrame([evidence(masks, grey) for masks in alone]).mean().to_dict()
            rows.append({"learned": learned, "masks": f"one network, tta={tta}", "agreement": agreed, **means})
        mean = evidence(masks_of(maps, repaired=True), grey)
        rows.append({"learned": learned, "masks": "two networks, tta=hflip, one part without holes", **mean})
    return pd.DataFrame(rows)[["learned", "masks", *MORE_IS_BETTER]]


def on_generated_cars() -> pd.DataFrame:
    """Return a row for each network and world: Dice and the evidence of its masks of that world's test cars."""
    rows = []
    for world in WORLDS:
        truth = true_masks(world)
        grey = grey_photos(Path(f"data/{world}/test"))
        for learned, name in LEARNED.items():
            masks = [masks_of([maps_of(f"{name}_{seed}", world)]) for seed in SEEDS]
            agreed = agreement(*([*one.values()] for one in masks))
            for seed, one in zip(SEEDS, masks, strict=True):
                mean = float(np.mean([dice(one[image_id], truth[image_id]) for image_id in truth]))
                known = {"test_cars": world, "learned": learned, "seed": seed, "dice": mean, "agreement": agreed}
                rows.append(known | evidence(one, grey))
    return pd.DataFrame(rows)


def main() -> None:
    """Run the study."""
    folder, photos = (Path(argument).resolve() for argument in sys.argv[1:3])
    measure.OUT = measure.OUT.resolve()  # of the checkout, though the study works in a folder of its own
    quiet_console()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    learn(photos)
    networks = on_generated_cars()
    publish("street", on_real_photos(photos))
    publish("street_generated", networks)
    publish("street_checks", pairs_in_order(networks))


if __name__ == "__main__":
    main()
