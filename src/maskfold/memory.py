"""Memory that is used again instead of given back."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3), in malloc.h
_LARGEST = 32 * 2**20  # bytes; glibc takes no larger threshold, see mallopt(3)
_KEPT = 256 * 2**20  # bytes


def keep_freed_memory() -> None:
    """Have this process keep up to 256 MiB of the memory it frees, for arrays of up to 32 MiB.

    A photo's arrays live for milliseconds. The C library hands each one's pages back to the kernel, which clears new
    ones for the next: with the photo operations here that costs as much time as the work itself
    (tests/benchmarks/bench_loading.py). Elsewhere than on glibc this does nothing.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_MMAP_THRESHOLD, _LARGEST)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)
