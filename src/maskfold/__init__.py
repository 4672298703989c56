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
