"""Where the package finds what it brings along: in itself once it is installed, beside `src/` in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[2]
_HOME = _PACKAGE if (_PACKAGE / "conf").is_dir() else _CHECKOUT

CONF = str(_HOME / "conf")
"""The folder of the configuration."""

NOTEBOOK = _HOME / "notebooks" / "error_analysis.ipynb"
"""The error analysis, with an example of what it shows."""


def brought_along(path: str) -> Path:
    """Return a path that a user or a configuration names, relative to the current folder.

    `conf/...` is the package's own where the current folder has no such file: Carvana's splits are named so.
    """
    here, own = Path(path), Path(CONF).parent / path
    return own if here.parts[:1] == ("conf",) and not here.exists() and own.exists() else here
