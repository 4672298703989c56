"""Which number format a device computes in quickly, for `precision=auto`."""

import torch

FULL, BF16, FP16 = "32-true", "bf16-mixed", "16-mixed"  # Lightning's names
_TENSOR_CORES = (7, 0)  # the first compute capability that multiplies fp16 in units of its own (Volta)


def choose_precision(precision: str, accelerator: str) -> str:
    """Return Lightning's precision for `auto`; any other as it is.

    On a GPU bf16-mixed where it computes in bf16 itself, 16-mixed, whose losses Lightning scales, where it has tensor
    cores for fp16, else 32-true: emulated bf16 is slower than float32. Elsewhere 32-true.

    Args:
        precision: One of Lightning's names, or `auto`.
        accelerator: One of Lightning's names, or `auto`.
    """
    if precision != "auto":
        return precision
    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return FULL
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return BF16
    return FP16 if torch.cuda.get_device_capability() >= _TENSOR_CORES else FULL
