"""What a segmentation makes of the key `deep`."""

import pytest
from torch import nn

from maskfold.engine.deep_supervision import DeepSupervision
from maskfold.errors import MaskfoldError
from maskfold.models.unet import UNetScratch
from maskfold.segmentation.losses import BCE
from maskfold.segmentation.parts import SegmentationParts


class AnySize:
    def check_stride(self, stride):
        pass


def parts(deep, loss=None):
    return SegmentationParts(
        geometry=AnySize(), preprocess=None, augment=None, loss=loss or BCE(), tta="none", deep=deep
    )


@pytest.mark.parametrize(("deep", "layers"), [(2, ("up.1", "up.0")), (["up.0"], ("up.0",))])
def test_one_key_gives_the_network_its_heads_and_the_loss_its_weights(deep, layers):
    task = parts(deep)
    assert task.network(UNetScratch(widths=[4, 4, 4, 4])).auxiliary.layers == layers
    assert task.loss.weights == (1, 0.5, 0.25)[: len(layers) + 1]


def test_off_leaves_network_and_loss_as_they_are():
    own, several = BCE(), DeepSupervision(loss=BCE(), weights=[1] * 7)  # as U2-Net takes it
    assert parts(0, own).loss is own
    assert parts(0, several).loss is several
    assert parts(0).network(nn.Identity()).auxiliary is None


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("deep", [-1, True, "up.1", 1.5, [1]])
def test_neither_a_number_nor_layers_is_refused(deep):
    with pytest.raises(MaskfoldError, match=r"^deep=.*a whole number of 0 or more, or names of layers: deep=\[up"):
        parts(deep)
