"""What this machine's processor can do by itself."""

from pathlib import Path

_BF16_UNITS = {"avx512_bf16", "amx_bf16", "bf16"}  # what Linux calls them, the last on ARM


def cpu_has_bf16() -> bool:
    """Return whether this machine's processor multiplies bf16 in units of its own; False where that cannot be read."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    return any(_BF16_UNITS & {*line.split()} for line in lines if line.lower().startswith(("flags", "features")))
