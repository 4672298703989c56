import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from maskfold.config import build, compose
from maskfold.engine.freezing import freeze_layers
from maskfold.errors import MaskfoldError
from maskfold.models.classifier import Classifier, CosineHead
from maskfold.models.network import Network


def test_a_grocers_network_has_the_published_number_of_parameters():
    """66 million, 23 million of them trained: layer by layer for 13,333 classes and an embedding of 512."""
    config = compose(
        "train", ["experiment=resnet152", "data.root=photos", "+model.classes=13333", "model.weights=null"]
    )
    with torch.device("meta"):  # shapes without numbers
        network = Network(build(config.model))
    freeze_layers(network, config.freeze)

    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    assert sum(size for size, _ in sizes) == 66_032_725
    assert sum(size for size, trains in sizes if trains) == 22_853_653


def test_torchvisions_weights_fit_timms_resnet(tmp_path):
    theirs = resnet18(weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    model = Classifier(architecture="resnet18", classes=3, weights=tmp_path / "resnet18.pth").eval()
    theirs.fc = torch.nn.Identity()
    image = torch.rand(1, 3, 32, 32)

    with torch.inference_mode():
        assert torch.allclose(model.encoder(image), theirs(image), atol=1e-5)


def test_logits_are_the_heads_answer_to_the_embedding():
    model = Classifier(architecture="resnet10t", classes=7, width=16).eval()
    network = Network(model)
    photos = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)

    with torch.inference_mode():
        logits, embedding = network.answer(photos)
        assert logits.shape == (2, 7)
        assert embedding.shape == (2, 16)
        assert torch.equal(network(photos), logits)
        assert torch.equal(network.embed(photos), embedding)


def test_a_cosine_is_of_the_embedding_without_its_centre():
    head = CosineHead(2, 3).eval()
    head.weight.data = torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, -1.0]])
    head.centre.copy_(torch.tensor([1.0, 1.0]))
    head.scale.data.fill_(10)

    # Without the centre (3, 0): cosines 1, 0 and -1 / sqrt 2.
    assert head(torch.tensor([[4.0, 1.0]])).tolist()[0] == pytest.approx([10, 0, -10 / 2**0.5], abs=1e-5)


def test_the_centre_is_the_mean_of_the_first_batches_and_stands_still_in_evaluation():
    head = CosineHead(1, 2)
    for value in (1.0, 2.0, 6.0):
        head(torch.full((4, 1), value))
    head.eval()(torch.full((4, 1), 100.0))

    assert head.centre.item() == pytest.approx(3)


def test_what_cannot_be_built_is_named():
    with pytest.raises(MaskfoldError, match=r"model\.architecture=resnet19: timm has no such network(.|\n)*resnet18"):
        Classifier(architecture="resnet19", classes=2)
    with pytest.raises(MaskfoldError, match=r"model\.head=arc: there are linear, cosine"):
        Classifier(architecture="resnet10t", classes=2, head="arc")
    with pytest.raises(MaskfoldError, match=r"model\.classes=1"):
        Classifier(architecture="resnet10t", classes=1)


def test_frozen_layers_stay_byte_for_byte_and_answer_alike_in_training():
    torch.manual_seed(0)
    network = Network(Classifier(architecture="resnet10t", classes=3, width=8))
    frozen = ["encoder.conv1", "encoder.bn1", "encoder.layer1"]
    freeze_layers(network, frozen)
    before = {name: tensor.clone() for name, tensor in network.model.encoder.layer1.state_dict().items()}
    optimizer = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=0.1)
    network.train()
    for name in frozen:
        network.get_submodule(f"model.{name}").eval()
    image = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    for _ in range(3):
        network(image).square().mean().backward()
        optimizer.step()

    after = network.model.encoder.layer1.state_dict()
    assert all(np.array_equal(before[name].numpy(), after[name].numpy()) for name in before)
    assert all(one.grad is None for one in network.model.encoder.layer1.parameters())
