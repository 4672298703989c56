"""What `quality.json` says of the photos that a threshold was chosen by."""

from pathlib import Path

from maskfold.corrections.drift import Promise
from maskfold.errors import MaskfoldError
from maskfold.quality.model import QualityModel


def read_promise(path: Path) -> tuple[Promise, int]:
    """Read what was promised, and of which photos.

    Returns:
        The promise, and where masks are cut: of 255, at or above is object.

    Raises:
        MaskfoldError: If the file cannot be read, or says nothing of its photos.
    """
    model = QualityModel.read(path)
    promise, reference = model.promise, model.reference
    by_money = promise.get("by") == "cost"  # then nothing ships under what might have been promised
    try:
        known = Promise(
            level=float(promise["level"]),
            alpha=float(promise["alpha"]) if promise["granted"] and not by_money else None,
            edges=tuple(map(float, reference["score_edges"])),
            scores=tuple(map(float, reference["score_shares"])),
            clusters={str(name): float(share) for name, share in reference["clusters"].items()},
            held=float(reference["review_share"]),
            held_upper=float(reference["review_share_upper"]),
            photos=int(reference["photos"]),
            by_money=by_money,
        )
        if len(known.scores) != len(known.edges) + 1:
            raise ValueError("score_edges and score_shares do not belong together")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MaskfoldError(
            f"{path}: does not say how its photos were distributed ({error!r}). Run `make quality` again."
        ) from error
    return known, model.cut
