"""The imgaug engine, and the only module that imports imgaug: 0.4.0 (2020), mended for NumPy 2.

imgaug reads names that NumPy 2 dropped and relies on promotion rules that it changed. All of it is mended inside
imgaug; NumPy's own namespace is left as it was found. Configs name augmenters through this module
(`maskfold.data.imgaug_compat.iaa.Fliplr`), so that imgaug is never imported unmended. To imgaug a list is a set of
values to choose from, and YAML has no tuples: ranges are written as `iap.Uniform`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from maskfold.data.augmentation import AUTO, check_device


@contextmanager
def _sctypes() -> Iterator[None]:
    """Lend NumPy the table of scalar types that imgaug reads, once, while it is imported."""
    np.sctypes = {  # noqa: NPY201
        "float": [np.float16, np.float32, np.float64, np.longdouble],
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
    }
    try:
        yield
    finally:
        del np.sctypes  # noqa: NPY201


with _sctypes():
    import imgaug.random
    from imgaug import augmenters as iaa
    from imgaug import parameters as iap
    from imgaug.augmentables.segmaps import SegmentationMapsOnImage


class _NumPyWithComplex(ModuleType):
    """NumPy and the alias `np.complex`, which imgaug's noise parameters read at every call."""

    complex = complex

    def __getattr__(self, name: str) -> object:
        return getattr(np, name)


_generate_shift_maps = iaa.ElasticTransformation._generate_shift_maps


def _float32_shift_maps(*args: object, **kwargs: object) -> tuple[np.ndarray, ...]:
    # A float64 strength times a float32 map is float64 since NumPy 2, which cv2.convertMaps refuses.
    return tuple(shift.astype(np.float32) for shift in _generate_shift_maps(*args, **kwargs))


iap.np = _NumPyWithComplex("numpy")
iaa.ElasticTransformation._generate_shift_maps = staticmethod(_float32_shift_maps)
# Otherwise the first augmenter built draws a seed from NumPy's global state; `Imgaug` seeds each call itself.
imgaug.random.GLOBAL_RNG = imgaug.random.RNG(0)


class Imgaug:
    """Applies imgaug augmenters one after another; an `Augmentation` (see `maskfold.data.augmentation`).

    The mask's margin is filled as the photo's is: imgaug by itself fills it with background whatever the photo gets,
    so that a mirrored car would be labelled background.

    Args:
        augmenters: imgaug augmenters, applied in this order.
        device: See `maskfold.data.augmentation.Albumentations`; imgaug knows the CPU alone.

    Raises:
        MaskfoldError: If there is no such device.
    """

    colours = ("imgaug's augmenters",)  # see `maskfold.data.augmentation.refuse_colours`

    def __init__(self, *, augmenters: Sequence[iaa.Augmenter], device: str = AUTO):
        self.device = check_device(device)
        self.pipeline = iaa.Sequential(list(augmenters))
        self.parts = list(_parts(self.pipeline))
        for part in self.parts:
            for mode in ("_mode_segmentation_maps", "_pad_mode_segmentation_maps"):
                if hasattr(part, mode):
                    setattr(part, mode, None)  # None: as the image

    def __call__(self, image: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Augmentation`."""
        # Not Augmenter.seed_: it passes over an augmenter that is itself the list of children of another.
        rng = imgaug.random.RNG(seed)
        for part in self.parts:
            part.random_state = rng.derive_rng_()
        soft = mask.dtype == np.float32  # imgaug's segmentation maps are whole numbers
        labels = SegmentationMapsOnImage(np.rint(mask * 255).astype(np.uint8) if soft else mask, shape=mask.shape)
        image, labels = self.pipeline(image=image, segmentation_maps=labels)
        values = labels.get_arr()
        return image, values.astype(np.float32) / 255 if soft else values


def _parts(augmenter: iaa.Augmenter) -> Iterator[iaa.Augmenter]:
    """Yield an augmenter and all that it is made of."""
    yield augmenter
    for children in augmenter.get_children_lists():
        # imgaug's containers are lists as well as augmenters, and name themselves as the list of their children.
        is_part = isinstance(children, iaa.Augmenter) and children is not augmenter
        for child in [children] if is_part else children:
            yield from _parts(child)
