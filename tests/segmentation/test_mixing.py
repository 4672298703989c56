"""Mixup and CutMix of photos with masks, by hand on batches of a few pixels, and in a run that is broken off."""

import numpy as np
import pytest
import torch

from maskfold.config import compose
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.segmentation.losses import BCE, CrossEntropy, Dice
from maskfold.segmentation.mixing import OTHER_MASK, SHARES, MaskMixing, refuse_single
from maskfold.segmentation.objective import MaskObjective
from maskfold.stages.train import train

WEIGHTS = torch.tensor([1.0, 0.25, 0.5, 2.0])


def batch(classes=1, size=(12, 16)):
    """Four photos, each of one grey level, 10 to 40, with a mask that is all 0, 255, or something soft."""
    levels = torch.tensor([10, 20, 30, 40], dtype=torch.uint8).view(-1, 1, 1, 1)
    masks = torch.tensor([0, 255, 51, 255], dtype=torch.uint8).view(-1, 1, 1, 1)
    whole = {"image": levels.expand(-1, 3, *size).clone(), "mask": masks.expand(-1, classes, *size).clone()}
    return whole | {"weight": WEIGHTS.clone()}


def mixed(seed=(0, 0, 0), *, of=None, epochs=10, **arguments):
    return MaskMixing(**arguments)(of or batch(), seed=seed, epochs=epochs)


def test_mixup_adds_two_photos_by_their_shares_and_their_losses_by_shares_and_weights():
    result = mixed(mixup=1.0)

    own = result[SHARES][:, 0] / WEIGHTS
    assert ((own > 0) & (own < 1)).all()
    partner = ((result["image"][:, 0, 0, 0] - own * torch.arange(10.0, 41, 10)) / (1 - own) / 10).round().long() - 1
    assert sorted(partner.tolist()) == [0, 1, 2, 3]
    assert (partner != torch.arange(4)).all()
    torch.testing.assert_close(result[SHARES][:, 1], (1 - own) * WEIGHTS[partner])
    assert torch.equal(result[OTHER_MASK], batch()["mask"][partner])
    assert torch.equal(result["mask"], batch()["mask"])
    assert "weight" not in result


@pytest.mark.parametrize(("loss", "classes"), [(BCE(), 1), (BCE(), 2), (CrossEntropy(), 2)])
def test_the_loss_of_a_mixed_photo_is_linear_in_the_two_masks_and_for_cross_entropy_that_of_their_mean(loss, classes):
    given = batch(classes) | {"weight": torch.ones(4)}
    if classes > 1:
        given["mask"][:, 1] = 255 - given["mask"][:, 0]  # classes that never overlap
    result = mixed(mixup=1.0, of=given)
    logits = torch.randn(4, classes, 12, 16, generator=torch.Generator().manual_seed(0))

    share = result[SHARES][:, 0].view(-1, 1, 1, 1)
    mean = (share * result["mask"] + (1 - share) * result[OTHER_MASK]) / 255
    torch.testing.assert_close(MaskObjective(loss).losses(logits, result), loss(logits, mean))


def test_dice_knows_no_half_masks_and_is_added_by_the_shares():
    result = mixed(mixup=1.0)
    logits = torch.zeros(4, 1, 12, 16)
    one, other = (Dice()(logits, result[name] / 255) for name in ("mask", OTHER_MASK))

    expected = result[SHARES][:, 0] * one + result[SHARES][:, 1] * other

    torch.testing.assert_close(MaskObjective(Dice()).losses(logits, result), expected)


def test_cutmix_takes_one_box_out_of_photo_and_mask_alike_and_weighs_by_its_area():
    given = batch()
    given["mask"] = given["image"][:, :1].clone()  # so that both say whose a pixel is
    result = mixed(cutmix=1.0, of=given)

    image, mask = result["image"], result["mask"]
    assert image.dtype == mask.dtype == torch.uint8
    assert torch.equal(image, mask.expand(-1, 3, -1, -1))
    for number, (owner, weight) in enumerate(zip(mask[:, 0].numpy(), result["weight"], strict=True)):
        rows, columns = np.nonzero(owner != 10 * (number + 1))
        box = owner[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert len(np.unique(box)) == 1  # of one other photo, without a hole
        assert box.size == len(rows)
        taken = box.size / owner.size
        expected = (1 - taken) * WEIGHTS[number] + taken * WEIGHTS[box[0, 0] // 10 - 1]
        assert weight.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_a_photo_that_keeps_all_of_itself_is_what_it_was_to_the_bit(way):
    given = batch() | {"image": torch.rand(4, 3, 12, 16)}
    given["image"][1, 0, 0, 0] = torch.nan  # of a stack of channels; it is not to reach the others

    result = mixed(**{way: 1.0}, share=0.0, of=given)

    assert torch.equal(result["image"].nan_to_num(-1), given["image"].nan_to_num(-1))
    logits = torch.randn(4, 1, 12, 16, generator=torch.Generator().manual_seed(0))
    objective = MaskObjective(BCE())
    plain = objective.losses(logits, given) * WEIGHTS
    assert torch.equal(objective.losses(logits, result) * result.get("weight", torch.ones(4)), plain)


def test_what_is_not_to_be_mixed_is_handed_on_and_what_was_loaded_is_left_alone():
    given, before = batch(), batch()
    assert mixed(of=given) is given
    alone = {name: value[:1] for name, value in given.items()}
    assert mixed(mixup=1.0, of=alone) is alone
    assert mixed((8, 0, 0), mixup=1.0, until=0.8, of=given) is given
    assert mixed((7, 0, 0), mixup=1.0, until=0.8, of=given) is not given
    mixed(mixup=1.0, cutmix=1.0, of=given)
    assert all(torch.equal(given[name], before[name]) for name in before)  # which hard negatives are shown again


def test_share_is_that_of_the_mixed_photos_and_both_ways_take_turns():
    shares = torch.cat([mixed((0, step, 0), mixup=1.0, share=0.3)[SHARES][:, 0] for step in range(100)])
    assert 0.2 < (shares != WEIGHTS.repeat(100)).float().mean() < 0.4
    ways = [SHARES in mixed((0, step, 0), mixup=1.0, cutmix=1.0) for step in range(40)]
    assert 10 < sum(ways) < 30


@pytest.mark.hostile("wrong input")
def test_a_batch_of_one_photo_is_refused_where_it_is_to_be_mixed():
    with pytest.raises(MaskfoldError, match=r"nobody to be mixed with. Set trainer.batch_size=2"):
        refuse_single(MaskMixing(cutmix=1.0), batch_size=1)
    refuse_single(MaskMixing(), batch_size=1)
    refuse_single(None, batch_size=1)


SMALL = ["experiment=demo_unet", "scale=smoke", "model.widths=[4,4,8]", "trainer.accelerator=cpu", "keep_last=true"]
MIXED = ["mixing.mixup=1", "mixing.cutmix=1", "mixing.until=0.5", "trainer.max_epochs=2", "trainer.save_every=1step"]


@pytest.mark.hostile("killed")
def test_a_run_broken_off_in_an_epoch_mixes_as_one_that_was_not_and_validation_never_does(
    tmp_path, workplace, monkeypatch
):
    seen, stop = [], []
    losses = MaskObjective.losses

    def noted(objective, output, batch):
        entry = (objective.training, objective.epochs, SHARES in batch, float(batch["image"].float().mean()))
        seen.append(entry)
        if stop == [len(seen)]:
            raise KeyboardInterrupt
        return losses(objective, output, batch)

    def run(name):
        seen.clear()
        train(compose("train", [*SMALL, *MIXED, *workplace, f"name={name}", "trainer.limit_batches=3"]))
        return RunFolder(tmp_path / "experiments" / name / "fold0")

    monkeypatch.setattr(MaskObjective, "losses", noted)
    whole, every = run("whole"), [*seen]
    stop.append(3)
    with pytest.raises(KeyboardInterrupt):
        run("broken")
    stop.clear()
    broken = run("broken")

    assert every[2:] == seen  # behind the two batches of the first epoch that were saved
    assert not any(is_mixed for training, *_, is_mixed, _ in every if not training)
    one, other = (load_checkpoint(folder.last)["state_dict"] for folder in (whole, broken))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {epochs for _, epochs, *_ in every} == {2}
