"""What comes back for a photo: its cut-out or its mask as a file."""

import cv2
import numpy as np

from maskfold.cutout.alpha import INSIDE
from maskfold.cutout.cutting import NoObjectError, cut_out
from maskfold.cutout.files import SourcePhoto, encode
from maskfold.cutout.frames import box_of, frame
from maskfold.cutout.options import CutoutOptions
from maskfold.errors import MaskfoldError
from maskfold.service.options import CutoutQuestions, colour_of
from maskfold.service.refusals import UNUSABLE, RefusalError

MEDIA = {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg"}
_MATTING_PIXELS = 6_000_000  # of a photo: closed-form matting takes 200 bytes and half a microsecond for each
_GROWTH = 2  # how many times the pixels of a photo a picture may have that is made square or given a margin
_LEAST_PIXELS = 4_000_000  # that it may have in any case


def cutout_of(photo: SourcePhoto, probability: np.ndarray, questions: CutoutQuestions) -> bytes:
    """Return a photo's cut-out as a file.

    Raises:
        RefusalError: If there is no object, or the options do not go together or ask for too much.
    """
    pixels = probability.size
    if questions.alpha == "matting" and pixels > _MATTING_PIXELS:
        raise RefusalError(
            UNUSABLE, "bad_option", f"alpha: matting is for photos of up to {_MATTING_PIXELS:,} pixels. Give soft."
        )
    try:
        options = CutoutOptions(**questions.model_dump(exclude={"backdrop"}), backdrop=questions.backdrop)
        _refuse_growth(probability, options)
        picture = cut_out(photo.pixels, probability, options, colour_of(questions.backdrop))
        return encode(picture, kind=options.format, profile=photo.profile, lossy=options.lossy)
    except NoObjectError as error:
        message = "No object was found in the photo. empty=write gives an empty picture."
        raise RefusalError(UNUSABLE, "no_object", message) from error
    except MaskfoldError as error:
        raise RefusalError(UNUSABLE, "bad_option", f"{error}") from error


def _refuse_growth(probability: np.ndarray, options: CutoutOptions) -> None:
    """Refuse a picture that is much larger than its photo, as a square of a very long one is."""
    inside = probability >= INSIDE
    box = box_of(inside) if inside.any() else None
    margin = options.margin if options.crop else None
    top, bottom, left, right = frame(box, *probability.shape, margin=margin, square=options.square)
    most = max(_GROWTH * probability.size, _LEAST_PIXELS)
    if (bottom - top) * (right - left) > most:
        raise RefusalError(
            UNUSABLE,
            "bad_option",
            f"The picture would have {right - left}x{bottom - top} pixels, more than {most:,}. Give a smaller margin, "
            "or square=false.",
        )


def mask_of(probability: np.ndarray, kind: str) -> bytes:
    """Return a PNG of a map, or of the mask that is cut from it at one half, 0 and 255."""
    shown = probability if kind == "map" else np.where(probability >= INSIDE, 255, 0).astype(np.uint8)
    return cv2.imencode(".png", shown)[1].tobytes()
