"""How much the service takes on: bytes, pixels, photos that wait, seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServiceLimits:
    """What is refused before it costs anything.

    Attributes:
        max_bytes: Of a photo's file.
        max_pixels: Of a photo, by its header.
        queue: Photos that wait or are worked on; one more is answered with 503.
        batch: The most photos that the model gets at once.
        timeout: Seconds that a photo may take to arrive, and seconds until it is answered then.
        threads: That decode photos and write answers.
    """

    max_bytes: int
    max_pixels: int
    queue: int
    batch: int
    timeout: float
    threads: int

    @property
    def arriving_bytes(self) -> int:
        """Of all photos that are still arriving, together."""
        return _WHOLE_PHOTOS * self.max_bytes

    @property
    def requests(self) -> int:
        """How many there may be at once: all that wait, as many that are sending, and some that want little."""
        return 2 * self.queue + _SPARE_REQUESTS


_WHOLE_PHOTOS = 8  # of the largest size, that may be arriving at once
_SPARE_REQUESTS = 64
