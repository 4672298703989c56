import math
from functools import partial

import lightning
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from maskfold.engine.deep_supervision import DeepSupervision
from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.models.network import IMAGENET_MEAN, Network
from maskfold.runs.monitor import Monitor
from maskfold.segmentation.losses import BCE, Dice, Sum
from maskfold.segmentation.objective import MaskObjective


@pytest.fixture
def make():
    """Make a task around one 1x1 convolution whose logits are its bias plus the normalised red channel."""

    def run(bias=0.0, **arguments):
        layer = nn.Conv2d(3, 1, 1)
        nn.init.zeros_(layer.weight)
        layer.weight.data[0, 0] = 1.0
        nn.init.constant_(layer.bias, bias)
        return Task(
            Network(layer, mean=IMAGENET_MEAN, std=(1.0, 1.0, 1.0)),
            **{"objective": MaskObjective(BCE()), "optimizer": partial(torch.optim.SGD, lr=0.5)} | arguments,
        )

    return run


def batch(weights=(1.0, 1.0)):
    """Two pictures of 2x2, grey but for one bright red pixel in the first; that pixel is the object, in both."""
    image = torch.full((2, 3, 2, 2), 124, dtype=torch.uint8)
    image[0, 0, 0, 0] = 255
    mask = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    mask[:, :, 0, 0] = 255
    return {"image": image, "mask": mask, "weight": torch.tensor(weights)}


def test_logits_come_from_bytes_through_the_networks_own_normalisation(make):
    logits = make(bias=2.0)(batch()["image"])
    assert logits.shape == (2, 1, 2, 2)
    assert logits[0, 0, 0, 0].item() == pytest.approx(255 - 123.675 + 2.0, abs=1e-3)
    assert logits[1, 0, 1, 1].item() == pytest.approx(124 - 123.675 + 2.0, abs=1e-3)


def softplus(x):
    return math.log1p(math.exp(x))


def losses_by_hand():
    dark = 124 - 123.675
    first = (0.0 + 3 * softplus(dark)) / 4  # the red pixel is right beyond doubt
    second = (softplus(-dark) + 3 * softplus(dark)) / 4
    return first, second


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.5), (0.25, 0.25), (0.0, 0.0)])
def test_training_loss_counts_every_image_by_its_weight(make, weights):
    first, second = losses_by_hand()
    expected = (weights[0] * first + weights[1] * second) / 2
    task = make()
    task.log = lambda *_, **__: None
    assert task.training_step(batch(weights), 0).item() == pytest.approx(expected, rel=1e-4)


def test_validation_is_measured_over_images_and_not_over_batches(make):
    pairs = [{key: value[index] for key, value in batch().items()} for index in (0, 1, 1)]
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    (measured,) = trainer.validate(make(bias=-1.0), DataLoader(pairs, batch_size=2), verbose=False)
    # With this bias only the red pixel is found: Dice 1 for the first picture, 0 for the others.
    assert measured["val/dice"] == pytest.approx(1 / 3)
    assert measured["val/iou"] == pytest.approx(1 / 3)
    dark = 124 - 123.675 - 1
    first, other = 3 * softplus(dark) / 4, (softplus(-dark) + 3 * softplus(dark)) / 4
    assert measured["val/loss"] == pytest.approx((first + 2 * other) / 3, rel=1e-4)
    assert measured["val/bce"] == pytest.approx((first + 2 * other) / 3, rel=1e-4)


def test_layout_and_construction(make):
    task = make(channels_last=True, construction={"_target_": "torch.nn.Conv2d"})
    assert task.layout == torch.channels_last
    torch.testing.assert_close(task(batch()["image"]), make()(batch()["image"]))
    checkpoint = {}
    task.on_save_checkpoint(checkpoint)
    assert checkpoint["construction"] == {"_target_": "torch.nn.Conv2d"}


def test_compiling_leaves_the_names_of_the_weights(make):
    assert make(compile_network=True).state_dict().keys() == make().state_dict().keys()


def test_a_torch_scheduler_comes_with_the_optimizer(make):
    optimizer = make().configure_optimizers()
    assert isinstance(optimizer, torch.optim.SGD)
    both = make(scheduler=partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.1)).configure_optimizers()
    both["optimizer"].step()
    both["lr_scheduler"]["scheduler"].step()
    assert both["optimizer"].param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_validation_works_out_what_loss_and_metric_share_once_and_to_the_same_bits(monkeypatch, layout):
    asked = []
    entropy = functional.binary_cross_entropy_with_logits
    monkeypatch.setattr(
        functional,
        "binary_cross_entropy_with_logits",
        lambda *given, **keys: asked.append(1) or entropy(*given, **keys),
    )
    torch.manual_seed(1)
    logits = torch.randn(3, 1, 5, 7).to(memory_format=layout)
    masks = torch.randint(0, 256, (3, 1, 5, 7), dtype=torch.uint8)
    loss = Sum(terms=[BCE(), Dice()])
    alone = MaskObjective(loss)
    losses = alone.losses(logits, {"mask": masks})
    alone.measure(logits, {"mask": masks})
    assert len(asked) == 2

    together = Task(nn.Identity(), optimizer=torch.optim.SGD, objective=MaskObjective(loss))
    together.validation_step({"image": logits, "mask": masks}, 0)
    assert len(asked) == 3
    assert together.validation_loss.compute() == losses.double().sum() / 3
    assert together.objective.metric.compute() == alone.metric.compute()


def test_what_the_data_is_scored_by_is_monitored():
    assert MaskObjective(BCE()).monitor == Monitor("val/dice", "max", "validation Dice")
    objective = MaskObjective(BCE(), metric=METRICS_BY_NAME["mean_precision"], classes=("cat", "dog"))
    assert objective.monitor == Monitor("val/mean_precision", "max", "validation mean precision over IoU 0.5 to 0.95")
    logits = torch.full((1, 2, 2, 2), -1.0)
    objective.measure(logits, {"mask": torch.zeros(1, 2, 2, 2, dtype=torch.uint8)})
    assert {"mean_precision", "dice", "dice.cat", "dice.dog"} <= set(objective.metric.compute())


@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_network_of_other_classes_than_the_datas_is_refused_with_what_to_set(auxiliary):
    logits, mask = torch.zeros(2, 1, 2, 2), torch.zeros(2, 4, 2, 2, dtype=torch.uint8)
    output = (torch.zeros(2, 4, 2, 2), logits) if auxiliary else logits
    loss = DeepSupervision(loss=BCE(), weights=[1, 1]) if auxiliary else BCE()
    with pytest.raises(MaskfoldError, match=r"answers with 1 channel, .*the data has 4 classes: set .*=4"):
        MaskObjective(loss).losses(output, {"mask": mask})
