"""segmentation_models_pytorch and timm, imported without the seconds that they would take."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _missing(module: str) -> Iterator[None]:
    """Let the import of a module fail as if it were not installed, unless it has been imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None
    try:
        yield
    finally:
        del sys.modules[module]


with _missing("wandb"):  # timm takes two to four seconds to import it, for summaries that nobody writes here
    import segmentation_models_pytorch as smp
    import timm

__all__ = ["smp", "timm"]
