"""One kernel for Adam's step: for whom, and that checkpoints of other runs go on as they were begun."""

from functools import partial

import pytest
import torch

from maskfold.engine import fused
from maskfold.engine.fused import in_one_kernel

ADAM = partial(torch.optim.Adam, lr=0.1)


def parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.tensor([1.0, -2.0])), torch.nn.Parameter(torch.tensor([[3.0]]))]


def taken(optimizer: torch.optim.Optimizer, steps: int = 3) -> list[torch.Tensor]:
    (group,) = optimizer.param_groups
    for step in range(steps):
        for parameter in group["params"]:
            parameter.grad = torch.full_like(parameter, step - 0.5)
        optimizer.step()
    return [parameter.detach().clone() for parameter in group["params"]]


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_the_step_is_the_same_but_for_the_last_bits(kind):
    make = partial(kind, lr=0.1)
    quick = in_one_kernel(make, scaled=False)(parameters())
    assert quick.param_groups[0]["fused"]
    for one, other in zip(taken(quick), taken(make(parameters())), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=0)


def test_a_scaler_other_optimizers_and_whoever_says_how_are_left_alone():
    assert in_one_kernel(ADAM, scaled=True) is ADAM
    for make in (partial(torch.optim.SGD, lr=0.1), partial(torch.optim.Adam, foreach=True), torch.optim.Adam):
        assert in_one_kernel(make, scaled=False) is make


def test_where_there_is_no_such_kernel_the_usual_steps_are_taken(monkeypatch):
    class Without(torch.optim.Adam):
        def __init__(self, parameters, *, fused=None, **options):
            if fused:
                raise RuntimeError("`fused=True` requires all the params to be floating point Tensors of supported ...")
            super().__init__(parameters, **options)

    monkeypatch.setattr(fused, "_FUSED", (Without,))
    (group,) = in_one_kernel(partial(Without, lr=0.5), scaled=False)(parameters()).param_groups
    assert (group["fused"], group["lr"]) == (None, 0.5)


def test_a_run_goes_on_as_it_was_begun():
    before, whole = ADAM(parameters()), ADAM(parameters())
    taken(before)
    resumed = in_one_kernel(ADAM, scaled=False)(before.param_groups[0]["params"])
    resumed.load_state_dict(before.state_dict())
    taken(whole)
    assert all(torch.equal(one, other) for one, other in zip(taken(resumed), taken(whole), strict=True))


def test_gradients_are_clipped_in_bf16_and_the_kernel_takes_them(toy, monkeypatch):
    step, norms = torch.optim.Adam.step, []

    def watched(optimizer, closure=None):
        value = step(optimizer, closure)  # the closure computes gradients, and clips them
        grads = [parameter.grad.flatten() for group in optimizer.param_groups for parameter in group["params"]]
        norms.append(torch.cat(grads).norm())
        return value

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    task = toy(precision="bf16-mixed", gradient_clip=1e-3, max_epochs=1, optimizer=ADAM)

    (group,) = task.optimizers().param_groups
    assert group["fused"]
    assert len(norms) == 5  # ten pictures in batches of two
    assert max(norms) <= 1.001e-3
