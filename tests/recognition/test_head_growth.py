"""A network that begins with one of fewer classes keeps every row that it had."""

from functools import partial

import pytest
import torch
from torch import nn

from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.models.classifier import HEADS
from maskfold.models.network import Network
from maskfold.recognition.objective import ClassObjective


class Flat(nn.Module):
    """Photos of 4 x 4 as they are, in front of a head: what a classifier is, with nothing to train but its rows."""

    growing = ("head.weight", "head.bias", "head.gain")

    def __init__(self, head, classes):
        super().__init__()
        self.head = HEADS[head](48, classes)

    def embed(self, image):
        return image.flatten(1)

    def forward(self, image):
        return self.head(self.embed(image))


def task(head, classes):
    return Task(
        Network(Flat(head, classes)),
        optimizer=partial(torch.optim.Adam, lr=0.1),
        objective=ClassObjective(classes),
        construction={"classes": classes},
    )


def saved(task, path):
    checkpoint = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize("head", HEADS)
def test_old_rows_are_kept_byte_by_byte_however_often_it_grows(head, tmp_path):
    torch.manual_seed(0)
    first, second, third = task(head, 5), task(head, 7), task(head, 8)
    fresh = second.network.model.head.weight.detach().clone()
    photos = torch.randint(0, 256, (9, 3, 4, 4), dtype=torch.uint8)

    second.take_weights(saved(first, tmp_path / "first.ckpt"))
    third.take_weights(saved(second, tmp_path / "second.ckpt"))

    rows = [grown.network.model.head.weight for grown in (first, second, third)]
    assert torch.equal(rows[1][:5], rows[0])
    assert torch.equal(rows[2][:7], rows[1])
    assert torch.equal(rows[1][5:], fresh[5:])
    with torch.inference_mode():
        logits = [grown.eval().network(photos) for grown in (first, second, third)]
    # A matrix of more rows may be multiplied in another order, so the last digit is not the same everywhere.
    assert torch.allclose(logits[1][:, :5], logits[0], atol=1e-5)
    assert torch.allclose(logits[2][:, :7], logits[1], atol=1e-5)


def test_a_network_of_more_classes_or_of_another_width_is_refused(tmp_path):
    path = saved(task("linear", 5), tmp_path / "first.ckpt")
    with pytest.raises(MaskfoldError, match="is of another network"):
        task("linear", 4).take_weights(path)
    with pytest.raises(MaskfoldError, match="is of another network"):
        task("cosine", 6).take_weights(path)
