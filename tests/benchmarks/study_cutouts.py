"""Cut-outs of photos of 2.4 megapixels: how far edges are off where the truth is known, and what they cost.

Writes docs/measured/cutouts.csv: a row a way to make the edge, on composites whose alpha and colours are known; and a
row a folder of real photos that went through `maskfold cutout`. A quarter of an hour on one core.

    python tests/benchmarks/study_cutouts.py <folder of ccp> [<working folder>:<member>:<folder of photos> ...]

`ccp` is the Clothing Co-Parsing data (Yang, Luo, Lin, CVPR 2014) with `images` and `masks`. A working folder has
`experiments/<member>`, trained.

The way called `rembg's steps` is what that program documents for its alpha matting, with its defaults: the map of the
network resized to the photo, a trimap of what is above 240 and below 10 eroded by 10 pixels, closed-form matting of the
whole photo, the multi-level estimate of the whole photo's colours.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.cutout import matting
from maskfold.cutout.cutting import cut_out
from maskfold.cutout.files import encode, read_photo
from maskfold.cutout.options import CutoutOptions

HEIGHT, WIDTH = 1280, 1918
PHOTOS, ROUNDS = 4, 2
NETWORK = 320  # pixels of the side of a map, as U2-Net's
BAND = 3  # pixels around the mixed ones in which a mask may be wrong too
Scene = tuple[np.ndarray, np.ndarray, np.ndarray]


def scene(ccp: Path, number: int) -> Scene:
    """Return a composite of 2.4 megapixels: photo `(H, W, 3) uint8`, alpha `(H, W)`, the object's colours `(H, W, 3)`.

    A person of one photo, enlarged, whose mask is blurred by a camera's blur, on another photo out of focus. Outside
    the mask the object has the colour of the nearest pixel inside.
    """
    paths = sorted((ccp / "images").glob("*.jpg"))
    path, other = paths[37 * number % len(paths)], paths[(37 * number + 150) % len(paths)]
    by = HEIGHT / cv2.imread(str(path)).shape[0]
    own = cv2.resize(cv2.imread(str(path))[..., ::-1], None, fx=by, fy=by, interpolation=cv2.INTER_CUBIC)
    mask = cv2.imread(str(ccp / "masks" / f"{path.stem}.png"), 0)
    rough = cv2.resize(mask, own.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    inside = (cv2.GaussianBlur(rough, (0, 0), 3) > 127).astype(np.uint8)
    core = cv2.erode(inside, np.ones((7, 7), np.uint8))
    _, labels = cv2.distanceTransformWithLabels(1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((labels.max() + 1, 3), np.float32)
    colours[labels[core > 0]] = own[core > 0]
    front = np.where(core[..., None] > 0, own, cv2.GaussianBlur(colours[labels], (0, 0), 2)).astype(np.float32)
    left = (WIDTH - own.shape[1]) // 2
    sides = ((0, HEIGHT - own.shape[0]), (left, WIDTH - own.shape[1] - left))
    alpha = cv2.GaussianBlur(np.pad(inside, sides).astype(np.float32), (0, 0), 1.2)
    front = np.pad(front, (*sides, (0, 0)), mode="edge")
    back = cv2.resize(cv2.imread(str(other))[..., ::-1], (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    back = cv2.GaussianBlur(back, (0, 0), 4).astype(np.float32)
    noise = np.random.default_rng(number).normal(0, 2, (HEIGHT, WIDTH, 3))
    photo = alpha[..., None] * front + (1 - alpha[..., None]) * back + noise
    return np.rint(np.clip(photo, 0, 255)).astype(np.uint8), alpha, front


def map_of(alpha: np.ndarray, side: int | None) -> np.ndarray:
    """Return what a perfect network answers: at the photo's size, or at its own and resized; `(H, W) uint8`."""
    if side is None:
        return np.rint(255 * cv2.GaussianBlur(alpha, (0, 0), 1)).astype(np.uint8)
    small = cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA)
    return np.rint(255 * np.clip(cv2.resize(small, alpha.shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)).astype(
        np.uint8
    )


def ours(**options: str) -> Callable[[np.ndarray, np.ndarray, dict], np.ndarray]:
    """Return a way of this program's."""

    def cut(photo: np.ndarray, probability: np.ndarray, seconds: dict) -> np.ndarray:
        began = time.perf_counter()
        picture = cut_out(photo, probability, CutoutOptions(**options))
        seconds["alpha and colours"] = time.perf_counter() - began
        return picture

    return cut


def rembgs(photo: np.ndarray, probability: np.ndarray, seconds: dict) -> np.ndarray:
    """Cut out with rembg's steps."""
    times = [time.perf_counter()]
    kernel = np.ones((10, 10), np.uint8)
    sure = cv2.erode((probability > 240).astype(np.uint8), kernel, borderValue=0)
    clear = cv2.erode((probability < 10).astype(np.uint8), kernel, borderValue=1)
    trimap = np.where(sure > 0, 1.0, np.where(clear > 0, 0.0, 0.5))
    colours = photo.astype(np.float64) / 255
    alpha = matting._closed_form()(colours, trimap)
    times.append(time.perf_counter())
    front = matting.foreground_estimate()(colours, alpha)
    picture = np.dstack([np.rint(255 * np.clip(front, 0, 1)), np.rint(255 * alpha)]).astype(np.uint8)
    times.append(time.perf_counter())
    seconds["alpha"], seconds["colours"] = np.diff(times)
    seconds["alpha and colours"] = times[-1] - times[0]
    return picture


def naive(photo: np.ndarray, probability: np.ndarray, seconds: dict) -> np.ndarray:
    """Cut out with the mask and the photo's own colours."""
    return ours(alpha="hard", colour="keep")(photo, probability, seconds)


WAYS = {
    "hard mask, colours kept": naive,
    "rembg's steps": rembgs,
    "alpha=soft colour=clean": ours(),
    "alpha=soft colour=fast": ours(colour="fast"),
    "alpha=matting colour=clean": ours(alpha="matting"),
    "alpha=matting colour=fast": ours(alpha="matting", colour="fast"),
}


def on_white_error(picture: np.ndarray, alpha: np.ndarray, front: np.ndarray) -> float:
    """Return how far a cut-out on white is from the truth around the edge, mean of 255."""
    mixed = ((alpha > 0.004) & (alpha < 0.996)).astype(np.uint8)
    band = cv2.dilate(mixed, np.ones((2 * BAND + 1,) * 2, np.uint8)) > 0
    share = picture[..., 3:] / 255
    laid = share * picture[..., :3] + (1 - share) * 255
    truth = alpha[..., None] * front + (1 - alpha[..., None]) * 255
    return float(np.abs(laid - truth)[band].mean())


def alone(folder: str, way: str) -> None:
    """Go through all scenes with one way, in a process of its own, and print what was measured."""
    matting.foreground_estimate(), matting._closed_form()
    scenes = [dict(np.load(path)) for path in sorted(Path(folder).glob("*.npz"))]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = []
    for each in scenes * ROUNDS:
        seconds: dict[str, float] = {}
        began = time.perf_counter()
        photo = read_photo(each["jpeg"].tobytes(), "photo", max_pixels=10**8).pixels
        seconds["read"] = time.perf_counter() - began
        photo = each["photo"]  # without what JPEG has done to it
        picture = WAYS[way](photo, each["map"], seconds)
        began = time.perf_counter()
        content = encode(picture, kind="png")
        seconds["write"] = time.perf_counter() - began
        error = on_white_error(picture, each["alpha"], each["front"].astype(np.float32))
        rows.append(seconds | {"error": error, "png_mb": len(content) / 1e6})
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    medians = pd.DataFrame(rows).median().to_dict()
    print(json.dumps(medians | {"error": float(np.mean([row["error"] for row in rows])), "peak_mb": peak}))


def composites(ccp: Path) -> list[dict]:
    """Measure every way on composites, with maps of the photo's size and of a network's."""
    rows = []
    for case, side in (("a map of the photo's size", None), (f"a map of {NETWORK}x{NETWORK}", NETWORK)):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(PHOTOS):
                photo, alpha, front = scene(ccp, number)
                jpeg = np.frombuffer(encode(photo, kind="jpg"), np.uint8)
                kept = {"photo": photo, "alpha": alpha, "front": front.astype(np.uint8), "map": map_of(alpha, side)}
                np.savez(Path(folder, f"{number}.npz"), jpeg=jpeg, **kept)
            for way in WAYS:
                run = subprocess.run([sys.executable, __file__, "alone", folder, way], capture_output=True, text=True)
                assert run.returncode == 0, run.stderr
                rows.append({"what": f"composites, {case}", "way": way} | json.loads(run.stdout.splitlines()[-1]))
                print(rows[-1], flush=True)
    return rows


def folder_of_photos(text: str) -> dict:
    """Send a folder of real photos through the stage, and return what it took."""
    work, member, photos = text.split(":")
    with tempfile.TemporaryDirectory(dir=work) as out:
        keys = [f"source={Path(photos).absolute()}", f"target={out}/cutouts", "ensemble=linknet34"]
        keys += [f"ensemble.name={member}", f"ensemble.members=[{{experiment: {member}}}]", "accelerator=cpu"]
        began = time.perf_counter()
        run = subprocess.run([sys.executable, "-m", "maskfold", "cutout", *keys], cwd=work, check=False)
        seconds = time.perf_counter() - began
        written = [*Path(out, "cutouts").rglob("*.png")]
        megabytes = sum(path.stat().st_size for path in written) / 1e6
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    what = f"{len(written)} photos of {'/'.join(Path(photos).parts[-2:])} through maskfold cutout, {member}"
    each = {"all": seconds / max(len(written), 1), "png_mb": megabytes / max(len(written), 1)}
    return {"what": what, "way": "alpha=soft colour=clean", "peak_mb": peak, "status": run.returncode} | each


def main(ccp: str, *folders: str) -> None:
    """Measure, and write the table."""
    from measure import publish

    rows = composites(Path(ccp)) + [folder_of_photos(text) for text in folders]
    columns = {"error": "edge_error", "read": "read_s", "alpha": "alpha_s", "colours": "colours_s", "write": "write_s"}
    columns |= {"alpha and colours": "cut_s", "all": "photo_s"}
    publish("cutouts", pd.DataFrame(rows).rename(columns=columns))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    if sys.argv[1] == "alone":
        alone(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
