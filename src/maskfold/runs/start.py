"""What a run begins with instead of random weights: the network of another run, and all that it has seen."""

from dataclasses import dataclass, replace
from pathlib import Path

from maskfold.errors import MaskfoldError, listing
from maskfold.runs.layout import MemberFolder
from maskfold.runs.lineage import Lineage, read_lineage
from maskfold.runs.run_folder import RunFolder, run_of_checkpoint


@dataclass(frozen=True)
class Start:
    """A checkpoint to begin with.

    Attributes:
        checkpoint: The file.
        lineage: Where the knowledge of its run comes from.
        key: What messages call it: the key that names it.
    """

    checkpoint: Path
    lineage: Lineage
    key: str = "start_from"

    @property
    def folder(self) -> Path:
        """That of its run."""
        return run_of_checkpoint(self.checkpoint).path

    def handed_on(self, own: Lineage) -> Lineage:
        """Return the lineage of a run that begins with this one's weights.

        Ids and groups count whatever the data is called, as wherever a lineage is asked: the same photos may have been
        written anew, with other contents, under another name of the data.

        Args:
            own: What the run itself will see.

        Raises:
            MaskfoldError: If the checkpoint's network has seen what the run is validated on.
        """
        seen = {*self.lineage.seen}
        leaking = sorted(seen & {*own.held_out})
        if leaking:
            raise MaskfoldError(
                f"{self.key}: the network of {self.checkpoint} has learned from {len(leaking)} photos and groups that "
                f"this fold is validated on:\n{listing(leaking, 5)}\n"
                "Every score out of fold would be of photos that it knows. Begin each fold with the run of the same "
                f"fold and split ({self.key}=experiments/<member> takes that), or with a run on other photos. Photos "
                "that are others and only have the same ids or groups count as the same: rename the files, or choose "
                "other groups, before the split is written."
            )
        return replace(own, round=max(own.round, self.lineage.round), seen=tuple(sorted({*own.seen, *seen})))


def find_start(start_from: str | None, *, fold: int, key: str = "start_from") -> Start | None:
    """Return what `start_from`, or another key, names; None if it names nothing.

    Args:
        start_from: A run folder, whose best checkpoint is meant; a member's folder, whose run of `fold` is; or a
            checkpoint in a run folder.
        fold: That of the run which begins with it.
        key: The key.

    Raises:
        MaskfoldError: If there is none, its run is not finished, or nobody knows what it has seen.
    """
    if not start_from:
        return None
    path = Path(start_from)
    if path.is_file():
        return Start(path, read_lineage(run_of_checkpoint(path).path), key)
    run = RunFolder(path) if RunFolder(path).config.is_file() else MemberFolder(path).run(fold)
    if not run.best.is_file():
        raise MaskfoldError(
            f"{key}={start_from}: neither a checkpoint nor the folder of a run ({run.best} is missing). Name a "
            "run's folder, such as experiments/linknet34/fold0, or one of its checkpoints."
        )
    if not run.finished.exists():
        raise MaskfoldError(
            f"{key}={start_from}: {run.path} is not finished. Finish it first; or name its checkpoint to begin "
            f"with it as it is: {key}={run.best}."
        )
    return Start(run.best, read_lineage(run.path), key)
