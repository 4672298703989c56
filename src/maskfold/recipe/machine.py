"""What a recipe looks at in the machine: the device, and which pretrained weights lie here."""

from dataclasses import dataclass
from pathlib import Path

import joblib

from maskfold.processor import cpu_has_bf16


@dataclass(frozen=True)
class Device:
    """What networks run on.

    Attributes:
        gpu: Its name; None without one.
        memory: GiB of the GPU.
        bf16: Whether the GPU, or without one the processor, computes in bf16 itself.
        cores: Of the processor, that this process may use.
    """

    gpu: str | None
    memory: float
    bf16: bool
    cores: int

    def __str__(self) -> str:
        """Say what it is."""
        cores = f"{self.cores} CPU core{'s' if self.cores > 1 else ''}"
        if self.gpu is None:
            return f"no GPU, {cores}{' with bf16' if self.bf16 else ''}"
        return f"{self.gpu} with {self.memory:.0f} GiB, {'bf16' if self.bf16 else 'without bf16'}, {cores}"


def this_device() -> Device:
    """Look at the machine that this process runs on; of several GPUs at the first, which a training takes."""
    import torch

    cores = joblib.cpu_count()
    if not torch.cuda.is_available():
        return Device(gpu=None, memory=0.0, bf16=cpu_has_bf16(), cores=cores)
    card = torch.cuda.get_device_properties(0)
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return Device(gpu=card.name, memory=card.total_memory / 2**30, bf16=bf16, cores=cores)


def lies_here(encoder: str) -> bool:
    """Tell whether an encoder's usual pretrained weights are in the caches of this machine; no network is asked.

    Args:
        encoder: `tu-<name>` of timm, else a name of torchvision.
    """
    if encoder.startswith("tu-"):
        from huggingface_hub.constants import HF_HUB_CACHE

        from maskfold.models.libraries import timm

        config = timm.models.get_pretrained_cfg(encoder.removeprefix("tu-"))
        if config is None:
            return False
        folder = Path(HF_HUB_CACHE) / f"models--timm--{config.architecture}.{config.tag}"
        return any(folder.glob("snapshots/*/*.safetensors")) or any(folder.glob("snapshots/*/*.bin"))
    from torch.hub import get_dir

    return any(Path(get_dir(), "checkpoints").glob(f"{encoder}-*.pth"))
