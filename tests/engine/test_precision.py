"""The number format that is chosen for a device."""

import pytest
import torch

from maskfold.engine.precision import choose_precision

# What the cards answer: a P100 (6.0) and a T4 (7.5) emulate bf16, an A100 (8.0) has it. The P100 has no tensor cores.
CARDS = {"P100": ((6, 0), False), "T4": ((7, 5), False), "A100": ((8, 0), True), None: (None, False)}


@pytest.mark.parametrize(
    ("precision", "accelerator", "card", "chosen"),
    [
        ("auto", "auto", "P100", "32-true"),
        ("auto", "gpu", "T4", "16-mixed"),
        ("auto", "auto", "T4", "16-mixed"),
        ("auto", "cuda", "A100", "bf16-mixed"),
        ("auto", "cpu", "A100", "32-true"),
        ("auto", "mps", None, "32-true"),
        ("auto", "auto", None, "32-true"),
        ("bf16-mixed", "auto", "T4", "bf16-mixed"),  # who asks for it gets it, emulated
    ],
)
def test_emulated_bf16_is_never_chosen(monkeypatch, precision, accelerator, card, chosen):
    capability, real = CARDS[card]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card is not None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or real)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)

    assert choose_precision(precision, accelerator) == chosen
