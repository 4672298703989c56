"""What a processor says of itself, as Linux writes it down."""

from pathlib import Path

import pytest

from maskfold.processor import cpu_has_bf16


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 avx512_vnni", True),
        ("flags\t\t: fpu amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu avx512f avx512_vnni", False),
        ("model name\t: bf16", False),
    ],
)
def test_a_cpu_says_what_it_multiplies(monkeypatch, line, has):
    monkeypatch.setattr(Path, "read_text", lambda _path: f"processor\t: 0\n{line}\n")

    assert cpu_has_bf16() is has
