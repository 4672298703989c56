"""How cut-outs are to look: what a stage's keys and a service's questions both come down to."""

import hashlib
import json
from dataclasses import asdict, dataclass

from maskfold.cutout.colours import COLOURS
from maskfold.errors import MaskfoldError

ALPHAS = ("soft", "matting", "hard")
FORMATS = ("png", "webp", "jpg")
_WORDS = {"alpha": ALPHAS, "colour": tuple(COLOURS), "format": FORMATS, "empty": ("fail", "write")}
_MADE = 1  # raised when the same options would make other pictures


@dataclass(frozen=True, kw_only=True)
class CutoutOptions:
    """What a cut-out is made with.

    Attributes:
        alpha: `soft` is the map along the outline, `matting` looks at the photo there, `hard` is 0 or 1.
        colour: `clean` and `fast` take the old backdrop out of the edge, `keep` leaves the photo's colours.
        crumbs: Pieces of a map that are smaller than so many percent of the largest one are left out.
        format: `png`, `webp`, or `jpg`, which needs a backdrop.
        lossy: Quality of `webp` and `jpg`, 1 to 100.
        backdrop: A colour, or the file of a picture; None for alpha.
        crop: Cut the picture to the object.
        margin: Around a cropped object, percent of its longer side.
        square: Make the picture square.
        max_side: The most pixels of its longer side; None for as many as there are.
        empty: What to do about a photo without an object: `fail`, or `write` a picture of nothing.

    Raises:
        MaskfoldError: If a word is not one of those, or two options contradict each other.
    """

    alpha: str = "soft"
    colour: str = "clean"
    crumbs: float = 0.5
    format: str = "png"
    lossy: int = 90
    backdrop: str | None = None
    crop: bool = False
    margin: float = 5.0
    square: bool = False
    max_side: int | None = None
    empty: str = "fail"

    def __post_init__(self) -> None:
        for key, words in _WORDS.items():
            if getattr(self, key) not in words:
                raise MaskfoldError(f"{key}={getattr(self, key)}: give one of {', '.join(words)}.")
        if self.format == "jpg" and self.backdrop is None:
            raise MaskfoldError("format=jpg has no transparency: give backdrop=white too, or format=png or webp.")

    @property
    def suffix(self) -> str:
        """What the names of cut-outs end with."""
        return f".{self.format}"

    def key(self, *others: str) -> str:
        """Return 16 hexadecimal digits that change with whatever a cut-out of the same photo depends on.

        Args:
            others: What it depends on beside the options: the masker's identity, the backdrop's.
        """
        text = json.dumps([_MADE, asdict(self), others], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
