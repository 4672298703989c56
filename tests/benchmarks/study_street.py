"""Networks that learned from generated cars alone, on real photos without masks: which of them do the photos speak for?

    python tests/benchmarks/study_street.py <folder> <folder of the real photos>

The second folder holds `test/` of the Carvana challenge, views of cars on a turntable. One network learns from the
generator's studio (`world: studio`), two from its street (`world: street`). These label the real photos, and one of
them learns on from the labels. All mask the real photos, and the generated test cars of both worlds, whose truth is
known: of each kind of evidence one sees there whether it puts two networks in the order in which Dice does. Writes
docs/measured/street.csv, street_generated.csv and street_checks.csv, and docs/transfer.jpg. Killed and started
again in the same folder, it goes on from what is finished.
"""

import os
import sys
from pathlib import Path

import cv2
import measure
import numpy as np
import pandas as pd
from measure import publish
from PIL import Image
from street_evidence import MORE_IS_BETTER, VIEWS, agreement, dice, evidence, pairs_in_order
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

WORLDS = ("studio", "street")
TEACHERS = ("street_0", "street_1")
# The networks, and what they learned from.
LEARNED = {"studio_0": "studio", "street_0": "street", "street_1": "street", "student_0": "street and labels"}
SHAPE = ["cars=24", "test_cars=4", "height=320", "width=480"]
TILE, ORANGE = (240, 160), (0, 100, 235)  # pixels, width and height; blue, green, red
SIZE = (320, 480)  # pixels, height and width at which masks are compared
ENDS = {"": "none", "_flip": "hflip"}  # by the end of a store's name
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
    for seed, name in enumerate(TEACHERS):
        train_one(name, seed, "street", photos, FIRST)
    begun = [f"start_from=experiments/{TEACHERS[0]}", f"pseudo={label(photos)}"]
    train_one("student_0", 0, "street", photos, [*NEXT, *begun])
    train_one("studio_0", 0, "studio", photos, FIRST)


def train_one(name: str, seed: int, world: str, photos: Path, own: list[str]) -> None:
    """Train a network on a world, with keys of its own, and let it mask everything."""
    train(compose("train", [*MEMBER, f"name={name}", f"seed={seed}", *world_data(world), *own]))
    mask_photos(name, photos)


def label(photos: Path) -> Path:
    """Let the street's networks label the real photos; their maps are corrected by the backdrop of a car's views."""
    images = {path.stem: path for path in (photos / "test").glob("*.jpg")}
    for name in TEACHERS:
        stores = EXPERIMENTS / name / "fold0/predictions"
        correct_store(images, stores / "real_flip", stores / "real_plates")
    teachers = ",".join(f"{{experiment: {name}, store: real_plates, folds: [0]}}" for name in TEACHERS)
    tree = ["ensemble=linknet34", "ensemble.name=street", f"ensemble.members=[{teachers}]"]
    return pseudo(compose("pseudo", [*tree, *LABELS, *real_data(photos), "jobs=1"])).path


def mask_photos(name: str, photos: Path) -> None:
    """Let a network mask the real photos and both worlds' test cars, alone and with their mirror images."""
    sets = {"real": real_data(photos)} | {world: world_data(world) for world in WORLDS}
    for store, keys in sets.items():
        for end, tta in ENDS.items():
            own = [f"name={name}", "fold=0", "split=test", f"store={store}{end}", f"tta={tta}"]
            predict(compose("predict", [*own, "trainer.precision=bf16-mixed", *keys]))


def maps_of(name: str, store: str) -> dict[str, np.ndarray]:
    """Return a network's maps by image id, (H, W) float32 of 0 to 255, shrunk to `SIZE`."""
    maps = ProbabilityStore(EXPERIMENTS / name / "fold0/predictions" / store)
    return {
        image_id: cv2.resize(maps.read(image_id).astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_AREA)
        for image_id in sorted(maps.image_ids())
    }


def masks_of(maps: dict[str, np.ndarray], *, repaired: bool = False) -> dict[str, np.ndarray]:
    """Return masks (H, W) uint8 0/1 of maps; `repaired`: one part without holes."""
    masks = {image_id: (one >= 128).astype(np.uint8) for image_id, one in maps.items()}
    if repaired:
        masks = {image_id: FillHoles()(maps[image_id], LargestComponent()(maps[image_id], one))
                 for image_id, one in masks.items()}  # fmt: skip
    return masks


def agreed(alone: dict[str, np.ndarray], both: dict[str, np.ndarray]) -> float:
    """Return the mean Dice between a network's masks and those that it makes of the mirror images alone.

    Args:
        alone: Its maps.
        both: The means of its maps and those of the mirror images.
    """
    mirrored = masks_of({image_id: 2 * both[image_id] - one for image_id, one in alone.items()})
    return agreement([*masks_of(alone).values()], [*mirrored.values()])


def grey_photos(folder: Path) -> dict[str, np.ndarray]:
    """Return the photos of a folder by image id, (H, W) uint8, grey, shrunk to `SIZE`."""
    grey = {path.stem: cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in folder.glob("*.jpg")}
    return {name: cv2.resize(photo, SIZE[::-1], interpolation=cv2.INTER_AREA) for name, photo in grey.items()}


def true_masks(world: str) -> dict[str, np.ndarray]:
    """Return the truth of a world's test cars, (H, W) uint8 0/1."""
    masks = {}
    for path in sorted(Path(f"data/{world}/test_truth").glob("*.gif")):
        with Image.open(path) as picture:
            masks[path.stem.removesuffix("_mask")] = (np.asarray(picture.convert("L")) > 127).astype(np.uint8)
    return masks


def on_real_photos(photos: Path) -> pd.DataFrame:
    """Return rows of evidence for each network: alone, with mirror images, these repaired, and a teacher's labels."""
    grey = grey_photos(photos / "test")
    rows = []
    for name, learned in LEARNED.items():
        alone, both = (maps_of(name, f"real{end}") for end in ENDS)
        known = {"network": name, "learned": learned, "agreement": agreed(alone, both)}
        ways = {"alone": masks_of(alone), "with flips": masks_of(both), "one part": masks_of(both, repaired=True)}
        if name in TEACHERS:
            ways["by the backdrop"] = masks_of(maps_of(name, "real_plates"), repaired=True)
        rows += [known | {"masks": way} | evidence(masks, grey) for way, masks in ways.items()]
    return pd.DataFrame(rows)[["network", "learned", "masks", *MORE_IS_BETTER]]


def on_generated_cars() -> pd.DataFrame:
    """Return a row for each network and world: Dice and the evidence of its masks of that world's test cars."""
    rows = []
    for world in WORLDS:
        truth = true_masks(world)
        grey = grey_photos(Path(f"data/{world}/test"))
        for name, learned in LEARNED.items():
            alone, both = (maps_of(name, f"{world}{end}") for end in ENDS)
            masks = masks_of(alone)
            mean = float(np.mean([dice(masks[image_id], truth[image_id]) for image_id in truth]))
            known = {"test_cars": world, "network": name, "learned": learned, "dice": mean}
            rows.append(known | {"agreement": agreed(alone, both)} | evidence(masks, grey))
    return pd.DataFrame(rows)


def pictures(photos: Path, before: str, after: str) -> np.ndarray:
    """Return ten photos, of every other car another view, with the masks of two networks: (H, W, 3) uint8, BGR.

    Args:
        photos: Holds `test/`.
        before: The network above.
        after: The network below, on the same photos.
    """
    paths = sorted((photos / "test").glob("*.jpg"))
    chosen = [paths[VIEWS * 2 * number + 5 * number % VIEWS] for number in range(10)]
    maps = {name: maps_of(name, "real_flip") for name in (before, after)}
    rows = []
    for some in (chosen[:5], chosen[5:]):
        for name in (before, after):
            masks = masks_of({path.stem: maps[name][path.stem] for path in some})
            rows.append(np.hstack([_tile(path, masks[path.stem]) for path in some]))
    return np.vstack(rows)


def _tile(path: Path, mask: np.ndarray) -> np.ndarray:
    photo = cv2.resize(cv2.imread(str(path)), TILE, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(mask, TILE, interpolation=cv2.INTER_NEAREST)
    photo[mask > 0] = (0.65 * photo[mask > 0] + 0.35 * np.array(ORANGE)).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(photo, outlines, -1, ORANGE, 1)


def main() -> None:
    """Run the study."""
    folder, photos = (Path(argument).resolve() for argument in sys.argv[1:3])
    measure.OUT = measure.OUT.resolve()  # of the checkout, though the study works in a folder of its own
    quiet_console()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    learn(photos)
    networks = on_generated_cars()
    publish("street", on_real_photos(photos).round(5))
    publish("street_generated", networks.round(5))
    publish("street_checks", pairs_in_order(networks))
    drawn = pictures(photos, "studio_0", "student_0")
    cv2.imwrite(str(measure.OUT.parent / "transfer.jpg"), drawn, [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
