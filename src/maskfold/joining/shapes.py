"""Which column of a table names photos, which holds run lengths and which a class: by their contents."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from maskfold.errors import MaskfoldError, listing
from maskfold.joining.guesses import Question, Unclear
from maskfold.joining.naming import Form, Named, Naming, Photos, naming_of
from maskfold.masks.rules import Rules

_RUNS = re.compile(r"(?:\s*[0-9]+\s+[0-9]+)+\s*", re.ASCII)
_COUNTING = re.compile(r"[0-9.]+", re.ASCII)  # a number alone says how many or which, and is no token
_USUAL = re.compile("rle|encod|pixel|mask|segment|predict|annotation|runs", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(?:jpe?g|png|tiff?|gif|bmp|webp|npy)(?=$|[_\-:. ])", re.IGNORECASE)
_LOOKED_AT = 1000  # cells of a column, to tell what it is


@dataclass(frozen=True)
class TableShape:
    """What the columns of a table hold.

    Attributes:
        columns: The header with what stands below each name, as `maskfold.masks.rules.Rules` takes it; columns of a
            training table that say nothing of masks are left out.
        rows: `photo` (without suffix; missing if there is no such photo), `label` and `runs`, all text.
        classes: In their own order: by number if they are numbers, else as they first appear; none for one class.
        reasons: Why each column is what it is, by its name.
    """

    columns: dict[str, str]
    rows: pd.DataFrame
    classes: tuple[str, ...]
    reasons: dict[str, str]


def read_text(path: Path) -> pd.DataFrame:
    """Read a CSV file, every cell as the text that stands there.

    Raises:
        MaskfoldError: If it is no such file, or has no rows.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{path}: not a readable CSV file ({error}). Name the right one.") from error
    if table.empty or len(table.columns) < 2:
        size = f"{len(table)} rows of {len(table.columns)} columns"
        raise MaskfoldError(f"{path}: {size}; at least one of two is needed. Name the right file.")
    return table


def is_runs(cell: str) -> bool:
    """Tell whether a cell holds pairs of whole numbers."""
    return _RUNS.fullmatch(cell) is not None


def shape_of_sample(table: pd.DataFrame, photos: Photos, *, file: Path, like: TableShape | None = None) -> TableShape:
    """Return the shape of a sample submission, every column of which has to be understood.

    Args:
        table: As `read_text` returns it.
        photos: The test photos; where there are none, names are told by their look alone.
        file: For messages.
        like: That of the training table, for what the names' look does not tell.

    Raises:
        Unclear: If a column could be several things, or none.
    """
    name, naming = _photo_column(table, photos, file=file, like=like)
    rest = [column for column in table if column != name]
    runs = _runs_column(table, rest, file=file)
    columns, reasons = {}, {name: _naming_reason(naming, photos)}
    columns[name] = naming.form.template
    labels = [cell.label for cell in naming.cells]
    for column in (column for column in rest if column != runs):
        values = table[column]
        if values.nunique() == 1 and "{" not in values.iloc[0]:
            columns[column], reasons[column] = values.iloc[0], "the same in every row"
        elif not naming.form.label and "{class}" not in columns.values() and _in_every_photo(naming, values):
            columns[column], labels = "{class}", [*values]
            reasons[column] = f"{values.nunique()} values, each once for every photo"
        else:
            raise _unclear_columns(file, table, f"what its column {column} holds")
    columns[runs], reasons[runs] = "{runs}", _runs_reason(table[runs])
    return _shape(table, naming, labels, {column: columns[column] for column in table}, reasons, runs)


def shape_of_train(table: pd.DataFrame, photos: Photos, *, file: Path, classes: Sequence[str]) -> TableShape | None:
    """Return the shape of a training table; None if it holds no run lengths.

    Args:
        table: As `read_text` returns it.
        photos: The train photos.
        file: For messages.
        classes: Those of the sample, by which a column of classes is known.

    Raises:
        Unclear: If no column names the photos, or several could hold the runs.
    """
    holding = [column for column in table if _may_hold_runs(table[column]) and any(map(is_runs, table[column]))]
    if not holding:
        return None
    name, naming = _photo_column(table, photos, file=file)
    runs = _runs_column(table, [column for column in holding if column != name], file=file)
    columns, labels = {name: naming.form.template}, [cell.label for cell in naming.cells]
    reasons = {name: _naming_reason(naming, photos)}
    for column in (column for column in table if column not in (name, runs)):
        if classes and not naming.form.label and "{class}" not in columns.values() and {*table[column]} <= {*classes}:
            columns[column], labels = "{class}", [*table[column]]
            reasons[column] = "holds classes of the sample"
    columns[runs], reasons[runs] = "{runs}", _runs_reason(table[runs])
    if classes and not any(labels):
        raise Unclear(
            Question(
                f"{file}: the sample has the classes {', '.join(classes)}, and no column here says which class a row "
                "is of.",
                "masks=<folder or .json> for masks that are not in this table, or give the table such a column",
            )
        )
    return _shape(table, naming, labels, columns, reasons, runs)


def shape_by_columns(
    table: pd.DataFrame, columns: Mapping[str, str], classes: Sequence[str], *, file: Path
) -> TableShape:
    """Return the shape of a sample whose columns the user names.

    Args:
        table: As `read_text` returns it.
        columns: The header with what stands below each name.
        classes: What tells a joined class from its photo's name.
        file: For messages.

    Raises:
        MaskfoldError: If they are no columns, or not those of the table.
    """
    rules = Rules(columns=columns)
    if rules.header != tuple(table.columns):
        raise MaskfoldError(f"columns={dict(columns)}: {file} has {', '.join(table.columns)}, in this order.")
    try:
        cells = [rules.read(row, classes) for row in table.itertuples(index=False, name=None)]
    except MaskfoldError as error:
        raise MaskfoldError(f"{file}: {error}. Mend columns=, or name the classes with classes=[...].") from error
    naming = Naming(Form("", "{file}", ""), [Named(PurePath(cell.photo).stem, cell.label) for cell in cells])
    runs = next(name for name, template in columns.items() if template == "{runs}")
    reasons = dict.fromkeys(columns, "the command")
    return _shape(table, naming, [cell.label for cell in cells], dict(columns), reasons, runs)


def _shape(
    table: pd.DataFrame, naming: Naming, labels: list[str], columns: dict[str, str], reasons: dict[str, str], runs: str
) -> TableShape:
    rows = pd.DataFrame({"photo": [cell.photo for cell in naming.cells], "label": labels, "runs": [*table[runs]]})
    distinct = [label for label in dict.fromkeys(labels) if label]
    if all(label.isdecimal() for label in distinct):
        distinct.sort(key=int)
    if len(distinct) == 1:  # one class that has a name is text like any other
        columns = {column: text.replace("{class}", distinct[0]) for column, text in columns.items()}
        distinct = []
    return TableShape(columns, rows, tuple(distinct), reasons)


def _photo_column(
    table: pd.DataFrame, photos: Photos, *, file: Path, like: TableShape | None = None
) -> tuple[str, Naming]:
    """Return the column that names photos, and how."""
    if not photos.stems:
        return _by_look(table, file=file, like=like)
    namings = {}
    for column in table:
        naming = naming_of([*table[column]], photos, lambda naming, own=column: _sensible(naming, table, own))
        if naming is not None:
            namings[column] = naming
    if not namings:
        known = listing([*photos.stems.values()], 3)
        raise Unclear(
            Question(
                f"{file}: no column names photos. Its first row is {', '.join(map(repr, _short(table.iloc[0])))}, and "
                f"the photos are\n{known}",
                "images= and test= that hold the photos of these tables",
            )
        )
    return max(namings.items(), key=lambda item: item[1].known)


def _sensible(naming: Naming, table: pd.DataFrame, own: str) -> bool:
    """Tell whether a naming goes with the table: what is joined to the names is one of a few classes."""
    if not naming.form.label:
        return True
    labels = {cell.label for cell in naming.cells if cell.photo is not None}
    return len(labels) <= 1000 and len({(cell.photo, cell.label) for cell in naming.cells}) > len(labels)


def _by_look(table: pd.DataFrame, *, file: Path, like: TableShape | None) -> tuple[str, Naming]:
    """Tell names of photos by their look, where there are no photos to compare them with."""
    runs = _runs_column(table, [*table], file=file)
    names = [column for column in table if column != runs and table[column].nunique() > 1]
    name = next((column for column in names if like is not None and column in like.columns), names[0] if names else "")
    cells = [*table[name]] if name else []
    if like is not None and name in like.columns and "{class}" not in like.columns[name]:
        form = _plain_form(like.columns[name])
    elif cells and all(len(_SUFFIX.findall(cell)) == 1 for cell in cells):
        return name, _by_suffix(cells)
    else:
        subject = f"{file}: without the test photos nobody can tell what its names are made of"
        raise Unclear(
            Question(f"{subject}, such as {cells[0] if cells else ''!r}.", "test=<folder of the test photos>")
        )
    known = Photos([_file_of(form, cell) for cell in cells])
    return name, Naming(form, [form.read(cell, known) for cell in cells])


def _plain_form(template: str) -> Form:
    field = "{file}" if "{file}" in template else "{image_id}"
    before, after = template.split(field)
    return Form(before, field, after)


def _file_of(form: Form, cell: str) -> str:
    name = cell.removeprefix(form.before).removesuffix(form.after)
    return name if form.field == "{file}" else f"{name}.png"


def _by_suffix(cells: Sequence[str]) -> Naming:
    """Read cells that all have a picture's suffix in them: what stands behind it is a class."""
    ends = [next(_SUFFIX.finditer(cell)).end() for cell in cells]
    tails = {cell[end : end + 1] for cell, end in zip(cells, ends, strict=True)}
    between = tails.pop() if len(tails) == 1 else ""
    form = Form("", "{file}", between, "last" if between else "")
    photos = [PurePath(cell[:end]).stem for cell, end in zip(cells, ends, strict=True)]
    labels = [cell[end + len(between) :] for cell, end in zip(cells, ends, strict=True)]
    return Naming(form, [Named(photo, label) for photo, label in zip(photos, labels, strict=True)])


def _in_every_photo(naming: Naming, values: pd.Series) -> bool:
    """Tell whether every photo has a row for each of a column's values, as a sample has for classes."""
    of_photo: dict[str | None, list[str]] = defaultdict(list)
    for cell, value in zip(naming.cells, values, strict=True):
        of_photo[cell.photo].append(value)
    expected = sorted(values.unique())
    return len(expected) > 1 and all(sorted(labels) == expected for labels in of_photo.values())


def _may_hold_runs(column: pd.Series) -> bool:
    """Tell whether cells are runs, or one text that stands for none."""
    cells = [cell.strip() for cell in column.iloc[:_LOOKED_AT]]
    tokens = {cell for cell in cells if cell and not is_runs(cell)}
    return len(tokens) <= 1 and not any(_COUNTING.fullmatch(token) or _SUFFIX.search(token) for token in tokens)


def _runs_column(table: pd.DataFrame, among: Sequence[str], *, file: Path) -> str:
    """Return the column that holds runs, among some."""
    possible = [column for column in among if _may_hold_runs(table[column])]
    certain = [column for column in possible if any(map(is_runs, table[column].iloc[:_LOOKED_AT]))]
    usual = [column for column in certain or possible if _USUAL.search(column)]
    choice = usual or certain or possible
    if len(choice) == 1:
        return choice[0]
    raise _unclear_columns(file, table, "which column holds the run lengths")


def _unclear_columns(file: Path, table: pd.DataFrame, what: str) -> Unclear:
    first = ", ".join(f"{column}={cell!r}" for column, cell in zip(table, _short(table.iloc[0]), strict=True))
    example = "{" + ", ".join(f"{column}: ..." for column in table) + "}"
    return Unclear(
        Question(
            f"{file}: cannot tell {what}. Its first row is {first}.",
            f"\"columns='{example}'\", with {{file}} or {{image_id}}, {{class}} and {{runs}} in their places",
        )
    )


def _short(cells: pd.Series) -> list[str]:
    return [cell[:40] for cell in cells]


def _naming_reason(naming: Naming, photos: Photos) -> str:
    words = {"{file}": "file names", "{image_id}": "names without suffix"}
    kind = words[naming.form.field] + (", each with a class" if naming.form.label else "")
    if not photos.stems:
        return f"look like {kind}"
    return f"{naming.known} of {len(naming.cells)} cells are {kind} of photos that are there"


def _runs_reason(cells: pd.Series) -> str:
    counted = sum(map(is_runs, cells))
    return f"{counted} of {len(cells)} cells are pairs of numbers, the others say there is no mask"
