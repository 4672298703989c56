"""The layout of `experiments/`: where a member's folds lie, and what is kept of all of them together."""

from pathlib import Path

from maskfold.places import FULL as FULL
from maskfold.runs.run_folder import RunFolder

EXPERIMENTS = Path("experiments")
SUBMISSIONS = Path("submissions")
RESULTS = "results.csv"  # of a member
OWN_PAGE = "local.md"  # of a member, and of all: what was measured here, which git leaves out
OWN_MEMBERS = EXPERIMENTS / OWN_PAGE
LEADERBOARD = EXPERIMENTS / "leaderboard.csv"
LEADERBOARD_CHART = EXPERIMENTS / "leaderboard.png"

Fold = int | str  # a number, or `FULL`

_FOLD = "fold"


class MemberFolder:
    """`experiments/<member>/` and the names of what lies in it.

    Attributes:
        path: The folder.
        card: What is said of the member, with generated blocks: committed.
        published: The out-of-fold scores in its card: committed.
        curve: The learning curve in its card: committed.
        results: Its out-of-fold scores as they were measured here, a row a fold and one of all.
        own_page: The same as a page.
        own_curve: The learning curve in that.
        clusters: The same, a row a cluster and one of all images.
        scores: The same, a row an image.
        classes: Of a recogniser: its scores, a row a class.
        months: The same, a row a month in which classes were added.
        coarse: The same, a row a kind of product.
        confusions: The same, a row a pair of classes that was confused.
        unknown: The same, how well unknown products are refused: a row a fold, kind and score.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.card = path / "README.md"
        self.published = path / "published.csv"
        self.curve = path / "learning_curve.svg"
        self.own_page = path / OWN_PAGE
        self.own_curve = path / "local.svg"
        self.results = path / RESULTS
        self.clusters = path / "clusters.csv"
        self.scores = path / "scores.parquet"
        self.classes = path / "classes.csv"
        self.months = path / "months.csv"
        self.coarse = path / "coarse.csv"
        self.confusions = path / "confusions.csv"
        self.unknown = path / "unknown.csv"

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def run(self, fold: Fold) -> RunFolder:
        """Return the folder of one fold's run, or of that on all photos, which need not be there yet."""
        return RunFolder(self.path / fold_name(fold))

    def runs(self) -> list[RunFolder]:
        """Return the runs that have a folder, in the order of their folds."""
        return [self.run(fold) for fold in self.folds()]

    def folds(self) -> list[int]:
        """Return the numbers of the folds that have a folder, in order; a run on all photos is none of them."""
        names = (path.name.removeprefix(_FOLD) for path in self.path.glob(f"{_FOLD}*"))
        return sorted(map(int, filter(str.isdecimal, names)))

    def begun(self) -> list[RunFolder]:
        """Return the runs that were begun, in the order of their folds."""
        return [run for run in self.runs() if run.config.exists()]

    def holds(self, run: RunFolder) -> bool:
        """Return whether it is a run of this member."""
        return run.path.parent == self.path


def member_folders(experiments: Path) -> list[MemberFolder]:
    """Return the folders that have a card, in the order of their names."""
    folders = (MemberFolder(path) for path in sorted(experiments.glob("*/")))
    return [folder for folder in folders if folder.card.exists()]


def measured_folders(experiments: Path) -> list[MemberFolder]:
    """Return the folders of members that were measured here, in the order of their names."""
    folders = (MemberFolder(path) for path in sorted(experiments.glob("*/")))
    return [folder for folder in folders if folder.results.exists()]


def fold_name(fold: Fold) -> str:
    """Return what a fold is called where it has a folder."""
    return FULL if fold == FULL else f"{_FOLD}{fold}"


def fold_of(run: RunFolder) -> Fold:
    """Return the number of a run's fold, from its folder's name; `FULL` of one on all photos."""
    return FULL if is_full(run) else int(run.path.name.removeprefix(_FOLD))


def is_full(run: RunFolder) -> bool:
    """Return whether a run was trained on all photos: its score is unknown, and it has no maps out of fold."""
    return run.path.name == FULL
