"""The screen in a real browser, for tests and measurements: a server, a page, and what a hand does on it."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from maskfold.review.desk import ReviewDesk
from maskfold.review.record import ReviewFolder
from maskfold.review.server import create_app

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--use-angle=swiftshader"]
VIEWPORT = {"width": 1400, "height": 900}
needs_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed")


@contextmanager
def browser() -> Iterator:
    """Start a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def served(routes: Path) -> Iterator[str]:
    """Serve a table of routes from a thread of this process; yield the address."""
    import uvicorn

    app = create_app(ReviewDesk(routes, reviewer="ada"))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join()


@contextmanager
def process(routes: Path, port: int) -> Iterator[subprocess.Popen]:
    """Serve a table of routes from a process of its own, which may be killed."""
    command = [sys.executable, "-m", "maskfold", "review", f"routes={routes}", f"port={port}"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        while f":{port}/" not in server.stderr.readline():
            assert server.poll() is None
        yield server
    finally:
        server.kill()
        server.wait()


class Screen:
    """A tab with the screen in it."""

    def __init__(self, page, address: str, routes: Path) -> None:
        self.page, self.reviews = page, ReviewFolder(routes.parent / "reviews")
        self.errors: list[str] = []
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(address)

    def opened(self, image_id: str) -> "Screen":
        """Wait until a photo is open with all its proposals."""
        self.page.wait_for_selector(f'body[data-open="{image_id}"]')
        return self

    def kept(self) -> "Screen":
        """Wait until the server has all that was done."""
        self.page.wait_for_timeout(100)
        self.page.wait_for_selector("#state[data-state=saved]")
        return self

    def keys(self, *names: str) -> "Screen":
        """Press keys, one after the other."""
        for name in names:
            self.page.keyboard.press(name)
        return self

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the photo, in its pixels, lies in the window."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        box = self.page.locator("#stage").bounding_box()
        left, top, zoom, _ = map(float, self.page.locator("#stage").get_attribute("data-place").split())
        return box["x"] + left + x * zoom, box["y"] + top + y * zoom

    def click(self, x: float, y: float, **options) -> "Screen":
        """Click a point of the photo."""
        self.page.mouse.click(*self.at(x, y), **options)
        return self

    def drag(self, *points: tuple[float, float], button: str = "left") -> "Screen":
        """Draw from point to point."""
        places = [self.at(*point) for point in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down(button=button)
        for place in places[1:]:
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up(button=button)
        return self

    def size(self, pixels: int) -> "Screen":
        """Choose the size of the brush."""
        self.keys(*["["] * 20)
        while f" {pixels} px" not in self.page.locator("#hint").inner_text():
            self.keys("]")
        return self

    def draft(self, image_id: str) -> np.ndarray:
        """Return the mask that the server has of a photo under work, `(H, W) uint8`, 0 or 1."""
        return self.kept().reviews.draft(image_id)[1]
