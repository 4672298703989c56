"""What `quality.json` says of the photos that a threshold was chosen by."""

from pathlib import Path

from maskfold.corrections.drift import Promise
from maskfold.errors import MaskfoldError
from maskfold.quality.model import QualityModel


def read_promise(path: Path) -> Promise:
    """Read what was promised, and of which photos.

    Raises:
        MaskfoldError: If the file cannot be read, or says nothing of its photos.
    """
    model = QualityModel.read(path)
    promise, reference = model.promise, model.reference
    try:
        routes = reference["routes"]
        return Promise(
            level=float(promise["level"]),
            alpha=float(promise["alpha"]) if promise.get("granted") else None,
            edges=tuple(map(float, reference["edges"])),
            scores=tuple(map(float, reference["scores"])),
            clusters={str(name): float(share) for name, share in reference["clusters"].items()},
            review=int(routes["review"]),
            photos=sum(map(int, routes.values())),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MaskfoldError(
            f"{path}: says nothing of how its photos were distributed ({error}). Run `make quality` again."
        ) from error
