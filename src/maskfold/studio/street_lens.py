"""A camera of the street: glare, blur, vignette, white balance, contrast, sharpening, noise and JPEG by chance."""

import cv2
import numpy as np
import simplejpeg


def expose(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn linear light (H, W, 3) float32 into a uint8 photo."""
    height, width = picture.shape[:2]
    unit = width / 480  # blur is meant for photos of this width
    picture = picture * np.float32(np.exp(rng.normal(0.05, 0.2)))
    picture *= rng.normal(1.0, 0.035, 3).astype(np.float32)
    picture *= _vignette(height, width, rng)
    glare = cv2.GaussianBlur(np.minimum(picture, 3), (0, 0), rng.uniform(4, 20) * unit)
    picture += np.float32(rng.uniform(0.0, 0.1)) * (glare - picture)
    picture = cv2.GaussianBlur(picture, (0, 0), max(0.3, unit * rng.uniform(0.1, 0.9)))
    np.clip(picture, 0, 1, out=picture)
    encoded = picture ** np.float32(1 / rng.uniform(1.9, 2.6))
    contrast = rng.uniform(-0.15, 0.3)  # towards an S-shaped curve, or away from it
    encoded += np.float32(contrast) * (encoded * encoded * (3 - 2 * encoded) - encoded)
    if rng.random() < 0.5:
        soft = cv2.GaussianBlur(encoded, (0, 0), 1.0)
        encoded += np.float32(rng.uniform(0.0, 0.8)) * (encoded - soft)
    encoded += rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(rng.uniform(0, 0.012))
    encoded += rng.standard_normal((height, width, 3), dtype=np.float32) * np.float32(rng.uniform(0, 0.012))
    photo = (np.clip(encoded, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.5:
        stored = simplejpeg.encode_jpeg(photo, int(rng.integers(40, 96)), "RGB", "420")
        photo = simplejpeg.decode_jpeg(stored, "RGB")
    return photo


def _vignette(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return the share of light that each pixel gets, (H, W, 3): less towards the edge, and in some tinted corner."""
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    light = 1 - np.float32(rng.uniform(0.0, 0.3)) * ((x * x + y * y) / 2) ** np.float32(1.5)
    light = np.repeat(light[..., None], 3, axis=2)
    for across, down in rng.permutation([(-1, -1), (-1, 1), (1, -1), (1, 1)])[: rng.integers(0, 3)]:
        near = np.exp(-((x - across) ** 2 + (y - down) ** 2) / np.float32(rng.uniform(0.01, 0.05)))
        light -= near[..., None] * rng.uniform((0.1, 0.1, 0.0), (0.7, 0.6, 0.4)).astype(np.float32)
    return np.maximum(light, 0)
