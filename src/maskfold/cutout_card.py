"""Where a batch of cut-outs comes from: the card beside it, of the model that masked its photos and of every file."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from maskfold.cutout.options import CutoutOptions
from maskfold.cutout.record import Entry
from maskfold.export.layout import MODEL
from maskfold.prediction.masker import Masker
from maskfold.runs.provenance import PROVENANCE, Provenance, read_provenance
from maskfold.storage.published import open_model

if TYPE_CHECKING:  # an exported file runs where none of this is installed
    from maskfold.ensembling.recipe import Recipe


def batch_card(
    entries: Iterable[Entry],
    *,
    name: str,
    options: CutoutOptions,
    masker: Masker,
    exported: str | None,
    recipe: "Recipe | None",
) -> Provenance:
    """Return the card of a batch.

    Args:
        entries: Its cut-outs.
        name: What it is called.
        options: How they were made.
        masker: What masked the photos.
        exported: The exported file, whose own card says more; None for the networks of an ensemble.
        recipe: That ensemble.

    Raises:
        MaskfoldError: If the model's card, or a run folder, is damaged.
    """
    model = _model_card(masker, exported) if recipe is None else _networks_card(recipe)
    return Provenance(
        kind="cutouts",
        name=name,
        data=model.data,
        weights=model.weights,
        corrections=model.corrections,
        approver=model.approver,
        files={entry.cutout: entry.sha256 for entry in entries if entry.cutout},
        model={"name": masker.name, "identity": masker.identity, "sha256": getattr(masker, "sha256", None)},
        options=asdict(options),
    )


def _model_card(masker: Masker, exported: str | None) -> Provenance:
    """Return the card beside the exported file that was opened; of one without a card nothing is known."""
    storage = getattr(masker, "storage", None) or open_model(exported or "", file=MODEL)[0]
    return read_provenance(storage) if storage.exists(PROVENANCE) else Provenance(kind="model", name="")


def _networks_card(recipe: "Recipe") -> Provenance:
    from maskfold.corrections.used import networks_card
    from maskfold.maskers import members_of_one_object

    return networks_card(recipe.name, members_of_one_object(recipe))
