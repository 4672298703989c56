"""Measure bf16 against float32 on a CPU: `python tests/benchmarks/bench_precision.py`.

A training step and a forward pass of LinkNet34, on one core. What bf16 does to scores `study_precision.py` measures.
"""

from collections.abc import Callable
from functools import cache, partial

import pandas as pd
import torch
from measure import BASELINE, compete, publish

from maskfold.engine.task import Task
from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network
from maskfold.processor import cpu_has_bf16
from maskfold.segmentation.losses import BCE
from maskfold.segmentation.objective import MaskObjective

SIZE = (192, 256)
BATCH = 8
ROUNDS = 7


@cache
def work() -> tuple[Task, torch.optim.Optimizer, torch.Tensor, torch.Tensor]:
    """Return a task, its optimizer, photos and masks."""
    torch.manual_seed(0)
    network = Network(LinkNet(encoder="resnet34", weights=None))
    objective = MaskObjective(BCE())
    task = Task(network, objective=objective, optimizer=partial(torch.optim.Adam, lr=1e-4), channels_last=True)
    photos = torch.randint(0, 256, (BATCH, 3, *SIZE), dtype=torch.uint8)
    photos = photos.contiguous(memory_format=torch.channels_last)
    return task, task.configure_optimizers(), photos, (photos[:, :1] > 128).float()


def step(bf16: bool) -> None:
    """Train on one batch."""
    task, optimizer, photos, target = work()
    task.train()
    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = task(photos)
    task.objective.loss(logits.float(), target).mean().backward()
    optimizer.step()


@torch.inference_mode()
def forward(bf16: bool) -> None:
    """Predict one batch."""
    task, _, photos, _ = work()
    task.eval()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        task(photos)


def compare(case: str, act: Callable[[bool], None]) -> pd.DataFrame:
    """Return the rows of one case."""
    ways = {BASELINE: partial(act, False), "bf16": partial(act, True)}
    return compete(ways, rounds=ROUNDS, items=BATCH, check=False).assign(case=case)


def main() -> None:
    """Measure training and prediction."""
    table = pd.concat([compare("training step", step), compare("forward pass", forward)], ignore_index=True)
    size = f"{SIZE[1]}x{SIZE[0]}"
    publish("precision_speed", table, baseline_is="float32", size=size, batch=BATCH, native_bf16=cpu_has_bf16())


if __name__ == "__main__":
    main()
