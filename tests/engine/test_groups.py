import pytest
import torch
from torch import nn

from maskfold.engine.groups import ParameterGroups
from maskfold.engine.step_schedule import StepSchedule
from maskfold.errors import MaskfoldError


def groups(**options) -> list[dict]:
    network = nn.ModuleDict({"encoder": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "head": nn.Linear(2, 3)})
    made = ParameterGroups(optimizer=torch.optim.AdamW, lr=0.01, weight_decay=0.1, **options)
    return made((f"model.{name}", parameter) for name, parameter in network.named_parameters()).param_groups


def test_norms_and_biases_have_no_weight_decay():
    sizes = {group["weight_decay"]: sum(one.numel() for one in group["params"]) for group in groups()}

    assert sizes == {0.1: 4 + 6, 0.0: 2 + 2 + 2 + 3}


def test_the_longest_name_that_fits_says_the_rate():
    rates = {(group["lr"], group["weight_decay"]) for group in groups(rates={"encoder": 0.1, "encoder.0": 0.5})}

    assert rates == {(0.005, 0.1), (0.005, 0.0), (0.001, 0.0), (0.01, 0.1), (0.01, 0.0)}


def test_rates_that_fall_from_stage_to_stage_are_times_those_by_name():
    stages = groups(layer_decay=0.5, rates={"encoder": 0.1})  # of the stages encoder.0 and encoder.1

    assert {group["lr"]: group["factor"] for group in stages} == pytest.approx({0.00025: 0.025, 0.0005: 0.05, 0.01: 1})
    assert {group["lr"] for group in groups(layer_decay=1.0)} == {0.01}


def test_rates_cannot_fall_where_there_is_no_encoder_or_by_more_than_one():
    optimizer = ParameterGroups(optimizer=torch.optim.AdamW, layer_decay=0.9)
    with pytest.raises(MaskfoldError, match=r"optimizer\.layer_decay=0\.9: .*rates=\{"):
        optimizer(nn.Linear(2, 2).named_parameters())
    for wrong in (0, 1.1):
        with pytest.raises(MaskfoldError, match=f"layer_decay={wrong}: it is above 0 and at most 1"):
            groups(layer_decay=wrong)


def test_a_name_that_no_parameter_has_is_refused():
    with pytest.raises(MaskfoldError, match=r"encode\. There are:\n(.|\n)*encoder\.0"):
        groups(rates={"encode": 0.1})


def test_the_rate_rises_evenly_and_falls_along_half_a_cosine():
    schedule = StepSchedule(warmup=0.2, end=0.1)
    shares = [schedule.share(step, steps=10) for step in range(11)]

    assert shares[:3] == [0.5, 1.0, 1.0]
    assert shares[6] == pytest.approx(0.55)  # half way from step 2 to step 10
    assert shares[10] == pytest.approx(0.1)


def test_each_group_has_its_own_rate_along_the_schedule():
    parameters = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.1, 0.01)]
    optimizer = torch.optim.SGD(parameters)
    scheduler = StepSchedule(warmup=0.5)(optimizer, steps=4)

    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.005]
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]
