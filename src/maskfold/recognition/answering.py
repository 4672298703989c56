"""What a network answers of photos, in one pass: logits and embeddings."""

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.recognition.answers import Answers, joined
from maskfold.recognition.dataset import ClassDataset
from maskfold.recognition.framing import Framing
from maskfold.terminal import bar

_KEPT = 5  # answers of a photo


def answer_photos(
    network: Network,
    rows: pd.DataFrame,
    framing: Framing,
    *,
    batch_size: int,
    accelerator: str = "auto",
    num_workers: int | None = None,
    active: np.ndarray | None = None,
    description: str = "photos",
) -> Answers:
    """Return the answers to some photos, the likeliest classes of each, as they are shown in validation.

    Args:
        network: A classifier.
        rows: Of the image table.
        framing: What is shown of a photo.
        batch_size: Photos in one pass.
        accelerator: `cpu`, `gpu`, or `auto` for a GPU where there is one.
        num_workers: Loading processes; None for none.
        active: `(C,) bool`, the classes that may be answered; None for all.
        description: Of the progress bar.

    Raises:
        MaskfoldError: If there are no photos, one cannot be read, or the network answers with what is no number.
    """
    device = torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()
    photos = ClassDataset(rows, framing=framing)
    loader = DataLoader(_Numbered(photos), batch_size=batch_size, num_workers=num_workers or 0)
    parts, ids = [], rows["image_id"].tolist()
    with torch.inference_mode(), bar(description, total=len(rows), unit="photos", leave=False) as progress:
        for batch in loader:
            logits, embeddings = (part.float().cpu() for part in network.answer(batch["image"].to(device)))
            first = progress.n
            if not (torch.isfinite(logits).all() and torch.isfinite(embeddings).all()):
                raise MaskfoldError(
                    f"photos {ids[first]} and on: the network answers with what is no number. Train it with "
                    "trainer.precision=32-true, or a smaller rate."
                )
            if active is not None:
                logits[:, ~torch.tensor(active)] = -torch.inf
            part = Answers.of(ids[first : first + len(logits)], logits.numpy(), embeddings.numpy(), kept=_KEPT)
            parts.append(part)
            progress.update(len(logits))
    return joined(parts)


class _Numbered(torch.utils.data.Dataset):
    """Photos by their number, as torch's own loader asks for them."""

    def __init__(self, photos: ClassDataset) -> None:
        self.photos = photos

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.photos[0, index]
