"""How an object stands out along its outline: by colours whose difference is known, and on generated white vans."""

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from maskfold.clusters.contrast import HEIGHT, light_share, outline_differences
from maskfold.studio.bodies import draw_car
from maskfold.studio.photograph import photograph, prepare


def grey(lightness: float) -> int:
    """Return the value of an sRGB grey of a lightness L: CIE 1976 and IEC 61966-2-1."""
    luminance = ((lightness + 16) / 116) ** 3
    return round(255 * (1.055 * luminance ** (1 / 2.4) - 0.055))


def disk(inside: int, outside: int) -> tuple[np.ndarray, np.ndarray]:
    mask = cv2.circle(np.zeros((HEIGHT, HEIGHT), np.uint8), (90, 100), 50, 1, -1)
    return np.repeat(np.where(mask > 0, inside, outside).astype(np.uint8)[..., None], 3, axis=2), mask


@pytest.mark.parametrize(("backdrop", "difference", "share"), [(95, 5, 1), (40, 50, 0)])
def test_a_light_disk_is_told_from_its_backdrop_by_the_difference_in_lightness(backdrop, difference, share):
    differences = outline_differences(*disk(grey(90), grey(backdrop)))

    assert differences == pytest.approx(difference, abs=0.3)
    assert light_share(differences) == share


def test_half_an_outline_on_a_light_wall_is_half_a_share():
    image, mask = disk(grey(90), grey(95))
    image[:, :90][mask[:, :90] == 0] = grey(40)

    assert light_share(outline_differences(image, mask)) == pytest.approx(0.5, abs=0.06)


def test_the_edge_of_the_photo_is_no_outline():
    image, mask = disk(grey(90), grey(40))
    mask[:], image[:] = 1, grey(90)
    assert np.isnan(light_share(outline_differences(image, mask)))
    mask[:, 150:], image[:, 150:] = 0, grey(40)

    assert 150 < len(outline_differences(image, mask)) <= HEIGHT


def test_white_vans_are_told_from_cars_of_darker_paint():
    vans, shares = [], []
    for index in range(12):
        van = index % 3 == 0
        if not van and draw_car(np.random.default_rng((7, index)), index=index).paint in ("White", "Silver", "Beige"):
            continue  # which hardly stand out from the white wall either
        sitting = prepare((7, index), index=index, white_van=van)
        photo = photograph(sitting, 1 + 5 * index % 16, 96, 144, (7, index))
        image, mask = (cv2.resize(part, (288, HEIGHT)) for part in (photo.image, photo.mask))
        vans.append(van)
        shares.append(light_share(outline_differences(image, mask)))

    assert sum(vans) == 4
    assert roc_auc_score(vans, shares) >= 0.9
