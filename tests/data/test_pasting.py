import numpy as np

from maskfold.data.pasting import cut_out, paste, place, resize_mask, unite

RED, BLUE = (180, 80, 70), (60, 60, 170)


def photo(box, colour, ground):
    """Return a photo of 64x64 of a rectangle, `(rows, columns)`, and its mask."""
    image, mask = np.full((64, 64, 3), ground, np.uint8), np.zeros((64, 64), np.uint8)
    image[box], mask[box] = colour, 1
    return image, mask


def test_a_pasted_object_by_hand():
    """12x12 blue pixels at their own size, partly on red; edges reach three pixels inwards and outwards."""
    image, mask = cut_out(*photo(np.s_[10:22, 30:42], BLUE, (0, 255, 0)), scale=1)
    assert mask.shape == (28, 28)  # a margin of eight
    own_image, own_mask = photo(np.s_[0:40, 0:40], RED, (120, 120, 120))
    for in_front, seen in ((True, BLUE), (False, RED)):
        pasted = place(image, mask, corner=(20, 20), size=(64, 64), in_front=in_front)
        changed = paste(own_image, own_mask, pasted)
        assert changed[33, 33].tolist() == list(seen)
        far = np.ones((64, 64), bool)
        far[25:43, 25:43] = False
        np.testing.assert_array_equal(changed[far], own_image[far])
        assert changed[..., 1].max() < 130  # next to nothing is left of the green that was behind it


def test_an_object_at_the_photos_border_keeps_a_soft_edge_there():
    image, mask = cut_out(*photo(np.s_[30:64, 20:40], BLUE, RED), scale=0.5)
    assert (image.shape, mask.shape) == ((33, 26, 3), (33, 26))  # of 34x20 pixels and margins of 16
    assert (int(mask.sum()), int(mask[8:25, 8:18].sum())) == (170, 170)
    pasted = place(image, mask, corner=(-10, 50), size=(64, 64), in_front=True)
    assert pasted.mask.sum() == 15 * 6  # rows 8 to 25 from -2 on, columns 8 to 18 from 58 on
    assert 0 < pasted.alpha[15, 60] < 0.5 < pasted.alpha[14, 60] < 1
    nowhere = place(image, mask, corner=(70, -40), size=(64, 64), in_front=True)
    assert nowhere.alpha.max() == nowhere.mask.max() == 0


def test_a_resized_mask_by_hand():
    # Each column's middle falls on 1/4 and 3/4 between two old ones.
    mask = np.uint8([[1, 0, 0]])
    assert resize_mask(mask, (1, 6)).tolist() == [[1, 1, 0, 0, 0, 0]]
    soft = resize_mask(mask.astype(np.float32), (1, 6))
    np.testing.assert_allclose(soft, [[1, 0.75, 0.25, 0, 0, 0]])
    # At one half neither of two classes has the pixel.
    assert resize_mask(np.dstack([mask, 1 - mask])[:, :2], (1, 3)).tolist() == [[[1, 0], [0, 0], [0, 1]]]


def test_a_union_by_hand():
    front, back = np.uint8([[1, 1, 0, 0]]), np.uint8([[1, 0, 1, 0]])
    assert unite(front, back).tolist() == [[1, 1, 1, 0]]
    soft = unite(np.float32([[0.3, 0.6, 0]]), np.uint8([[1, 0, 1]]))
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft, [[1, 0.6, 1]])


def test_classes_stay_exclusive_and_the_one_before_wins():
    first, second = np.uint8([1, 0]), np.uint8([0, 1])
    front, back = np.stack([[first, 0 * first]]), np.stack([[second, second]])
    assert unite(front, back).tolist() == [[[1, 0], [0, 1]]]
    assert unite(back, front).tolist() == [[[0, 1], [0, 1]]]
    assert unite(front, back).dtype == np.uint8
