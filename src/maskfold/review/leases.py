"""Who has a photo open: one tab at a time, until it closes, stops answering, or another one takes over."""

import time
from collections.abc import Callable

LASTS = 12.0  # seconds without a sign of life; a tab gives one every three


class Leases:
    """Photos that tabs have open; a tab is any text that it calls itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}

    def holder(self, image_id: str) -> str | None:
        """Return the tab that has a photo open; None where none has, or it has been silent for `LASTS` seconds."""
        tab, since = self._held.get(image_id, (None, 0.0))
        return tab if self._clock() - since <= LASTS else None

    def take(self, image_id: str, tab: str, *, over: bool = False) -> bool:
        """Open a photo, or say that it is open still.

        Args:
            image_id: The photo's.
            tab: Who asks.
            over: Take it over from another tab.

        Returns:
            Whether the tab has it now.
        """
        if not over and self.holder(image_id) not in (None, tab):
            return False
        self._held[image_id] = tab, self._clock()
        return True

    def drop(self, image_id: str, tab: str) -> None:
        """Close a photo, if it is this tab that has it."""
        if self._held.get(image_id, ("", 0))[0] == tab:
            del self._held[image_id]
