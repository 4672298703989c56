"""Memory that is freed stays with the process: counted in the pages that the kernel has to clear for it."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from maskfold.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def work():
    photos = [np.ones(7_000_000, np.uint8) for _ in range(4)]
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is done")
def test_arrays_of_a_photos_size_are_made_from_pages_that_are_there():
    pages = 10 * 4 * 7_000_000 // 4096  # of 4 KiB; fewer faults where the kernel gives larger ones

    assert faults("kept") < pages / 100
    assert faults("freed") > 3 * faults("kept")
