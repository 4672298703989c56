"""Competition-grade image masking: folds, ensembles, repair and run-length submissions."""

import os
import sys

__version__ = "0.1.0"

# Images are worked on in parallel, one core each. And a loading process that is forked off a process in which OpenCV
# has begun threads would wait for those threads forever. OpenCV asks for this when it first works, in this process and
# those that it starts; importing it here would cost every command its time.
os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
if "cv2" in sys.modules:
    sys.modules["cv2"].setNumThreads(0)

# A thread that has done its share of a step sleeps until the next, here and in the processes started from here. While
# it turns in circles, as OpenMP has it by default, it takes a core from whoever else works on the machine, and the
# others of its own step wait for that (tests/benchmarks/bench_threads.py). Read once, when torch is loaded.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "passive"
