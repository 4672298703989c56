"""The networks of an ensemble, rebuilt from its members' run folders."""

import json
from collections.abc import Sequence

from maskfold.config import build
from maskfold.ensembling.fusion import shares_of_means
from maskfold.ensembling.tree import Leaf
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.members import load_network


def branches_of(members: Sequence[Leaf], *others: Sequence[Leaf]) -> list[Branch]:
    """Return the networks of some trained members, those that are shown a photo in the same way together.

    Args:
        members: As `maskfold.ensembling.fusion.fusible` returns them.
        others: Those of further means, as `fusible_means` returns them; networks that are in these alone come as well.

    Raises:
        MaskfoldError: If a checkpoint is missing, damaged, or its network cannot be rebuilt.
    """
    alike: dict[str, Branch] = {}
    for run, (share, *further), member in shares_of_means([members, *others]):
        trained = run.read_config()
        preparation = json.dumps([trained["geometry"], trained["preprocess"]], sort_keys=True)
        if preparation not in alike:
            alike[preparation] = Branch(build(run.part("geometry")), build(run.part("preprocess")), [])
        alike[preparation].voters.append(Voter(load_network(run.best), trained["tta"], share, member, (*further,)))
    return [*alike.values()]
