"""A network by itself on a device, with photos that are in memory already: what `bench_gpu.py` compares with.

As the stages run it (bf16, channels_last, torch.compile, pinned copies) against the plain loop in the same run (float32
eager, one thing after another), and what share of the device's measured rates that is.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from statistics import median
from time import perf_counter

import torch
from measure import BASELINE
from torch.utils.flop_counter import FlopCounterMode

from maskfold.config import build, compose
from maskfold.models.network import Network
from maskfold.prediction.tta import predict_probability
from maskfold.trust import PRETRAINED

PHOTO = (1280, 1918)
STRETCHES = 3
WARM_UPS = 3  # steps that compile, and let cuDNN choose


class Bench:
    """One network at one size on one device.

    Args:
        member: The experiment.
        device: Where.
        size: (height, width) instead of the experiment's own.
        seconds: How long each stretch of a measurement takes, about.
        compile_mode: Of `torch.compile`, or None for none.
    """

    def __init__(
        self, member: str, device: torch.device, size: tuple[int, int] | None, seconds: float, compile_mode: str | None
    ) -> None:
        self.config = compose("train", [f"experiment={member}"])
        self.config.model.update({key: None for key in PRETRAINED if key in self.config.model})
        self.device, self.seconds, self.compile_mode = device, seconds, compile_mode
        self.size = size or build(self.config.geometry).network_size(*PHOTO)
        self.batch = self.config.trainer.batch_size
        self.tta = self.config.tta
        self.loss = build(self.config.loss)

    def network(self, *, fast: bool) -> Network:
        """Return the network on the device, made ready the fast way or the plain one."""
        torch.manual_seed(0)
        network = Network(build(self.config.model)).to(self.device)
        if fast:
            network.to(memory_format=torch.channels_last)
            if self.compile_mode is not None:
                network.compile(mode=self.compile_mode)
        return network

    def photos(self, *, pinned: bool) -> torch.Tensor:
        """Return a batch of photos in the host's memory."""
        photos = torch.randint(0, 256, (self.batch, 3, *self.size), dtype=torch.uint8)
        return photos.pin_memory() if pinned and self.device.type == "cuda" else photos

    def autocast(self) -> AbstractContextManager:
        """Return what computes in bfloat16."""
        return torch.autocast(self.device.type, torch.bfloat16)

    def rates(self, *steps: Callable[[], object]) -> list[list[float]]:
        """Return photos a second of each step over one batch, in several stretches of time in which they take turns."""
        for step in steps:
            for _ in range(WARM_UPS):
                step()
        turns = [[self.rate(step) for step in steps] for _ in range(STRETCHES)]
        return [list(column) for column in zip(*turns, strict=True)]

    def rate(self, step: Callable[[], object]) -> float:
        """Return photos a second of a step, for a while."""
        synchronise(self.device)
        start, steps = perf_counter(), 0
        while steps < 2 or perf_counter() - start < self.seconds:
            step()
            steps += 1
        synchronise(self.device)
        return steps * self.batch / (perf_counter() - start)

    def plain_prediction(self) -> Callable[[], object]:
        """Return a float32 step that does one thing after another."""
        network, photos = self.network(fast=False).eval(), self.photos(pinned=False)

        @torch.inference_mode()
        def step() -> torch.Tensor:
            return predict_probability(network, photos.to(self.device), self.tta).cpu()

        return step

    def fast_prediction(self) -> Callable[[], object]:
        """Return the network's own work in prediction, as it is asked for by whoever writes its maps."""
        network, photos = self.network(fast=True).eval(), self.photos(pinned=True)

        @torch.inference_mode()
        def step() -> torch.Tensor:
            image = photos.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
            with self.autocast():
                return predict_probability(network, image, self.tta).cpu()

        return step

    def training(self, *, fast: bool) -> Callable[[], object]:
        """Return forward, loss, backward and optimizer."""
        network = self.network(fast=fast).train()
        layout = torch.channels_last if fast else torch.contiguous_format
        optimizer = build(self.config.optimizer)(network.parameters())
        photos, masks = self.photos(pinned=fast), (self.photos(pinned=False)[:, :1] > 127).to(torch.uint8)
        masks = masks.pin_memory() if fast and self.device.type == "cuda" else masks

        def step() -> None:
            image = photos.to(self.device, non_blocking=fast).contiguous(memory_format=layout)
            target = masks.to(self.device, non_blocking=fast).float()
            optimizer.zero_grad()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=fast):
                loss = self.loss(network(image), target).mean()
            loss.backward()
            optimizer.step()

        return step

    def work(self) -> tuple[float, float]:
        """Return the operations of one photo's forward pass, and the bytes its convolutions read and write in bf16."""
        network = self.network(fast=False).eval()
        moved = Counter()

        def count(_module: torch.nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
            moved["bytes"] += 2 * (sum(tensor.numel() for tensor in given) + made.numel())

        handles = [
            module.register_forward_hook(count)
            for module in network.modules()
            if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
        ]
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            network(self.photos(pinned=False)[:1].to(self.device))
        for handle in handles:
            handle.remove()
        return counter.get_total_flops(), moved["bytes"]


def synchronise(device: torch.device) -> None:
    """Wait until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_each(step: Callable[[], object], device: torch.device, times: int) -> float:
    """Return the median seconds of a call on the device."""
    found = []
    for _ in range(times + 2):
        synchronise(device)
        start = perf_counter()
        step()
        synchronise(device)
        found.append(perf_counter() - start)
    return median(found[2:])


def device_rates(device: torch.device, side: int) -> tuple[float, float]:
    """Return the bf16 operations a second of a large matrix product, and the bytes a second of a large copy."""
    left, right = torch.randn(2, side, side, device=device, dtype=torch.bfloat16)
    source = torch.empty(side * side * 8, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product = seconds_each(lambda: left @ right, device, 10)
    copy = seconds_each(lambda: target.copy_(source), device, 10)
    return 2 * side**3 / product, 2 * source.numel() / copy


def measure_member(bench: Bench, member: str, peak: tuple[float, float]) -> Iterator[dict]:
    """Yield a row for each of prediction and training, plain and fast."""
    flops, moved = bench.work()
    views = 2 if bench.tta == "hflip" else 1
    for case, work, steps in (
        ("prediction", views, (bench.plain_prediction(), bench.fast_prediction())),
        ("training", 3, (bench.training(fast=False), bench.training(fast=True))),
    ):
        plain, fast = bench.rates(*steps)
        for way, rates in ((BASELINE, plain), ("maskfold", fast)):
            ratios = [mine / theirs for mine, theirs in zip(rates, plain, strict=True)]
            rate = median(rates)
            yield {
                "case": f"{member}, bare {case}",
                "member": member,
                "task": f"bare {case}",
                "way": way,
                "images_per_second": rate,
                "ratio": median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "matmul_share": rate * work * flops / peak[0],
                "bandwidth_share": rate * work * moved / peak[1],
                "size": f"{bench.size[1]}x{bench.size[0]}",
                "batch": bench.batch,
                "views": views,
            }
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
