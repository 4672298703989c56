"""How a submission is shaped: the rules it is written and read by, and the classes that have a row each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from maskfold import files
from maskfold.data.source import Source
from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Rules
from maskfold.runs.ensemble_folder import result_of

SAMPLES = ("sample_submission.csv", "sample_submission.csv.gz")  # what Kaggle calls them


@dataclass(frozen=True)
class Shape:
    """The shape of a submission; the default is the Carvana challenge's.

    Attributes:
        rules: How rows are written.
        classes: The names of several classes, none for one.
    """

    rules: Rules = field(default_factory=Rules)
    classes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"rules": asdict(self.rules), "classes": [*self.classes]}


def shape_of(source: Source) -> Shape:
    """Return the shape that a data set's competition asks for."""
    return Shape(source.rules, source.classes)


def shape_from(rules: Mapping[str, Any] | None, classes: Sequence[str] | None, *, origin: str) -> Shape:
    """Return the shape that plain values give; what is None is the Carvana challenge's.

    Args:
        rules: Arguments of `maskfold.masks.rules.Rules`.
        classes: The names of several classes.
        origin: Where they stand, for the messages.

    Raises:
        MaskfoldError: If they make no sense.
    """
    try:
        shape = Shape(Rules(**(rules or {})), tuple(map(str, classes or ())))
    except MaskfoldError as error:
        raise MaskfoldError(f"{origin}: {error}") from error
    except (TypeError, AttributeError) as error:
        known = ", ".join(one.name for one in fields(Rules))
        raise MaskfoldError(f"{origin}: rules={rules}: there are {known}, and columns holds text.") from error
    if shape.rules.by_class != bool(shape.classes):
        raise MaskfoldError(
            f"{origin}: classes and a column with {{class}} in it belong together. Give both or neither."
        )
    return shape


def shape_written(submission: Path) -> Shape:
    """Return the shape that a submission was written in, by the manifest beside it; the default where nothing says it.

    Raises:
        MaskfoldError: If the manifest cannot be read, or what it says makes no sense.
    """
    path = result_of(submission).manifest
    manifest = files.read_json(path) if path.exists() else {}
    return shape_from(manifest.get("rules"), manifest.get("classes"), origin=str(path))


def sample_of(source: Source) -> Path | None:
    """Return the sample submission of a data set: the one that it names, else the one in its folder, if there is one.

    Raises:
        MaskfoldError: If there is none where it names one.
    """
    if source.sample is None:
        return next((source.root / name for name in SAMPLES if (source.root / name).exists()), None)
    path = source.root / Path(source.sample).expanduser()
    if not path.is_file():
        raise MaskfoldError(
            f"data.sample={source.sample}: {path} is not there. Name the sample submission by a path below data.root "
            f"({source.root}) or an absolute one, or take data.sample=null for the one in data.root, if any."
        )
    return path
