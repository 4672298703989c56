"""Where the maps of one pass lie: a store of the mean of all networks, and one of each other mean that is looked at."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from maskfold.ensembling.fusion import fused_ingredients, fused_origin, fusible_means, refuse_other_networks
from maskfold.ensembling.manifest import ingredients, store_origin
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import Leaf, leaves, tree_digest
from maskfold.runs.ensemble_folder import EnsembleFolder


class FusedStores:
    """The stores of an ensemble that is predicted in one pass, and whose mean each has.

    Means of the same networks with the same shares have one store, however their trees are written.

    Args:
        recipe: The ensemble.
        folder: Its folder.

    Attributes:
        folders: Those of the stores, first the one of the mean of all.
    """

    def __init__(self, recipe: Recipe, folder: EnsembleFolder) -> None:
        self.recipe, self._folder, self._whole = recipe, folder, tree_digest(recipe.members)
        self.folders = [*dict.fromkeys(map(self._of, recipe.trees))]

    def _of(self, members: Sequence[dict[str, Any]]) -> Path:
        digest = tree_digest(members)
        return self._folder.fused if digest == self._whole else self._folder.fused_part(digest)

    def leaves(self, members: Sequence[dict[str, Any]]) -> list[Leaf]:
        """Return the store of the mean of a tree, which is one of `Recipe.trees`, as the only leaf."""
        store = self._of(members)
        return [Leaf(store.name, Fraction(1), (store,))]

    @property
    def every_leaf(self) -> list[Leaf]:
        """All stores."""
        return [leaf for tree in self.recipe.trees for leaf in self.leaves(tree)]

    def networks(self, experiments: Path) -> dict[Path, list[Leaf]]:
        """Return for each store the trained leaves of its mean.

        Raises:
            MaskfoldError: As `maskfold.ensembling.fusion.fusible_means`.
        """
        means = fusible_means(self.recipe, split="test", experiments=experiments)
        return {self._of(tree): mean for tree, mean in zip(self.recipe.trees, means, strict=True)}

    def refuse_others(self, data: str, classes: Sequence[str], *, experiments: Path) -> None:
        """Refuse stores whose maps come from other networks, weights or photos than they would now.

        Args:
            data: The fingerprint of the photos.
            classes: Of the data: the names of several classes, none for one.
            experiments: The folder of run folders.

        Raises:
            MaskfoldError: If they do, or one has no maps; as `networks`.
        """
        for folder, members in self.networks(experiments).items():
            refuse_other_networks(folder, fused_origin(members, data, classes))


def leaves_of_passes(
    recipe: Recipe, *, split: str, experiments: Path, fused: FusedStores | None = None
) -> tuple[list[Leaf], list[Leaf]]:
    """Return the leaves whose maps an ensemble's usual pass averages, and those that its repair does.

    Args:
        recipe: The ensemble.
        split: `oof` or `test`.
        experiments: The folder of run folders.
        fused: The stores of maps that were predicted in one pass, to take those instead of the members' own.

    Raises:
        MaskfoldError: As `maskfold.ensembling.tree.leaves`.
    """
    if fused is not None:
        usual, repair = (fused.leaves(members) for members in _averaged(recipe))
    else:
        usual, repair = (
            leaves(one.members, split=split, experiments=experiments, mean=recipe.mean) for one in recipe.passes
        )
    return usual, repair


def ingredients_of_passes(
    recipe: Recipe, *, split: str, experiments: Path, fused: FusedStores | None = None
) -> list[list[dict[str, Any]]]:
    """Return what the maps of the two passes are made of, see `maskfold.ensembling.manifest.ingredients`.

    Maps that were predicted in one pass are those of their networks, as if each had maps of its own.

    Args:
        recipe: The ensemble.
        split: `oof` or `test`.
        experiments: The folder of run folders.
        fused: As for `leaves_of_passes`; `FusedStores.refuse_others` has let them pass.

    Raises:
        MaskfoldError: As `leaves_of_passes`, or as `FusedStores.networks`.
    """
    passes = leaves_of_passes(recipe, split=split, experiments=experiments, fused=fused)
    if fused is None:
        return [ingredients(one) for one in passes]
    trained = fused.networks(experiments)
    stores = [one.stores[0] for (one,) in passes]
    return [fused_ingredients(trained[store], store_origin(store)) for store in stores]


def _averaged(recipe: Recipe) -> list[Sequence[dict[str, Any]]]:
    """Return the trees of the two passes; a repair of no image averages what all do."""
    return [recipe.members, recipe.passes.repair.members if recipe.repair.worst else recipe.members]
