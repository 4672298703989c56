from functools import partial

import pytest
import torch
from torch import nn
from torchmetrics import MeanMetric, MetricCollection

from maskfold.engine.objective import Objective
from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.runs.monitor import Monitor


class Distance(Objective):
    """The squared distance of the only output from a batch's target."""

    monitor = Monitor(name="val/distance", mode="min", label="distance")

    def __init__(self):
        super().__init__()
        self.metric = MetricCollection({"distance": MeanMetric()})

    def losses(self, output, batch):
        return (output[:, 0] - batch["target"]).square()

    def measure(self, output, batch):
        self.metric.update(self.losses(output, batch))


def make(network=None, **options):
    optimizer = partial(torch.optim.SGD, lr=0.1)
    return Task(network or nn.Linear(2, 1), optimizer=optimizer, objective=Distance(), **options)


def layers():
    """Two blocks behind one another, each with batch normalisation."""
    return nn.Sequential(
        nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1))
    )


@pytest.mark.parametrize(("mode", "epoch"), [("max", 1), ("min", 0)])
def test_the_best_epoch_is_the_first_that_is_best_in_the_monitors_direction(mode, epoch):
    rows = [
        {"epoch": 0, "val/x": 1.0},
        {"epoch": 1, "val/x": 3.0},
        {"epoch": 2, "val/x": 3.0},
        {"epoch": 3, "val/x": 1.0},
    ]
    assert Monitor("val/x", mode, "x").best(rows)["epoch"] == epoch
    assert Monitor("val/x", mode, "x").best([{"epoch": -1, "val/x": float("nan")}, *rows])["epoch"] == epoch


@pytest.mark.parametrize(("weights", "expected"), [(None, (1 + 4) / 2), ([1.0, 0.5], (1 + 2) / 2)])
def test_a_batch_without_weights_counts_every_sample_fully(weights, expected):
    task = make()
    nn.init.zeros_(task.network.weight)
    nn.init.zeros_(task.network.bias)
    task.log = lambda *_, **__: None
    batch = {"image": torch.ones(2, 2), "target": torch.tensor([1.0, 2.0])}
    if weights is not None:
        batch["weight"] = torch.tensor(weights)
    assert task.training_step(batch, 0).item() == pytest.approx(expected)


def test_frozen_layers_do_not_change_in_training_and_keep_their_statistics():
    torch.manual_seed(0)
    task = make(layers(), freeze=["0"])
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    task.log = lambda *_, **__: None
    task.train()
    optimizer = task.configure_optimizers()
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4  # the second block's alone
    images = torch.rand(8, 2) * 5 + 3
    for _ in range(3):
        task.training_step({"image": images, "target": torch.rand(8)}, 0).backward()
        optimizer.step()
    after = task.network.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    # The bias in front of batch normalisation is idle: its gradient is rounding alone.
    learned = {"1.0.weight", "1.1.weight", "1.1.bias"}
    statistics = {f"1.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert changed - {"1.0.bias"} == learned | statistics
    assert all(parameter.grad is None for parameter in task.network[0].parameters())
    assert task.network[1].training
    assert not task.network[0][1].training


def test_a_frozen_layer_gives_the_same_in_training_and_in_evaluation():
    """Batch normalisation by the batch would give a mean of 0 in training."""
    task = make(layers(), freeze=["0"])
    task.network[0][1].running_mean.fill_(5.0)
    images = torch.rand(6, 2)
    in_training = task.train().network[0](images)
    in_evaluation = task.eval().network[0](images)
    assert torch.equal(in_training, in_evaluation)
    assert in_training.mean().abs() > 1


def test_nothing_is_kept_of_frozen_layers_at_the_beginning_for_the_way_back():
    task = make(layers(), freeze=["0"]).train()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        first = task.network[0](torch.rand(6, 2))
        assert not first.requires_grad
        assert not kept
        task.network[1](first).sum().backward()
    assert kept


def test_a_layer_is_named_as_the_model_names_it_inside_a_network_too():
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = layers()

    task = make(Wrapped(), freeze=["0.0"])
    assert [name for name, value in task.network.named_parameters() if not value.requires_grad] == [
        "model.0.0.weight",
        "model.0.0.bias",
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["stem"], r"no layer stem\. The network's layers are:\n  0\n  0\.0"),
        (["0", "1"], r"\[0, 1\] leaves nothing to train"),
    ],
)
def test_what_cannot_be_frozen_is_refused(names, message):
    with pytest.raises(MaskfoldError, match=message):
        make(layers(), freeze=names)


def test_a_layer_without_parameters_is_no_layer_to_freeze():
    with pytest.raises(MaskfoldError, match="1 has no parameters"):
        make(nn.Sequential(nn.Linear(2, 1), nn.Identity()), freeze=["1"])


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("reduce", "said"),
    [
        (torch.mean, r"a tensor of shape \(\)"),
        (lambda one: one[:, None], r"a tensor of shape \(3, 1\)"),
        (list, "list"),
    ],
)
def test_a_loss_that_gives_no_value_a_sample_is_refused(reduce, said):
    task = make()
    whole = task.objective.losses
    task.objective.losses = lambda output, batch: reduce(whole(output, batch))
    batch = {"image": torch.zeros(3, 2), "target": torch.zeros(3), "weight": torch.ones(3)}

    for step in (task.training_step, task.validation_step):
        with pytest.raises(MaskfoldError, match=rf"The loss gives {said} for 3 samples; .* one value a sample, \(N,\)"):
            step(batch, 0)


class WithHead(nn.Module):
    """A layer, and what only training needs: a layer for an output beside the main one."""

    def __init__(self, head=None):
        super().__init__()
        self.main = nn.Linear(2, 1)
        if head:
            self.auxiliary = nn.Linear(2, head)


@pytest.mark.parametrize(("before", "now", "taken"), [(None, 1, False), (1, None, False), (1, 1, True), (1, 2, False)])
def test_a_start_lends_auxiliary_weights_only_where_they_fit(tmp_path, before, now, taken):
    start, task = make(WithHead(before)), make(WithHead(now))
    torch.save({"state_dict": start.state_dict()}, tmp_path / "best.ckpt")
    own = {key: value.clone() for key, value in task.network.state_dict().items()}

    task.take_weights(tmp_path / "best.ckpt")

    assert torch.equal(task.network.main.weight, start.network.main.weight)
    if now:
        expected = start.network.auxiliary.weight if taken else own["auxiliary.weight"]
        assert torch.equal(task.network.auxiliary.weight, expected)
