"""Memory that is used again instead of given back, and garbage that is not looked for where there is none."""

import ctypes
import gc
import sys
from itertools import pairwise

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3), in malloc.h
_LARGEST = 32 * 2**20  # bytes; glibc takes no larger threshold, see mallopt(3)
_KEPT = 256 * 2**20  # bytes
_COMMANDS = ("maskfold.stages.", "maskfold.demo")


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


def pause_collection() -> None:
    """Look for no garbage while a command imports; in other processes nothing is changed.

    What libraries make then stays for good, and each of Python's rounds goes through all of it, which takes a good
    part of the start of a command that imports torch and Lightning (tests/benchmarks/bench_startup.py).
    """
    if _is_command():
        gc.disable()


def resume_collection() -> None:
    """Look for garbage again in a command, but not in what there is by now.

    The round at the process's end, which users wait for, does not go through that either.
    """
    if _is_command():
        gc.freeze()
        gc.enable()


def _is_command() -> bool:
    """Return whether this process was begun as `python -m maskfold.stages.<stage>`, or as a demo."""
    return any(flag == "-m" and name.startswith(_COMMANDS) for flag, name in pairwise(sys.orig_argv))
