"""The clerk's page in a real browser: a photo is chosen, products become buttons, a tap is kept."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pytest
from fastapi import FastAPI
from PIL import Image

import tiny_recognizer
from maskfold.recognition.recognizer import open_recognizer
from maskfold.recognition.weighing import Products
from maskfold.service.counter import create_counter
from maskfold.service.limits import ServiceLimits
from maskfold.service.taps import Taps
from red_masker import LIMITS
from screens import browser, needs_chromium

TOKEN = "0123456789abcdef0123456789abcdef"
WEIGHTS = "label,grams,sd,loose\ntomato,100,5,\ncucumber,120,5,\nplum,900,1,\nlamp,900,1,\n"
SETTINGS = {"max_logit": 3.0, "cosine": 0.0, "margin": 0.5}


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join()


def photo(red: int, green: int, blue: int) -> dict:
    buffer = io.BytesIO()
    Image.fromarray(tiny_recognizer.photo(red, green, blue)).save(buffer, "PNG")
    return {"name": "photo.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


@pytest.mark.slow
@needs_chromium
def test_a_clerk_takes_a_photo_reads_the_answer_and_taps(tmp_path):
    recognizer = open_recognizer(tiny_recognizer.write(tmp_path / "export", **SETTINGS))
    recognizer.products = Products(pd.read_csv(io.StringIO(WEIGHTS), dtype="str", keep_default_na=False))
    taps = Taps(str(tmp_path / "inbox"), most=10, model="x")
    app = create_counter(recognizer, limits=ServiceLimits(**LIMITS), token=TOKEN, taps=taps)
    with served(app) as address, browser() as chromium:
        page = chromium.new_page(viewport={"width": 1180, "height": 820})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.set_input_files("#file", files=[photo(255, 0, 0)])
        page.fill("#token", TOKEN)  # it asks for the token when it is refused without one
        page.click("#ask-token button")
        page.wait_for_selector('[data-verdict="known"]')
        assert page.inner_text("#headline") == "tomato"
        assert page.locator("#top button").count() == 4
        page.screenshot(path=tmp_path / "known.png")
        page.click('#top button[data-label="tomato"]')
        page.get_by_text("tomato: kept.").wait_for()

        page.set_input_files("#file", files=[photo(128, 128, 0)])
        page.wait_for_selector('[data-verdict="ask"]')
        page.screenshot(path=tmp_path / "ask.png")
        page.fill("#grams", "100")
        page.click("#again")
        page.wait_for_selector('[data-verdict="known"]')
        assert page.inner_text("#headline") == "tomato"

        page.set_input_files("#file", files=[photo(10, 10, 10)])
        page.wait_for_selector('[data-verdict="unknown"]')
        assert page.input_value("#grams") == ""  # the weight was of the photo before
        page.fill("#label", "<b>Kaki</b>")
        page.click("#send")
        page.get_by_text("<b>Kaki</b>: kept.").wait_for()
        page.screenshot(path=tmp_path / "unknown.png")
        page.set_input_files("#file", files=[{"name": "x.png", "mimeType": "image/png", "buffer": b"no photo"}])
        page.wait_for_selector('[data-verdict="failed"]')
        assert "This is not an image" in page.inner_text("#reason")
        assert errors == []
    rows = pd.read_csv(tmp_path / "inbox" / "labels.csv")
    assert rows["label"].tolist() == ["tomato", "<b>Kaki</b>"]
