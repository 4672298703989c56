from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from maskfold.data.preprocessing import ClaheLuma, Unchanged, clahe_luma
from maskfold.errors import MaskfoldError

CONF = Path(__file__).parents[2] / "conf/preprocess"


def ramp(low, high):
    """Build a grey photo of 256x256 whose luma climbs in 8 steps from `low` to `high` along each of 8 tiles."""
    row = np.tile(np.linspace(low, high, 8).round().astype(np.uint8).repeat(4), 8)
    return np.repeat(np.tile(row, (256, 1))[..., None], 3, axis=2)


def test_contrast_grows_with_the_clip_limit_as_worked_out_by_hand():
    # A tile has 1024 pixels, 128 in each of 8 bins; clipped at limit x 1024 / 256, the rest is spread over all 256:
    # at 2, 8 stay and 3.75 are added; at 8, 32 and 3. From 100 to 120 the sum climbs by 7 x 8 + 20 x 3.75 = 131, or
    # 7 x 32 + 20 x 3 = 284, which is 33 or 71 of 255.
    image = ramp(100, 120)
    for limit, spread in ((2.0, 33), (8.0, 71)):
        assert np.ptp(clahe_luma(image, clip_limit=limit)[..., 0]) == pytest.approx(spread, abs=2)


def test_only_the_luma_changes():
    image = np.zeros((256, 256, 3), np.uint8)
    image[..., 0] = 60 + ramp(0, 40)[..., 0]
    image[..., 1:] = 60
    before, after = (cv2.cvtColor(photo, cv2.COLOR_RGB2YCrCb).astype(int) for photo in (image, clahe_luma(image)))
    assert np.abs(after[..., 0] - before[..., 0]).max() > 10
    assert np.abs(after[..., 1:] - before[..., 1:]).max() <= 2


def test_the_luma_of_a_grey_photo_is_opencvs_clahe():
    image = ramp(30, 200)
    wanted = cv2.createCLAHE(2.0, (8, 8)).apply(image[..., 0])
    assert np.abs(clahe_luma(image).astype(int) - wanted[..., None]).max() <= 1


@pytest.mark.parametrize(("name", "kind"), [("none", Unchanged), ("clahe", ClaheLuma)])
def test_every_config_is_built_and_leaves_its_input_alone(name, kind):
    step = instantiate(OmegaConf.load(CONF / f"{name}.yaml"))
    assert isinstance(step, kind)
    image = ramp(10, 90)
    before = image.copy()
    result = step(image)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(image, before)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("image", [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 1), np.uint8)])
def test_clahe_is_for_rgb_of_8_bits(image):
    with pytest.raises(MaskfoldError, match=r"CLAHE works on RGB photos of 8 bits.*preprocess=none"):
        ClaheLuma()(image)
