"""Competition-grade image masking: folds, ensembles, repair and run-length submissions."""

__version__ = "0.1.0"
