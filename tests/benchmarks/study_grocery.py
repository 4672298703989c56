"""Recognition on the Grocery Store Dataset from random weights, beside a plain timm loop of the same network and size.

Both arms train `resnet18` at 112 pixels for the same epochs on the same folds, in bfloat16 on the CPU, and are judged
after their last epoch by the same lines below: no epoch is chosen. The plain loop is what timm's own parts give:
`create_model`, `create_transform(is_training=True)`, AdamW 1e-3, a cosine, batches of 32. Ours is
`experiment=resnet18_grocery`, with whatever `--overrides` say.

    python tests/benchmarks/study_grocery.py /photos/grocery --folds 0 1 --seeds 0 1 2 --epochs 8

Runs that are in the table already are not repeated.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.stats
import timm
import torch
from timm.data import create_transform
from torch.utils.data import DataLoader, Dataset

from maskfold.data.folds import fold_members, read_folds
from maskfold.data.labelled import Grocery
from maskfold.data.loading import read_image
from maskfold.prediction.members import load_network
from maskfold.recognition.framing import Framing

TABLE = Path(__file__).parents[2] / "docs/measured/grocery.csv"
MEASURES = ["fine", "coarse", "macro", "top5"]
SIZE, RESIZE = 112, 128


class Photos(Dataset):
    """Photos through timm's transform."""

    def __init__(self, rows: pd.DataFrame, *, training: bool) -> None:
        from PIL import Image

        self.open = Image.open
        self.paths, self.targets = rows["image"].tolist(), rows["class_index"].tolist()
        self.transform = create_transform(SIZE, is_training=training, crop_pct=SIZE / RESIZE)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.open(self.paths[index]).convert("RGB")), self.targets[index]


def plain(training: pd.DataFrame, validation: pd.DataFrame, *, classes: int, epochs: int, seed: int) -> np.ndarray:
    """Train the plain loop; return its logits of the validation photos."""
    torch.manual_seed(seed)
    network = timm.create_model("resnet18", num_classes=classes).to(memory_format=torch.channels_last)
    loader = DataLoader(Photos(training, training=True), batch_size=32, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    for _ in range(epochs):
        network.train()
        for image, target in loader:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = network(image.contiguous(memory_format=torch.channels_last))
            torch.nn.functional.cross_entropy(logits.float(), target).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        batches = DataLoader(Photos(validation, training=False), batch_size=64)
        return torch.cat([network(image) for image, _ in batches]).numpy()


def ours(
    root: Path, validation: pd.DataFrame, *, fold: int, epochs: int, seed: int, overrides: list[str]
) -> np.ndarray:
    """Train the experiment in a process of its own; return the logits of the validation photos."""
    name = f"study_{fold}_{seed}"
    command = [sys.executable, "-m", "maskfold", "train", "experiment=resnet18_grocery", f"data.root={root}"]
    command += [f"name={name}", f"fold={fold}", f"seed={seed}", f"trainer.max_epochs={epochs}", "keep_last=true"]
    command += ["trainer.precision=bf16-mixed", "trainer.accelerator=cpu", "overwrite=true", *overrides]
    subprocess.run(command, check=True)
    network = load_network(Path(f"experiments/{name}/fold{fold}/checkpoints/last.ckpt"))
    framing = Framing(size=SIZE, resize=RESIZE)
    answers = []
    with torch.inference_mode():
        for start in range(0, len(validation), 64):
            photos = [framing.shown(read_image(path)) for path in validation["image"][start : start + 64]]
            answers.append(network(torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)))
    return torch.cat(answers).numpy()


def judged(logits: np.ndarray, rows: pd.DataFrame, coarse: np.ndarray) -> dict[str, float]:
    """Return fine, coarse and top-5 accuracy, and the mean recall of the classes that have photos here."""
    target, order = rows["class_index"].to_numpy(), np.argsort(-logits, axis=1)
    right = pd.Series(order[:, 0] == target)
    return {
        "fine": right.mean(),
        "coarse": (coarse[order[:, 0]] == coarse[target]).mean(),
        "macro": right.groupby(target).mean().mean(),
        "top5": (order[:, :5] == target[:, None]).any(1).mean(),
    }


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each way's means over its runs, and its gain over the plain loop on the same folds and seeds.

    The interval is Student's, of the differences of the runs: what another seed and fold would change, roughly, since
    runs of one fold share their photos.
    """
    runs = rows.set_index(["epochs", "fold", "seed"])
    base = runs.loc[runs["way"] == "plain", "fine"]
    lines = []
    for way, own in runs.groupby("way", sort=False):
        line = {"way": way, "runs": len(own)} | own[MEASURES].mean().round(4).to_dict()
        gains = (own["fine"] - base).dropna()
        if way != "plain" and len(gains) > 1:
            half = scipy.stats.t.ppf(0.975, len(gains) - 1) * gains.std() / len(gains) ** 0.5
            line |= {"gain": gains.mean(), "low": gains.mean() - half, "high": gains.mean() + half}
        lines.append(line)
    return pd.DataFrame(lines).round(4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--ways", nargs="*", default=["plain", "maskfold"])
    parser.add_argument("--folds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--overrides", nargs="*", default=[])
    parser.add_argument("--label", help="what this variant of ours is called in the table")
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = Grocery(root=str(options.root), name="grocery")
    table, classes = source.load(), source.class_table()
    coarse = classes.rows["coarse"].to_numpy()
    folds = read_folds(source.folder / "folds.csv", table)
    rows = pd.read_csv(options.out).to_dict("records") if options.out.exists() else []
    for seed in options.seeds:
        for fold in options.folds:
            inside = table["image_id"].isin(fold_members(folds, fold))
            for way in options.ways:
                label = options.label or way if way != "plain" else "plain"
                key = {"way": label, "epochs": options.epochs, "fold": fold, "seed": seed}
                if any(key.items() <= row.items() for row in rows):
                    continue
                started = time.perf_counter()
                if way == "plain":
                    logits = plain(
                        table[~inside], table[inside], classes=len(classes), epochs=options.epochs, seed=seed
                    )
                else:
                    how = {"fold": fold, "epochs": options.epochs, "seed": seed, "overrides": options.overrides}
                    logits = ours(options.root, table[inside], **how)
                scores = {name: round(float(value), 5) for name, value in judged(logits, table[inside], coarse).items()}
                rows.append(
                    key | {"photos": int(inside.sum())} | scores | {"seconds": round(time.perf_counter() - started)}
                )
                pd.DataFrame(rows).to_csv(options.out, index=False)
                means(pd.DataFrame(rows)).to_csv(options.out.with_stem(f"{options.out.stem}_means"), index=False)
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
