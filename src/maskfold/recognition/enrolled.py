"""A checkpoint with the rows of new products in its head, and nothing else changed."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from maskfold.engine.task import NETWORK
from maskfold.errors import MaskfoldError
from maskfold.recognition.enrolment import ROWS, HeadRows
from maskfold.recognition.prototypes import Prototypes

HEAD = f"{NETWORK}model.head."
_SCALE = 16.0  # of cosines, where the head of before has none


def rows_of_head(checkpoint: dict[str, Any]) -> Prototypes | None:
    """Return the unit rows of a checkpoint's cosine head, and its centre; None of another head.

    Raises:
        MaskfoldError: If it has no head with a row for each class.
    """
    state = checkpoint["state_dict"]
    if f"{HEAD}weight" not in state:
        raise MaskfoldError("enroll: this network has no head with a row for each product; it is no recogniser.")
    if f"{HEAD}centre" not in state:
        return None
    rows = functional.normalize(state[f"{HEAD}weight"].float(), dim=1).numpy()
    return Prototypes(rows, np.arange(len(rows)), state[f"{HEAD}centre"].float().numpy())


def with_rows(checkpoint: dict[str, Any], head: HeadRows, *, old: np.ndarray) -> dict[str, Any]:
    """Return a checkpoint whose head has a row for each class of `head`.

    Rows of the network's own stay as they are, byte by byte; a new one is as long as they are on average.

    Args:
        checkpoint: Of the network that they join.
        head: What its rows are to be.
        old: `(C,) bool`, which of all classes the network has learned.

    Raises:
        MaskfoldError: If `head` has not one row for each class, in their order.
    """
    if not np.array_equal(head.rows.classes, np.arange(len(old))):
        bare = np.setdiff1d(np.arange(len(old)), head.rows.classes).tolist()
        raise MaskfoldError(
            f"enroll: the head would have {len(head.rows)} rows for {len(old)} classes"
            f"{f', none for number {bare[0]}' if bare else ', not in their order'}, so that outputs would stand for "
            "other products. Please report this."
        )
    state = dict(checkpoint["state_dict"])
    weight, rows = state[f"{HEAD}weight"], torch.from_numpy(head.rows.matrix)
    rows = rows.to(weight) * weight.norm(dim=1).mean()
    if head.way == ROWS:
        kept = torch.from_numpy(np.flatnonzero(old))
        rows[kept] = weight[kept]
    state[f"{HEAD}weight"] = rows
    state[f"{HEAD}gain"] = torch.from_numpy(head.gain)
    state[f"{HEAD}centre"] = torch.from_numpy(head.rows.centre)
    state.setdefault(f"{HEAD}scale", torch.tensor(_SCALE))
    state.setdefault(f"{HEAD}seen", torch.ones(()))
    state.pop(f"{HEAD}bias", None)  # a linear head's: a cosine head has none
    construction = checkpoint["construction"] | {"classes": len(rows), "head": "cosine"}
    return checkpoint | {"state_dict": state, "construction": construction}
