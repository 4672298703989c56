"""The strip of pictures of one image."""

import numpy as np

from maskfold.analysis.cases import Panel, strip


def test_pictures_stand_side_by_side_above_their_captions():
    red, green = (np.full((60, 90, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0)))

    image = strip([Panel(red, "first"), Panel(green, "second")], width=45)

    assert image.shape[1] == 45 + 8 + 45
    assert (image[:30, :45] == (255, 0, 0)).all()
    assert (image[:30, 45:53] == 255).all()
    assert (image[:30, 53:] == (0, 255, 0)).all()
    below = image[30:]
    assert (below < 200).any()
    assert (below == 255).all(axis=2).mean() > 0.5


def test_small_pictures_are_not_enlarged():
    image = strip([Panel(np.zeros((10, 20, 3), np.uint8), "")], width=40)

    assert (image == 0).all(axis=2).sum() == 200
