"""The layout of `submissions/`: what is made of an ensemble, and where."""

from pathlib import Path

REPORT = "report.html"  # of an ensemble, or of a member


class ResultFolder:
    """What the `ensemble` stage leaves of one split, and the names of it.

    Attributes:
        path: The folder.
        submission: A mask of every image.
        scores: A row an image.
        answers: Of recognisers: their mean probabilities.
        manifest: What it was made of; the last thing written.
        parts: Finished work of a merge that goes on; gone when it has ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.submission = path / "submission.csv.gz"
        self.scores = path / "scores.parquet"
        self.answers = path / "answers"
        self.manifest = path / "manifest.json"
        self.parts = path / "parts"


class QualityFolder:
    """What the `quality` stage leaves, and the names of it.

    Attributes:
        path: The folder.
        model: What scores one more mask.
        measures: A row a labelled photo: the measures of its out-of-fold map, and its true IoU.
        comparison: A row a predictor.
        page: The page to look at.
        parts: Finished work of a run that goes on; gone when it has ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "quality.json"
        self.measures = path / "measures.parquet"
        self.comparison = path / "predictors.csv"
        self.page = path / "quality.html"
        self.parts = path / "parts"

    def routes(self, split: str) -> Path:
        """Return the table of routes of a split, `oof` or `test`."""
        return (self.path if split == "oof" else self.path / split) / "routes.parquet"


class EnsembleFolder:
    """`submissions/<ensemble>/` and the names of what lies in it.

    The result on the test photos lies in the folder itself, that out of fold in one of its own below.

    Attributes:
        path: The folder.
        test: The result on the test photos.
        oof: The result out of fold.
        fused: The store of maps that were predicted in one pass: of the mean of all networks.
        blend: The fitted weights.
        tune: The chosen thresholds, and rules for empty pictures.
        quality: How good its masks are, without their truth.
        report: The page to look at.
        logs: Those of the campaign that made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.test = ResultFolder(path)
        self.oof = ResultFolder(path / "oof")
        self.fused = path / "fused"
        self.blend = path / "blend.json"
        self.tune = path / "tune.json"
        self.quality = QualityFolder(path / "quality")
        self.report = path / REPORT
        self.logs = path / "campaign"

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def fused_part(self, digest: str) -> Path:
        """Return the store of maps of that pass that are of the mean of some of the networks."""
        return self.path / f"fused_{digest}"

    def result(self, split: str) -> ResultFolder:
        """Return the folder of a split's result, `oof` or `test`."""
        return self.oof if split == "oof" else self.test


def result_of(submission: Path) -> ResultFolder:
    """Return the folder of the result that a submission is part of: the way back from `ResultFolder.submission`."""
    return ResultFolder(submission.parent)


def ensemble_of(submission: Path) -> EnsembleFolder:
    """Return the folder of the ensemble that a submission is of: the way back from `EnsembleFolder.test.submission`."""
    return EnsembleFolder(submission.parent)


def submitted_ensembles(submissions: Path) -> list[EnsembleFolder]:
    """Return the ensembles that have a submission, in the order of their names."""
    folders = (EnsembleFolder(path) for path in sorted(submissions.glob("*/")))
    return [folder for folder in folders if folder.test.submission.exists()]
