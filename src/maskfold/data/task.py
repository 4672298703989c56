"""The tasks that data are for: known without data, or what reads it."""

SEGMENTATION = "segmentation"
RECOGNITION = "recognition"
