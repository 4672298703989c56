"""What may stand behind the question mark of an address; what is not here is refused, and not left unread."""

import re
from typing import Literal

from PIL import ImageColor
from pydantic import BaseModel, ConfigDict, Field, field_validator

from maskfold.cutout.frames import NewBackdrop

_COLOUR = re.compile(r"#?[0-9A-Za-z]{1,30}")


class NoOptions(BaseModel):
    """An address without options."""

    model_config = ConfigDict(extra="forbid")


class MaskOptions(NoOptions):
    """Options of `POST /mask`."""

    kind: Literal["map", "mask"] = Field("map", description="How sure it is, 0 to 255; or 0 and 255, cut at half.")


class RecogniseOptions(NoOptions):
    """Options of `POST /recognise`."""

    grams: float | None = Field(
        None, gt=0, le=1_000_000, description="What the scale shows; it counts where weights of products are known."
    )


class TapOptions(NoOptions):
    """Options of `POST /taps`."""

    photo: str = Field(pattern="^[0-9a-f]{32}$", description="`photo` of the answer that was tapped.")
    label: str = Field(min_length=1, max_length=200, description="The product; one that is not known yet is new.")

    @field_validator("label")
    @classmethod
    def _is_plain(cls, value: str) -> str:
        if not value.isprintable() or value != value.strip():
            raise ValueError("give the product's name on one line, without spaces around it")
        return value


class HealthOptions(NoOptions):
    """Options of `GET /healthz`."""

    ready: bool = Field(False, description="Answer 503 too where the next photo would be refused.")


class CutoutQuestions(NoOptions):
    """Options of `POST /cutout`: the keys of `make cutout`; a backdrop is a colour, never a file or an address."""

    format: Literal["png", "webp", "jpg"] = Field("png", description="jpg has no transparency, and needs a backdrop.")
    backdrop: str | None = Field(
        None,
        description="A colour behind the object, such as f4f4f4; transparent without.",
        examples=["white"],
    )
    crop: bool = Field(False, description="Cut the picture to the object.")
    margin: float = Field(5, ge=0, le=100, description="Around a cropped object, percent of its longer side.")
    square: bool = Field(False, description="As wide as high.")
    max_side: int | None = Field(None, ge=1, le=65535, description="The most pixels of the longer side.")
    alpha: Literal["soft", "matting", "hard"] = Field("soft", description="The edge; matting is slower.")
    colour: Literal["clean", "fast", "keep"] = Field(
        "clean", description="How the old backdrop is taken out of the edge."
    )
    lossy: int = Field(90, ge=1, le=100, description="Quality of webp and jpg.")
    empty: Literal["fail", "write"] = Field("fail", description="What to do about a photo without an object.")

    @field_validator("backdrop")
    @classmethod
    def _is_colour(cls, value: str | None) -> str | None:
        colour_of(value)
        return value


def colour_of(text: str | None) -> NewBackdrop | None:
    """Return the backdrop of a colour's name or digits; None for none.

    Raises:
        ValueError: If it is no colour; no file is looked for.
    """
    if text is None:
        return None
    if _COLOUR.fullmatch(text):
        for colour in (text, f"#{text}"):
            try:
                return NewBackdrop(ImageColor.getrgb(colour)[:3])
            except ValueError:
                continue
    raise ValueError("give a colour, such as white or f4f4f4")
