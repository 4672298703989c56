import pytest

from maskfold.models.counts import with_counts


@pytest.mark.parametrize(
    ("target", "argument"),
    [
        ("maskfold.models.linknet.LinkNet", "classes"),
        ("segmentation_models_pytorch.Unet", "classes"),
        ("torchvision.models.segmentation.fcn_resnet50", "num_classes"),
    ],
)
def test_a_model_is_told_of_several_classes_by_the_name_it_has_for_them(target, argument):
    model = {"_target_": target, "encoder": "resnet18"}
    assert with_counts(model, classes=1) == model
    assert with_counts(model, classes=4) == model | {argument: 4}
    assert with_counts(model | {argument: 7}, classes=4) == model | {argument: 7}


@pytest.mark.parametrize("target", ["torch.nn.Conv2d", "maskfold.models.gone", "maskfold.models.linknet.gone"])
def test_a_model_without_such_an_argument_stays_as_it_is(target):
    assert with_counts({"_target_": target}, classes=4) == {"_target_": target}
