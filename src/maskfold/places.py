"""Where the package finds what it brings along: in itself once it is installed, beside `src/` in a checkout."""

from pathlib import Path

FULL = "full"  # instead of a fold's number, and its folder's name: trained on all photos, with none to be judged by

_PACKAGE = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[2]
_HOME = _PACKAGE if (_PACKAGE / "conf").is_dir() else _CHECKOUT

CONF = str(_HOME / "conf")
"""The folder of the configuration."""

OWN_CONF = Path("conf")
"""Where a user's own options lie, in the current folder: behind those of `CONF`, and in a checkout the same folder."""

OWN = "own"
"""What Hydra calls that folder."""

NOTEBOOK = _HOME / "notebooks" / "error_analysis.ipynb"
"""The error analysis, with an example of what it shows."""

RECOGNITION_NOTEBOOK = _HOME / "notebooks" / "recognition_errors.ipynb"
"""The same of a recogniser."""


def has_own_conf() -> bool:
    """Return whether there are options of the user's own in the current folder, beside those of the package."""
    return OWN_CONF.is_dir() and not OWN_CONF.samefile(CONF)


def brought_along(path: str) -> Path:
    """Return a path that a user or a configuration names, relative to the current folder.

    `conf/...` is the package's own where the current folder has no such file: Carvana's splits are named so.
    """
    here, own = Path(path), Path(CONF).parent / path
    return own if here.parts[:1] == ("conf",) and not here.exists() and own.exists() else here
