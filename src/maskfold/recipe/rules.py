"""The rules: from what the data and the device are like to how members are trained, each with a sentence why."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from maskfold.recipe.looking import DataLook
from maskfold.recipe.machine import Device
from maskfold.recipe.members import BIG, Family

RUNGS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)  # pixels of an input's long side
_STRIDE = 32  # that every network here divides
_SEEN = 8  # pixels that an object should be wide to be seen well
_FEW = 1000  # photos to learn from
_STEPS = {True: 6000, False: 8000}  # of the optimizer, from pretrained weights and from random ones
_EPOCHS = {True: (10, 40), False: (20, 100)}  # the least and the most that rules ask for
_STEPS_OF_AVERAGE = 300  # a shorter training gets none
_LONG = 24  # epochs, from which on a network would see the same photos too often as they are


class Said(NamedTuple):
    """A value, and why it is that."""

    value: Any
    why: str


@dataclass(frozen=True)
class InputSize:
    """What networks are shown of a photo.

    Attributes:
        geometry: An option of the group: `resize`, `pad` or `tile`.
        height: Pixels, which `pad` leaves to the photos.
        width: Pixels.
        why: In words.
    """

    geometry: str
    height: int
    width: int
    why: str

    @property
    def long(self) -> int:
        """Pixels of the long side."""
        return max(self.height, self.width)


def number_of_folds(look: DataLook, device: Device) -> Said:
    """Return how many folds the data get where they have none yet; at most one a group."""
    k = min(3 if device.gpu is None else 5, look.groups)
    if k < (3 if device.gpu is None else 5):
        return Said(k, f"the data have {look.groups} groups, and a group is in one fold")
    if device.gpu is None:
        return Said(
            k, "each network learns from two thirds of the photos; five folds would take twice as long on a CPU"
        )
    return Said(k, "each network learns from four fifths of the photos")


def most_pixels(device: Device) -> int:
    """Return the long side, pixels, that a device is not asked to exceed."""
    if device.gpu is None:
        return 384
    return 512 if device.memory < BIG else 768 if device.memory < 30 else 1024


def input_size(look: DataLook, device: Device, *, most: int | None = None) -> InputSize:
    """Return what networks are shown.

    Args:
        look: At the data.
        device: What they run on.
        most: Pixels of the long side that the budget allows; None for the device's own.
    """
    limit = min(most or most_pixels(device), most_pixels(device))
    usual = min(256 if device.gpu is None else 512, limit)
    needed = _SEEN / look.thickness if look.thickness else 0.0
    long = next((rung for rung in RUNGS if rung >= max(usual, needed)), RUNGS[-1])
    long = min(long, limit)
    if look.very_large:
        side = min(usual, 512)
        return InputSize("tile", side, side, "photos as large as these are read and shown in windows at full size")
    thin = f"the objects are {look.thickness:.1%} of the photo's long side wide" if look.thickness else ""
    if most is None and needed > 2 * limit and look.long >= 2 * limit:
        side = min(usual, 512)
        return InputSize("tile", side, side, f"{thin}: made small they would vanish, so windows at full size are shown")
    if look.one_size and look.long <= long:
        return InputSize("pad", look.height, look.width, "all photos have one size that the device takes as it is")
    scale = min(1.0, long / look.long)
    height, width = (max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (look.height, look.width))
    why = [f"photos are {look.width} x {look.height} in the middle"]
    if needed > usual:
        why.append(f"{thin}, which asks for {min(needed, 9999):.0f} pixels")
    if long == limit and (needed > limit or limit == most):
        why.append(f"{limit} is what {'the budget' if limit == most else 'the device'} allows")
    if not look.one_size and look.spread > 1.5:
        why.append("photos differ in size, and are all brought to this one")
    return InputSize("resize", height, width, "; ".join(why))


def smaller(size: InputSize) -> int | None:
    """Return the next smaller rung, pixels of the long side; None where there is none worth trying."""
    below = [rung for rung in RUNGS if rung < size.long]
    return None if size.geometry == "tile" or not below else below[-1]


@dataclass(frozen=True)
class Training:
    """How a member is trained, but for how long.

    Attributes:
        family: The network.
        size: What it is shown.
        batch: Photos to a step.
        rate: Of learning.
        precision: One of Lightning's names, or `auto`.
        wanted: Epochs.
        least: Epochs that are worth a member.
        learned: Photos that a fold learns from.
        why: By what it is about, a sentence.
    """

    family: Family
    size: InputSize
    batch: int
    rate: float
    precision: str
    wanted: int
    least: int
    learned: int
    why: dict[str, str]

    def steps(self, epochs: int) -> int:
        """Return how many steps a training of so many epochs has."""
        return epochs * max(1, self.learned // self.batch)

    def decay(self, epochs: int) -> Said:
        """Return the decay of the weights' average, None for no average."""
        steps = self.steps(epochs)
        if steps < _STEPS_OF_AVERAGE:
            return Said(None, f"{steps:,} steps are too few: an average of the weights would lag behind")
        return Said(
            round(1 - 15 / steps, 4) if steps < 15_000 else 0.999,
            f"the average of about the last fifteenth of {steps:,} steps",
        )

    def augment(self, look: DataLook, epochs: int) -> Said:
        """Return an option of the group `augment`."""
        if look.channels is not None:
            return Said("light", "channels are read as they are stored, and only shapes may change")
        if epochs < _LONG:
            return Said("flip", f"{epochs} epochs are few: photos as they are, and their mirror images")
        if self.learned < _FEW and self.family.weights is None:
            return Said("heavy", f"{epochs} epochs of {self.learned} photos, from random weights")
        return Said("soft", f"{epochs} epochs: small changes of place, scale and colour keep photos new")


def training(
    family: Family, look: DataLook, device: Device, size: InputSize, *, k: int, epochs: int | None
) -> Training:
    """Return how a network is trained.

    Args:
        family: The network.
        look: At the data.
        device: What it runs on.
        size: What it is shown.
        k: Folds.
        epochs: That are asked for; None for the rules' own.
    """
    learned = max(1, look.photos * (k - 1) // k)
    ready = family.weights is not None
    batch, of_batch = _batch(device, ready=ready, few=learned < _FEW, large=size.long > 768)
    rate = 1e-4 if ready else family.rate_of_pairs if batch <= 2 else family.rate
    steps, (least, most) = _STEPS[ready], _EPOCHS[ready]
    wanted = epochs or max(least, min(most, round(steps * batch / learned)))
    begun = "pretrained" if ready else "random"
    of_precision = _precision(device)
    why = {
        "batch": of_batch,
        "precision": of_precision.why,
        "rate": f"{begun} weights; it rises for a twentieth of the steps, then falls along a cosine",
        "epochs": "as asked" if epochs else f"some {steps:,} steps from {begun} weights, {least} to {most} epochs",
    }
    least = epochs or (wanted + 1) // 2
    return Training(family, size, batch, rate, of_precision.value, wanted, least, learned, why)


def _precision(device: Device) -> Said:
    if device.gpu is None and device.bf16:
        return Said("bf16-mixed", "this processor multiplies bf16 itself, and trains in about six tenths of the time")
    return Said("auto", "")


def _batch(device: Device, *, ready: bool, few: bool, large: bool) -> Said:
    if few and not ready:
        size = 2 if device.gpu is None else 4
        return Said(size, "few photos and random weights: small batches, and so more steps")
    size = 4 if device.gpu is None or device.memory < BIG or (large and device.memory < 30) else 8
    return Said(size, "what the device holds at this size" if device.gpu else "enough for batch norm on a CPU")


def loss(look: DataLook) -> Said:
    """Return an option of the group `loss`."""
    if look.exclusive:
        return Said("cross_entropy", "the classes never overlap")
    empty = f", and cross-entropy teaches the {look.empty:.0%} of photos that are empty" if look.empty > 0.2 else ""
    return Said("bce_dice", f"Dice is what is scored by, cross-entropy makes it smooth{empty}")


def remarks(look: DataLook) -> Iterator[str]:
    """Yield what no key says."""
    if look.groups < 0.9 * look.photos:
        yield f"{look.photos / look.groups:.1f} photos a group: a fold has whole groups, and scores are of new ones."
    if look.empty > 0.05:
        yield f"{look.empty:.0%} of the photos are empty: `make tune` chooses when a photo is, once maps are there."
    if look.area and look.area < 0.01:
        yield f"Objects are {look.area:.2%} of a photo: look at `make report` for those that are missed altogether."
    yield "Mirror images are taken for photos as good as any. Where left and right differ, set augment and tta to none."
