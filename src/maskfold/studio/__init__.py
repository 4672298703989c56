"""Photos of cars in a studio, drawn instead of taken, with exact masks."""

from maskfold.studio.generate import generate

__all__ = ["generate"]
