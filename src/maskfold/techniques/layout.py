"""The layout of `experiments/techniques/<name>/`: run folders, what predictions took, tables and pictures."""

import numpy as np

from maskfold import files
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.layout import EXPERIMENTS, MemberFolder
from maskfold.techniques.technique import BASE, PREDICT, Technique

FOLDER = "techniques"


class TechniquesFolder:
    """The names of what lies there.

    Attributes:
        path: The folder.
        table: A row a technique.
        smaller: A row a size of ensemble.
        samples: What techniques make of training photos.
        chart: The gains.
        page: All of it.
        timings: What each prediction took, and with which overrides it was made.
    """

    def __init__(self, name: str) -> None:
        self.path = EXPERIMENTS / FOLDER / name
        self.table = self.path / "table.csv"
        self.smaller = self.path / "smaller.csv"
        self.samples = self.path / "samples.jpg"
        self.chart = self.path / "gains.svg"
        self.page = self.path / "README.md"
        self.timings = self.path / "predictions.json"

    def member(self, technique: str, seed: int) -> MemberFolder:
        """Return the member that a technique, or the base, is with a seed."""
        return MemberFolder(self.path / f"{technique}_{seed}")

    def name_of(self, technique: str, seed: int) -> str:
        """Return the member's name, as stages know it."""
        return self.member(technique, seed).path.relative_to(EXPERIMENTS).as_posix()

    def node(self, technique: Technique, seed: int, folds: list[int]) -> dict[str, object]:
        """Return the maps of a technique and a seed as a node of an ensemble; a prediction's are of the base."""
        trained = BASE if technique.kind == PREDICT else technique.name
        return {"experiment": self.name_of(trained, seed), "folds": folds, "store": store_of(technique)}

    def predictions(self) -> dict[str, dict]:
        """Return what each prediction took: `key -> {overrides, photos, seconds}`."""
        return files.read_json(self.timings) if self.timings.exists() else {}

    def note_prediction(self, key: str, overrides: list[str], photos: int, seconds: float) -> None:
        """Add to what a prediction took; other overrides begin anew."""
        notes = self.predictions()
        before = notes.get(key, {})
        if before.get("overrides") != overrides:
            before = {"photos": 0, "seconds": 0.0}
        total = {"photos": before["photos"] + photos, "seconds": before["seconds"] + seconds}
        files.write_json(self.timings, notes | {key: {"overrides": overrides} | total})


def store_of(technique: Technique) -> str:
    """Return the name of a technique's store of maps out of fold."""
    return f"oof_{technique.name}" if technique.kind == PREDICT else "oof"


def writing_time(store: ProbabilityStore, image_ids: set[str]) -> tuple[int, float]:
    """Return how many maps were written after the first of some, and in how many seconds.

    So neither the start of a process nor the loading of a network counts.
    """
    times = np.sort([store.path(image_id).stat().st_mtime for image_id in image_ids])
    return max(len(times) - 1, 0), float(times[-1] - times[0]) if len(times) else 0.0
