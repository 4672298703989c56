"""A plain training loop in PyTorch and segmentation_models_pytorch, as one writes it in an evening.

What `study_products` measures this repository's members against: LinkNet on a ResNet-34 from random weights, AdamW of
1e-3 under one cycle (which goes from a 25th of 2e-3 up to it and down again), batches of 8, flips, binary cross-entropy
plus Dice. No part of the package trains it.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
import segmentation_models_pytorch as smp
import torch
from torch.utils.data import DataLoader, Dataset

from maskfold.data.loading import read_image, read_mask

MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
BATCH, RATE, TOP_RATE = 8, 1e-3, 2e-3


class Resized(Dataset):
    """Photos and masks of rows of the image table at one size, left and right swapped in half of them."""

    def __init__(self, rows: pd.DataFrame, size: tuple[int, int], *, flips: bool) -> None:
        self.rows, self.size, self.flips = rows.to_dict("records"), size, flips

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = self.rows[index]
        image = read_image(row["image"])
        mask = read_mask(row["mask"], size=image.shape[:2])
        wide = self.size[::-1]
        image = (cv2.resize(image, wide, interpolation=cv2.INTER_AREA) / np.float32(255) - MEAN) / STD
        mask = cv2.resize(mask, wide, interpolation=cv2.INTER_NEAREST).astype(np.float32)
        if self.flips and torch.rand(()) < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(mask[None].copy())


def train(rows: pd.DataFrame, *, size: tuple[int, int], epochs: int, seed: int) -> torch.nn.Module:
    """Train the loop's network on rows of the image table, all resized to `size`, height and width."""
    torch.manual_seed(seed)
    network = smp.Linknet("resnet34", encoder_weights=None)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    loader = DataLoader(Resized(rows, size, flips=True), batch_size=BATCH, shuffle=True, drop_last=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, TOP_RATE, total_steps=epochs * len(loader))
    dice, bce = smp.losses.DiceLoss("binary"), torch.nn.BCEWithLogitsLoss()
    network.train()
    for _ in range(epochs):
        for images, masks in loader:
            optimizer.zero_grad()
            logits = network(images)
            loss = bce(logits, masks) + dice(logits, masks)
            loss.backward()
            optimizer.step()
            schedule.step()
    return network


@torch.inference_mode()
def predict(network: torch.nn.Module, rows: pd.DataFrame, *, size: tuple[int, int]) -> list[np.ndarray]:
    """Return each row's mask, `(H, W) uint8` 0 or 1, at its photo's own size."""
    network.eval()
    masks = []
    for row, (image, _) in zip(rows.to_dict("records"), Resized(rows, size, flips=False), strict=True):
        probability = network(image[None]).sigmoid()[0, 0].numpy()
        own = cv2.resize(probability, (row["width"], row["height"]), interpolation=cv2.INTER_LINEAR)
        masks.append((own >= 0.5).astype(np.uint8))
    return masks


def score(masks: Sequence[np.ndarray], rows: pd.DataFrame) -> pd.DataFrame:
    """Return `image_id, dice, iou` of each row: counted by hand, so that no part of the package judges its rival."""
    scores = []
    for mask, row in zip(masks, rows.to_dict("records"), strict=True):
        truth = read_mask(row["mask"], size=mask.shape)
        both, either = int((mask & truth).sum()), int((mask | truth).sum())
        dice = 2 * both / (both + either) if either else 1.0
        scores.append({"image_id": row["image_id"], "dice": dice, "iou": both / either if either else 1.0})
    return pd.DataFrame(scores)
