"""The image sizes a network accepts."""

from maskfold.errors import MaskfoldError


def check_size(height: int, width: int, stride: int) -> None:
    """Refuse a network input whose height or width is not a multiple of `stride` pixels.

    Raises:
        MaskfoldError: Naming the nearest smaller and larger size that fits.
    """
    if height % stride == 0 and width % stride == 0:
        return
    smaller = " x ".join(str(max(side // stride, 1) * stride) for side in (height, width))
    larger = " x ".join(str(-(-side // stride) * stride) for side in (height, width))
    nearest = larger if smaller == larger else f"{smaller} or {larger}"
    raise MaskfoldError(
        f"network input of {height} x {width} (height x width): both must be multiples of {stride}. "
        f"Choose a geometry that gives {nearest}."
    )
