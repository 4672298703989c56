"""Competition-grade image masking: folds, ensembles, repair and run-length submissions."""

import cv2

__version__ = "0.1.0"

# Images are worked on in parallel, one core each. And a loading process that is forked off a process in which OpenCV
# has begun threads would wait for those threads forever.
cv2.setNumThreads(0)
