"""Is there room for all of a grocer's products? Every step with 13,333 of them: seconds, and the most memory it took.

Draws the products with three photos each at 64 pixels, 600 of them in a second month, and takes them through every
stage with a ResNet-18 that has trained for a few steps: what is measured is room, not skill. What the stages do with
thousands of classes is then done once more with 20 test photos a product, as a grocer would have, on random numbers.
Each step has a process of its own; none may take 2 GiB. Writes docs/measured/recognition_scale.csv.

    python tests/benchmarks/study_scale.py        # about 20 minutes on two cores
    python tests/benchmarks/study_scale.py 300    # a try, of so many products
    python tests/benchmarks/study_scale.py --numbers  # the steps on random numbers alone
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measure import in_own_process, publish

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.models.classifier import CosineHead
from maskfold.recognition.gate import judge
from maskfold.recognition.metrics import ClassMetrics
from maskfold.recognition.prototypes import Prototypes
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.grow import grow
from maskfold.stages.packages import packages
from maskfold.stages.predict import predict
from maskfold.stages.train import train

PRODUCTS = 13_333
WIDTH, BATCH = 512, 256
STEPS = 8  # of training
TEST_PHOTOS = 20  # a product, of the steps on random numbers
MOST = 2 * 2**30  # bytes
MONTHS = ("2026-01", "2026-02")
MEMBER = "scale"
DATA = ["data=label_table", "data.root=packages", "data.name=packages"]
CPU = ["trainer.accelerator=cpu", "trainer.num_workers=0"]
NETWORK = [
    *("experiment=resnet18_grocery", f"name={MEMBER}", "fold=0", "framing.size=64", "framing.resize=64"),
    *("model.head=cosine", "trainer.max_epochs=1", f"trainer.limit_batches={STEPS}", *CPU),
]


def stages(products: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield every stage with a name, in the order in which they build on one another."""
    new = max(2, round(products * 0.045))
    drawn = [f"products=[{products - new},{new}]", "photos=2", "test_photos=1", "unknown=30", "jobs=1"]
    first, split = [*DATA, f"data.until={MONTHS[0]}"], ["folds=by_label", "folds.k=2"]
    member = [f"name={MEMBER}", "fold=0"]
    growing = ["unknown=packages/unknown", f"month={MONTHS[1]}", *CPU, *member]
    training = " ".join([f"trainer.limit_batches={STEPS}", *CPU])
    yield "packages: three photos each", partial(run, packages, "root=packages", *drawn)
    yield "folds", partial(run, folds, *first, *split)
    yield f"train: {STEPS} steps", partial(run, train, *NETWORK, *first)
    for part in ("oof", "test"):
        yield f"predict: {part}", partial(run, predict, *member, f"split={part}", *CPU)
    yield "evaluate: one of two folds", partial(run, evaluate, *member, "jobs=1")
    yield "grow: enroll, gate", partial(run, grow, *growing, "level=enroll")
    yield (
        "grow: fine-tune, gate",
        partial(run, grow, *growing, "level=finetune", f"train='{training}'", "registered_model=tuned"),
    )


def run(stage: Callable[..., Any], *overrides: str) -> str:
    """Run a stage; return `done`, or `refused` where a gate says no."""
    try:
        stage(compose(stage.__name__, list(overrides)))
    except MaskfoldError as error:
        if "is not promoted" not in str(error):
            raise
        return "refused"
    return "done"


def single_steps(products: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is done with thousands of classes, on random numbers."""
    yield f"head: forward, backward, step, batch {BATCH}", partial(head_steps, products)
    yield f"metrics: {TEST_PHOTOS} photos each", partial(count, products)
    yield "prototypes: nearest, and who looks like whom", partial(prototypes, products)
    yield f"gate: {TEST_PHOTOS} photos each", partial(gate, products)


def head_steps(products: int, steps: int = 4) -> str:
    """Train a head for some steps with AdamW."""
    head = CosineHead(WIDTH, products)
    optimizer = torch.optim.AdamW(head.parameters())
    for _ in range(steps):
        target = torch.randint(products, (BATCH,))
        loss = torch.nn.functional.cross_entropy(head(torch.randn(BATCH, WIDTH)), target, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return "done"


def count(products: int) -> str:
    """Count top-1, top-5 and macro recall over the test photos."""
    metrics = ClassMetrics(products)
    for target in torch.arange(products).repeat_interleave(TEST_PHOTOS).split(BATCH):
        metrics.update(torch.randn(len(target), products), target)
    assert metrics.compute()["top5"] < 1
    return "done"


def embeddings(products: int, photos: int) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings `(N, D) float32` of some photos a product, and their classes."""
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(products), photos)
    own = rng.standard_normal((products, WIDTH), dtype=np.float32)
    return own[classes] + 0.5 * rng.standard_normal((len(classes), WIDTH), dtype=np.float32), classes


def prototypes(products: int) -> str:
    """Make a prototype a product, find each photo's nearest, and compare all with all."""
    photos, classes = embeddings(products, 3)
    made = Prototypes.of(photos, classes)
    assert (made.nearest(photos)[0] == classes).mean() > 0.99
    made.alike(made.of_classes(np.arange(products // 2)))
    return "done"


def gate(products: int) -> str:
    """Judge two networks, equally good, of which one knows 600 products more."""
    rng = np.random.default_rng(0)
    names = np.char.mod("%05d", np.arange(products)).astype(object)
    label = np.repeat(names, TEST_PHOTOS)
    new = np.repeat(np.arange(products) >= products - max(2, round(products * 0.045)), TEST_PHOTOS)
    said = {side: np.where(rng.random(len(label)) < 0.9, label, names[0]) for side in ("champion", "challenger")}
    scores = {f"{side}_score": rng.standard_normal(len(label)) for side in said}
    unknown = pd.DataFrame({name: rng.standard_normal(1000) - 1 for name in scores})
    verdict = judge(pd.DataFrame({"label": label, "new": new, **said, **scores}), unknown)
    return "done" if verdict.passed else "refused"


def main() -> None:
    """Take all products through every step; say what each has taken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("products", nargs="?", type=int, default=PRODUCTS)
    parser.add_argument("--numbers", action="store_true", help="the steps on random numbers alone, minutes")
    options = parser.parse_args()
    products = options.products
    todo = [*([] if options.numbers else stages(products)), *single_steps(products)]
    rows, home = [], Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        try:
            for name, step in todo:
                result, seconds, peak = in_own_process(step)
                rows.append({"step": name, "result": result, "seconds": seconds, "peak_mib": peak / 2**20})
                print(f"{name}: {result}, {seconds:.0f} s, {peak / 2**20:.0f} MiB", flush=True)
        finally:
            os.chdir(home)
    table = pd.DataFrame(rows)
    publish("recognition_scale", table, products=products, width=WIDTH, limit_mib=MOST / 2**20)
    over = table[table["peak_mib"] >= MOST / 2**20]
    if len(over):
        sys.exit(f"More than {MOST / 2**30:.0f} GiB: {', '.join(over['step'])}")


if __name__ == "__main__":
    main()
