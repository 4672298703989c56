"""What every data set says of itself, wherever its image table comes from: its name, classes, metric and rules."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.data.annotations import annotate
from maskfold.data.classes import classes_of
from maskfold.data.headers import MOST_PIXELS
from maskfold.data.loading import STORED_SUFFIXES, SUFFIXES
from maskfold.data.table import check, examine
from maskfold.data.task import SEGMENTATION
from maskfold.errors import MaskfoldError
from maskfold.files import check_inside, is_file_name
from maskfold.masks.rules import Rules
from maskfold.masks.scoring import weight_column
from maskfold.storage import is_address

# How a submission of several classes is written where the data does not say it.
ROW_BY_CLASS = {"img": "{file}", "class": "{class}", "rle_mask": "{runs}"}


class Source(ABC):
    """A data set: its name, its photos, and how strict to be with them.

    Attributes:
        root: The folder that holds the photos.
        name: What messages and folders call the data set.
        classes: The names of several classes, whose masks are `(C, H, W)`; empty for one class, `(H, W)`.
        exclusive: Whether the classes never overlap.
        channels: Of a photo; None for RGB of 8 bits.
        metric: What scores are by: a name of `maskfold.masks.metrics.METRICS_BY_NAME`, or that of a function.
        rules: How a submission is written.
        sample: The competition's sample submission as it is named: below `root`, or absolute; None for the usual name.
        competition: Its name in Kaggle's addresses, if there is one.
        takes_addresses: Whether `root` may be an address.
        task: What its labels are for, `segmentation` or `recognition`.
        pieces: Folders and files of it that are needed, each a zip at Kaggle; none for all it has.
        left_out: Ids of photos that its split knows and `load` has left out: of later months, of retired products.
    """

    pieces: tuple[str, ...] = ()
    takes_addresses = False
    task = SEGMENTATION
    left_out: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        root: str,
        name: str | None = None,
        classes: Sequence[str] | None = None,
        exclusive: bool = False,
        channels: int | None = None,
        metric: str = "dice",
        submission: Mapping[str, Any] | None = None,
        sample: str | None = None,
        competition: str | None = None,
        on_error: str = "raise",
        resize_masks: bool = False,
        max_pixels: int = 100_000_000,
    ):
        """Look at nothing yet.

        Args:
            root: The folder.
            name: The root folder's unless given.
            classes: As the attribute.
            exclusive: As the attribute.
            channels: As the attribute.
            metric: As the attribute.
            submission: Arguments of `maskfold.masks.rules.Rules`; None for the Carvana challenge's, with a row and a
                column more for each of several classes.
            sample: As the attribute.
            competition: As the attribute.
            on_error: See `maskfold.data.table.check`, as the next two.
            resize_masks: Whether to accept masks of another size.
            max_pixels: The most pixels of a photo or mask.

        Raises:
            MaskfoldError: If the name, which is the root folder's unless given, cannot be a folder's, `max_pixels`
                is out of range, or what is said of classes, channels or the submission makes no sense.
        """
        if not is_file_name(root):
            raise MaskfoldError(f"data.root={root!r}: the folder's name is not UTF-8, or has a line break. Rename it.")
        if is_address(root) and not self.takes_addresses:
            raise MaskfoldError(
                f"data.root={root}: photos are learned from in a folder. Copy them to one, as `aws s3 sync` does; a "
                "store may be an address: data=store."
            )
        if type(max_pixels) is not int or not 1 <= max_pixels <= MOST_PIXELS:
            raise MaskfoldError(f"data.max_pixels={max_pixels}: give a whole number from 1 to {MOST_PIXELS}.")
        self.root = Path(root).expanduser()
        self.name = self.root.resolve().name if name is None else str(name)
        if "/" in check_inside(self.name, what="data.name"):
            raise MaskfoldError(f"data.name={self.name}: give a plain name, which becomes a folder in data/.")
        self.classes = _check_classes(classes)
        if not isinstance(exclusive, bool):
            raise MaskfoldError(f"data.exclusive={exclusive!r}: give true or false.")
        self.exclusive = exclusive and bool(self.classes)  # one class has nothing to overlap with
        if channels is not None and (type(channels) is not int or channels < 1):
            raise MaskfoldError(f"data.channels={channels}: give a whole number, or null for RGB of 8 bits.")
        self.channels = channels
        self._suffixes = SUFFIXES if channels is None else STORED_SUFFIXES  # of photos
        self.metric = metric
        self.rules = _rules_of(submission if submission or not self.classes else {"columns": ROW_BY_CLASS})
        if self.rules.by_class and not self.classes:
            raise MaskfoldError("data.submission has {class} in a column, and data.classes names no classes.")
        if self.classes and not self.rules.by_class:
            raise MaskfoldError(
                "data.classes names several classes, and no column of data.submission has {class} in it, as in "
                '{id: "{image_id}_{class}", rle: "{runs}"}.'
            )
        self.sample = sample
        self.competition = competition
        self._on_error = on_error
        self._resize_masks = resize_masks
        self._max_pixels = max_pixels

    @property
    def order_of_labels(self) -> str | None:
        """How the pixels of training masks are numbered, `rows` or `columns`; None where they are no run lengths."""
        return None

    @property
    def outputs(self) -> int:
        """How many classes a network answers for."""
        return max(len(self.classes), 1)

    def said(self) -> dict[str, Any]:
        """Return what the data says of itself that a task does not take for granted, as arguments of its parts."""
        usual = {"channels": None, "classes": (), "exclusive": False, "metric": "dice"}
        own = {name: getattr(self, name) for name in usual}
        return {name: value for name, value in own.items() if value != usual[name]}

    def prepare_classes(self, table: pd.DataFrame) -> None:  # noqa: B027, most data have none
        """Number the labels of a checked table that have no number yet; masks have none."""

    def refuse_other_classes(self, folder: Path) -> None:  # noqa: B027, likewise
        """Refuse to go on with the network of a run whose classes have other numbers; masks have none.

        Args:
            folder: The run's.
        """

    def fetch(self) -> str | None:
        """Fetch the data anew from where it comes from, and say what came; None where there is nothing to fetch."""
        return None

    def leave(self, folder: Path) -> None:  # noqa: B027, likewise
        """Leave in a run's folder what its network's answers are counted by; nothing by default."""

    @property
    def folder(self) -> Path:
        """The folder for what is written about this data set: its split, its checks."""
        return Path("data") / self.name

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """Return the image table as the folders have it; no photo has been opened, so sizes are still missing.

        `attrs[STRAYS]` may list what lies there and cannot be one of its images, for the check to report.
        """

    def prepared(self, *, jobs: int = -1) -> pd.DataFrame:
        """Return the table for the check, with whatever it names made: a source whose masks are no pictures makes them.

        Args:
            jobs: Processes; -1 is one per core.
        """
        return self.table()

    def load(self, *, needs_masks: bool = True, jobs: int = -1) -> pd.DataFrame:
        """Return the image table that all stages work on: checked, and as `annotate` has it.

        Args:
            needs_masks: As for `as_found`.
            jobs: Likewise.

        Raises:
            MaskfoldError: As `as_found` and `annotate`.
        """
        table = self.as_found(needs_masks=needs_masks, jobs=jobs)
        return annotate(table, self.folder, left_out=self.left_out)

    def as_found(self, *, needs_masks: bool = True, jobs: int = -1) -> pd.DataFrame:
        """Return the checked image table as the files have it; `maskfold.data.table.validate` names its columns.

        Args:
            needs_masks: Whether a train photo without a mask is a problem, as it is for segmentation.
            jobs: Processes that look at the files which were not looked at before; -1 is one per core.

        Raises:
            MaskfoldError: If folders or files are missing, or photos have problems and `on_error` is `raise`.
        """
        return check(
            self.prepared(jobs=jobs),
            name=f"data {self.name} ({self.root})",
            on_error=self._on_error,
            needs_masks=needs_masks,
            jobs=jobs,
            **self._ways_to_look(),
        )

    def examined(self, *, jobs: int = -1) -> pd.DataFrame:
        """Return every row of the image table, also those that `as_found` refuses or leaves out, and what is wrong.

        Args:
            jobs: As for `as_found`.

        Returns:
            See `maskfold.data.table.examine`.

        Raises:
            MaskfoldError: If folders or files are missing.
        """
        needs_masks = self.task == SEGMENTATION
        return examine(self.prepared(jobs=jobs), needs_masks=needs_masks, jobs=jobs, **self._ways_to_look())

    def _ways_to_look(self) -> dict[str, Any]:
        return {
            "resize_masks": self._resize_masks,
            "max_pixels": self._max_pixels,
            "channels": self.channels,
            "cache": self.folder / "checked.parquet",
        }


def _rules_of(submission: Mapping[str, Any] | None) -> Rules:
    """Return the rules that a configuration's `data.submission` gives.

    Raises:
        MaskfoldError: If a key or a value is none of theirs.
    """
    try:
        return Rules(**(submission or {}))
    except (TypeError, AttributeError) as error:
        known = ", ".join(field.name for field in fields(Rules))
        raise MaskfoldError(f"data.submission={submission}: there are {known}, and columns holds text.") from error
    except MaskfoldError as error:
        raise MaskfoldError(f"data.submission: {error}") from error


def _check_classes(classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of several classes, none for one."""
    names = classes_of({"classes": classes})
    if len(names) == 1 or len({*names}) < len(names) or not all(is_file_name(name) and name for name in names):
        raise MaskfoldError(f"data.classes={[*names]}: give two names or more, all different, or null for one class.")
    weights = [name for name in names if f".{name}".endswith(weight_column(""))]
    if weights:
        raise MaskfoldError(f"data.classes: {weights[0]} would be taken for the weights of scores. Call it otherwise.")
    return names
