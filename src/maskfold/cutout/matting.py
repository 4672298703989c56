"""The two parts of pymatting that cut-outs use, loaded without the rest of it.

Its package compiles all its methods with numba as soon as it is imported, the better part of a minute. These two
modules take seconds the first time, and half a second from then on: what numba compiles is kept in the user's cache
folder. `python -m maskfold.cutout.matting` compiles them ahead of the first photo.
"""

import functools
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from maskfold.cutout.alpha import signed_distance

log = logging.getLogger(__name__)

CACHE = "NUMBA_CACHE_DIR"
_PACKAGE = "pymatting"
_FOREGROUND = f"{_PACKAGE}.foreground.estimate_foreground_ml"
_ALPHA = f"{_PACKAGE}.alpha.estimate_alpha_cf"
_FOLDERS = ("alpha", "foreground", "laplacian", "preconditioner", "solver", "util")
_loading = threading.Lock()
_running = threading.Lock()

Foreground = Callable[[np.ndarray, np.ndarray], np.ndarray]


@functools.cache
def foreground_estimate() -> Foreground | None:
    """Return pymatting's multi-level estimate of the object's colour (Germer et al., 2020); None where it is not had.

    It takes `(H, W, 3) float32` colours of 0..1 and `(H, W) float32` alpha, and returns colours like those.
    """
    module = _loaded(_FOREGROUND, otherwise="the object's colours are estimated as with colour=fast")
    return None if module is None else _one_at_a_time(module.estimate_foreground_ml)


@functools.cache
def _closed_form() -> Callable | None:
    module = _loaded(_ALPHA, otherwise="alpha is that of alpha=soft")
    return None if module is None else module.estimate_alpha_cf


def matted_alpha(photo: np.ndarray, probability: np.ndarray, alpha: np.ndarray, reach: float) -> np.ndarray:
    """Return alpha by closed-form matting (Levin et al., 2008) in a band along the outline, solved at half the size.

    Args:
        photo: `(H, W, 3) uint8`.
        probability: Its map, `(H, W) uint8`.
        alpha: `(H, W) float32`, what is returned outside the band, and everywhere where pymatting cannot be had.
        reach: Pixels: the band is twice as wide to either side, and wider where the map itself is in doubt.

    Returns:
        `(H, W) float32`.
    """
    solve = _closed_form()
    if solve is None or min(photo.shape[:2]) < 8:
        return alpha
    depth = signed_distance(probability)
    unknown = (np.abs(depth) <= 2 * reach) | ((np.abs(depth) <= 6 * reach) & (probability > 12) & (probability < 243))
    trimap = np.where(unknown, 0.5, (depth > 0).astype(np.float64))
    half = (max(photo.shape[1] // 2, 4), max(photo.shape[0] // 2, 4))
    small = cv2.resize(trimap, half, interpolation=cv2.INTER_AREA)
    small = np.where(small < 0.01, 0.0, np.where(small > 0.99, 1.0, 0.5))
    if len(np.unique(small)) < 3:
        return alpha
    colours = cv2.resize(photo, half, interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    try:
        solved = solve(colours, small)
    except ValueError as error:  # the solver's word for a matrix that it cannot factor, as of a photo of one colour
        log.debug("closed-form matting: %s", error)
        return alpha
    matte = cv2.resize(solved.astype(np.float32), photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.where(unknown, np.clip(matte, 0, 1), alpha).astype(np.float32)


def _loaded(name: str, *, otherwise: str) -> ModuleType | None:
    """Return a module of pymatting; None, with a warning, where it is missing or numba cannot compile it."""
    try:
        with _loading, _without_the_rest():
            return importlib.import_module(name)
    except ImportError as error:
        log.warning("pymatting is not installed (%s), so %s: pip install 'maskfold[cutout]'.", error, otherwise)
    except Exception as error:  # whatever numba raises where it finds no folder to write to or a compiler it dislikes
        log.warning("pymatting cannot be compiled (%s), so %s.", " ".join(f"{error}".split())[:200], otherwise)
    return None


@contextmanager
def _without_the_rest() -> Iterator[None]:
    """Let single modules of pymatting be imported while the `__init__` of its folders, which import all, are not run.

    Whoever imports pymatting afterwards gets all of it as usual.
    """
    if _PACKAGE in sys.modules:
        yield
        return
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError(f"No module named {_PACKAGE!r}")
    _set_cache()
    root = Path(spec.origin).parent
    folders = {_PACKAGE: root, **{f"{_PACKAGE}.{name}": root / name for name in _FOLDERS}}
    for name, folder in folders.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]


def _set_cache() -> None:
    """Have numba keep what it compiles in the user's own cache folder, unless the environment names another."""
    if CACHE not in os.environ:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        os.environ[CACHE] = str(Path(home) / "maskfold" / "numba")
    from numba import config

    config.CACHE_DIR = os.environ[CACHE]  # which it has read already where something else has loaded it


def _one_at_a_time(estimate: Foreground) -> Foreground:
    """Return an estimate that threads may share, whatever numba runs its own threads with."""
    try:
        # OpenMP's threads may be shared; numba's own end the process that tries.
        importlib.import_module("numba.np.ufunc.omppool")
        return estimate
    except ImportError:

        def alone(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
            with _running:
                return estimate(image, alpha)

        return alone


if __name__ == "__main__":
    foreground_estimate()
    _closed_form()
