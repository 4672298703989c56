"""A model of quality for the masker at hand: one that was learned of other maps would ship what it must not."""

import logging
from pathlib import Path

from maskfold.errors import MaskfoldError
from maskfold.prediction.masker import Masker
from maskfold.quality.model import QualityModel
from maskfold.quality.names import HALF

log = logging.getLogger(__name__)


def read_suited(path: Path | str, masker: Masker, *, text: str | None = None) -> QualityModel:
    """Read a `quality.json` that judges a masker's answers; warn where it was learned from other networks.

    Args:
        path: The file.
        masker: Whose answers it is to judge.
        text: What messages call the file; its path if None.

    Raises:
        MaskfoldError: If it cannot be read; looks at mirror images, of which the masker says nothing; or was learned
            from masks that were cut elsewhere than cut-outs are.
    """
    model, text = QualityModel.read(path), text or str(path)
    if model.wants_mirrored and masker.symmetric:
        raise MaskfoldError(
            f"{text}: its score looks at the mirror image of each photo, and {masker.name} has the same map for both "
            "(tta=hflip, or a file that does not say), so that every mask would seem sure. Train its members with "
            "tta=none and export them again, or learn without: make quality ENS=<name>, mirror=null."
        )
    refuse_other_cut(model, text)
    warn_of_other_networks(model, masker.identity, text)
    return model


def refuse_other_cut(model: QualityModel, text: str) -> None:
    """Refuse a model of masks that were cut elsewhere than cut-outs, the service, review and store cut them.

    Raises:
        MaskfoldError: If it is one.
    """
    if model.cut != HALF:
        raise MaskfoldError(
            f"{text}: learned from masks that were cut at {model.cut} of 255, and cut-outs are cut at {HALF}. Run make "
            "quality again."
        )


def warn_of_other_networks(model: QualityModel, identity: str | None, text: str) -> None:
    """Warn where a model was learned from other networks; where either is not known there is nothing to compare."""
    if None not in (model.masker, identity) and model.masker != identity:
        log.warning(
            "%s was learned from other networks than these (%s and %s): its scores and its promise may not hold. Run "
            "make quality for these.",
            text,
            model.masker,
            identity,
        )
