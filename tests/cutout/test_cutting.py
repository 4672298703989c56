"""One photo to one picture, with answers that are known."""

import numpy as np
import pytest

from disks import GREEN, RED, as_map, disk, on, photo_of
from maskfold.cutout import colours
from maskfold.cutout.cutting import NoObjectError, cut_out, without_crumbs
from maskfold.cutout.frames import NewBackdrop
from maskfold.cutout.options import CutoutOptions
from maskfold.errors import MaskfoldError

WHITE = NewBackdrop()


@pytest.mark.parametrize("colour", ["clean", "fast"])
def test_on_white_the_edge_errs_a_third_of_a_hard_cut_or_less(colour):
    alpha = disk()
    photo, band = photo_of(alpha), (alpha > 0) & (alpha < 1)
    truth = on(255, RED, alpha)
    naive = on(255, photo, (alpha >= 0.5).astype(float))

    picture = cut_out(photo, as_map(alpha), CutoutOptions(colour=colour, backdrop="white"), WHITE)

    error = np.abs(picture - truth)[band].mean()
    assert error <= np.abs(naive - truth)[band].mean() / 3
    assert error < 5  # of 255
    assert all(np.array_equal(picture[corner], [255, 255, 255]) for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)))


def test_the_photos_own_colours_leave_a_rim_which_is_why_they_are_cleaned():
    alpha = disk()
    photo, edge = photo_of(alpha), (alpha > 0.3) & (alpha < 0.6)

    kept = cut_out(photo, as_map(alpha), CutoutOptions(colour="keep"))
    clean = cut_out(photo, as_map(alpha), CutoutOptions(colour="clean"))

    assert kept[edge][:, 1].mean() > 80  # green shines through
    assert clean[edge][:, 1].mean() < 40  # red has 30
    assert np.array_equal(clean[alpha == 1][:, :3], photo[alpha == 1])


@pytest.mark.parametrize("alpha_way", ["soft", "matting", "hard"])
def test_the_hole_of_a_ring_stays_a_hole(alpha_way):
    alpha = disk(hole=18)

    picture = cut_out(photo_of(alpha), as_map(alpha), CutoutOptions(alpha=alpha_way))

    assert picture.shape == (120, 160, 4)
    assert picture[60, 80].tolist() == [0, 0, 0, 0]
    assert picture[60, 80 - 30].tolist() == [*RED.astype(int), 255]
    assert picture[0, 0].tolist() == [0, 0, 0, 0]
    assert set(np.unique(picture[..., 3])) == {0, 255} or alpha_way != "hard"


def test_matting_puts_the_edge_where_the_photo_has_it():
    alpha = disk(200, 240, radius=70)
    wrong = as_map(disk(200, 240, radius=72))  # a map that is two pixels too wide

    def error(way: str) -> float:
        cut = cut_out(photo_of(alpha), wrong, CutoutOptions(alpha=way))[..., 3] / 255
        return float(np.abs(cut - alpha).mean())

    assert error("matting") < error("soft") / 2


def test_what_is_shown_is_the_object_with_its_margin():
    alpha = np.zeros((100, 100), np.float32)
    alpha[30:50, 20:60] = 1  # 20 high, 40 wide
    photo, probability = photo_of(alpha), as_map(alpha)

    def size(**options) -> tuple:
        return cut_out(photo, probability, CutoutOptions(colour="keep", **options)).shape[:2]

    assert size() == (100, 100)
    assert size(crop=True, margin=0) == (20, 40)
    assert size(crop=True, margin=10) == (28, 48)  # 10 % of 40 on each side
    assert size(crop=True, margin=10, square=True) == (48, 48)
    assert size(crop=True, margin=100) == (100, 120)  # beyond the photo on the left
    assert size(crop=True, margin=10, square=True, max_side=24) == (24, 24)
    assert size(max_side=500) == (100, 100)  # never larger than it is


def test_a_smaller_picture_has_no_dark_rim():
    alpha = disk()
    picture = cut_out(photo_of(alpha), as_map(alpha), CutoutOptions(max_side=40))

    seen = picture[picture[..., 3] > 20]
    assert np.abs(seen[:, :3].astype(float) - RED).max() < 25


def test_a_picture_covers_all_that_is_behind():
    alpha = disk(60, 90, radius=20)
    stripes = np.zeros((10, 40, 3), np.uint8)
    stripes[:, :20], stripes[:, 20:] = (0, 0, 255), (255, 255, 0)

    picture = cut_out(photo_of(alpha), as_map(alpha), CutoutOptions(), NewBackdrop(picture=stripes))

    # Six times as large it is 60 x 240, of which the middle 90 columns are seen: 45 blue and 45 yellow ones.
    assert picture.shape == (60, 90, 3)
    assert picture[0, 30].tolist() == [0, 0, 255]
    assert picture[0, 60].tolist() == [255, 255, 0]


def test_crumbs_are_left_out_and_pieces_are_not():
    probability = np.zeros((50, 50), np.uint8)
    probability[:20, :20] = 255  # 400 pixels
    probability[40:42, 40:42] = 255  # 1 %
    probability[30, 5] = 255  # a quarter of one

    assert without_crumbs(probability, 0.5).sum() == 404 * 255
    assert without_crumbs(probability, 2).sum() == 400 * 255
    assert without_crumbs(probability, 0) is probability


def test_no_object_is_an_error_unless_a_picture_of_nothing_is_wanted():
    photo, nothing = photo_of(disk()), np.zeros((120, 160), np.uint8)

    with pytest.raises(NoObjectError, match="no object"):
        cut_out(photo, nothing, CutoutOptions())

    assert cut_out(photo, nothing, CutoutOptions(empty="write", crop=True)).shape == (120, 160, 4)
    assert cut_out(photo, nothing, CutoutOptions(empty="write")).max() == 0


@pytest.mark.hostile("wrong input")
def test_extreme_maps_and_tiny_photos_are_cut_out_too():
    for way in ("soft", "matting", "hard"):
        for size in ((1, 1), (3, 200), (9, 9)):
            photo = np.full((*size, 3), 90, np.uint8)
            whole = cut_out(photo, np.full(size, 255, np.uint8), CutoutOptions(alpha=way))
            assert np.array_equal(whole, np.dstack([photo, np.full(size, 255, np.uint8)]))
    with pytest.raises(MaskfoldError, match="2x2 pixels, the photo of 3x3"):
        cut_out(np.zeros((3, 3, 3), np.uint8), np.zeros((2, 2), np.uint8), CutoutOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": "smooth"}, "alpha=smooth: give one of soft, matting, hard"),
        ({"format": "jpg"}, "format=jpg has no transparency"),
        ({"empty": "skip"}, "empty=skip: give one of fail, write"),
    ],
)
def test_options_that_nobody_understands_are_refused(options, message):
    with pytest.raises(MaskfoldError, match=message):
        CutoutOptions(**options)


def test_without_pymatting_the_fast_colours_are_taken(monkeypatch):
    alpha = disk()
    monkeypatch.setattr(colours, "foreground_estimate", lambda: None)

    assert np.array_equal(colours.clean(photo_of(alpha), alpha), colours.fast(photo_of(alpha), alpha))
    assert np.abs(colours.kept(photo_of(alpha), alpha)[0, 0] - GREEN).max() == 0
