"""The counter's addresses, asked in this process with a recogniser of colours."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.testclient import TestClient

import tiny_recognizer
from maskfold.data.labelled import LabelTable
from maskfold.errors import MaskfoldError
from maskfold.recognition.recognizer import ProductAnswer, open_recognizer
from maskfold.recognition.weighing import Products
from maskfold.service import taps as inbox
from maskfold.service.counter import create_counter
from maskfold.service.limits import ServiceLimits
from maskfold.service.taps import Taps, photo_id
from red_masker import LIMITS

HOST = "http://127.0.0.1"
TOKEN = "0123456789abcdef0123456789abcdef"
SETTINGS = {"max_logit": 3.0, "cosine": 0.0, "margin": 0.5}


def file_of(red: int, green: int, blue: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tiny_recognizer.photo(red, green, blue)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return tiny_recognizer.write(tmp_path_factory.mktemp("export"), retired=("plum",), **SETTINGS)


@pytest.fixture
def serve(export) -> Callable[..., TestClient]:
    with ExitStack() as opened:

        def begin(*, weights: str | None = None, **parts) -> TestClient:
            recognizer = open_recognizer(export)
            if weights:
                recognizer.products = Products(pd.read_csv(io.StringIO(weights), dtype="str", keep_default_na=False))
            app = create_counter(recognizer, limits=ServiceLimits(**LIMITS), **parts)
            return opened.enter_context(TestClient(app, base_url=HOST))

        yield begin


def test_a_photo_is_answered_with_the_likeliest_products(serve):
    client = serve()
    answer = client.post("/recognise", content=file_of(255, 0, 0))
    content = answer.json()

    assert answer.status_code == 200
    assert [one["label"] for one in content["top"]] == ["tomato", "lamp", "cucumber"]  # plums are not sold any more
    weights = np.exp([8, 2, 0])
    assert [one["probability"] for one in content["top"]] == pytest.approx((weights / weights.sum()).tolist())
    assert (content["verdict"], content["model"]) == ("known", "0123456789abcdef")
    assert content["photo"] == photo_id(file_of(255, 0, 0))
    assert client.get("/labels").json() == {"labels": ["tomato", "cucumber", "lamp"]}
    form = client.post("/recognise", files={"file": ("x.png", file_of(255, 0, 0))})
    assert form.json() == content


@pytest.mark.parametrize(
    ("colour", "verdict"),
    [((255, 0, 0), "known"), ((200, 190, 0), "ask"), ((0, 0, 255), "unknown"), ((20, 20, 20), "unknown")],
)
def test_what_is_close_is_asked_and_what_is_like_nothing_is_unknown(serve, colour, verdict):
    client = serve()

    assert client.post("/recognise", content=file_of(*colour)).json()["verdict"] == verdict
    assert f'maskfold_routes_total{{route="{verdict}"}} 1.0' in client.get("/metrics").text


def test_the_scale_decides_where_the_photo_cannot(serve):
    client = serve(weights="label,grams,sd,loose\ntomato,100,5,\ncucumber,120,5,\nlamp,900,1,\n")
    both = file_of(128, 128, 0)

    assert client.post("/recognise", content=both).json()["verdict"] == "ask"
    weighed = client.post("/recognise?grams=100", content=both).json()
    assert weighed["verdict"] == "known"
    assert weighed["top"][0]["label"] == "tomato"
    assert weighed["top"][0]["probability"] == pytest.approx(0.99966, abs=1e-5)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("query", ["grams=0", "grams=-3", "grams=nan", "grams=inf", "grams=heavy", "weight=3"])
def test_a_weight_that_is_none_is_refused(serve, query):
    answer = serve().post(f"/recognise?{query}", content=file_of(255, 0, 0))

    assert (answer.status_code, answer.json()["error"]) == (422, "bad_option")


@pytest.mark.hostile("damaged files")
def test_what_is_no_photo_is_answered_as_everywhere(serve):
    client = serve()
    for content, error in ((b"", "empty"), (b"%PDF", "not_an_image"), (file_of(1, 2, 3)[:60], "damaged")):
        assert client.post("/recognise", content=content).json()["error"] == error


@pytest.mark.parametrize("path", ["/cutout", "/mask", "/quality"])
def test_a_recogniser_says_that_it_masks_nothing(serve, path):
    answer = serve().post(path, content=file_of(255, 0, 0))

    assert (answer.status_code, answer.json()["error"]) == (404, "other_task")
    assert answer.json()["message"].startswith("This service recognises products: ask /recognise.")


@pytest.mark.hostile("secrets")
def test_the_page_needs_no_token_and_all_it_asks_for_does(serve):
    client = serve(token=TOKEN)
    for path, kind in {"/": "text/html", "/counter.js": "text/javascript", "/counter.css": "text/css"}.items():
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in ("/labels", "/metrics", "/docs"):
        assert client.get(path).status_code == 401
    for path in ("/recognise", "/taps"):
        assert client.post(path).status_code == 401
    assert "No photo yet" in client.get("/").text


def test_taps_are_a_table_that_trains(serve, tmp_path):
    folder = tmp_path / "inbox"
    client = serve(taps=Taps(str(folder), most=10, model="0123456789abcdef"))
    files = [file_of(255, 0, 0), file_of(9, 9, 9)]
    photos = [client.post("/recognise", content=file).json()["photo"] for file in files]
    for photo, label in zip(photos, ["tomato", "Kaki, gr. A"], strict=True):
        assert client.post("/taps", params={"photo": photo, "label": label}).json() == {"outcome": "kept"}
    client.post("/taps", params={"photo": photos[0], "label": "lamp"})  # a clerk who has tapped the wrong one

    rows = LabelTable(root=str(folder)).photos()
    assert rows["label"].tolist() == ["lamp", "Kaki, gr. A"]
    assert rows["meta.answered"].tolist() == ["tomato", "tomato"]
    assert rows["meta.verdict"].tolist() == ["known", "unknown"]
    assert rows["month"].str.match(r"^\d{4}-\d\d$").all()
    assert [Path(path).read_bytes() for path in rows["image"]] == files
    # Another service goes on in it.
    assert Taps(str(folder), most=10, model="other")._rows.keys() == {f"photos/{photo}.png" for photo in photos}


def test_a_full_inbox_keeps_no_more_and_a_photo_that_is_forgotten_is_asked_for(serve, tmp_path, monkeypatch):
    client = serve(taps=Taps(str(tmp_path / "inbox"), most=1, model="x"))
    one, two = (client.post("/recognise", content=file_of(level, 0, 0)).json()["photo"] for level in (255, 254))

    def tapped(photo):
        return client.post("/taps", params={"photo": photo, "label": "tomato"})

    assert [tapped(photo).json()["outcome"] for photo in (one, two, one)] == ["kept", "dropped", "kept"]
    monkeypatch.setattr(inbox, "_REMEMBERED", 1)
    client.post("/recognise", content=file_of(253, 0, 0))
    assert (tapped(one).status_code, tapped(one).json()["error"]) == (404, "photo_gone")


@pytest.mark.hostile("endless and hanging")
def test_a_storage_that_hangs_holds_up_no_recognition(tmp_path, monkeypatch):
    taps = Taps(str(tmp_path / "inbox"), most=9, model="x")
    answer = ProductAnswer([("tomato", 0.9)], "known", "", max_logit=9.0, cosine=None)
    photo = file_of(255, 0, 0)
    taps.remember(photo, answer)
    begun, goes_on, write = threading.Event(), threading.Event(), taps.storage.write

    def hang(path, data):
        begun.set()
        goes_on.wait(20)
        write(path, data)

    monkeypatch.setattr(taps.storage, "write", hang)
    with ThreadPoolExecutor(2) as threads:
        tap = threads.submit(taps.keep, photo_id(photo), "tomato")
        assert begun.wait(20)
        try:
            threads.submit(taps.remember, file_of(254, 0, 0), answer).result(timeout=2)
        finally:
            goes_on.set()
        assert tap.result(timeout=20) == "kept"


def test_nothing_is_kept_without_an_inbox(serve):
    client = serve()
    photo = client.post("/recognise", content=file_of(255, 0, 0)).json()["photo"]
    answer = client.post("/taps", params={"photo": photo, "label": "tomato"})

    assert (answer.status_code, answer.json()["error"]) == (404, "no_inbox")


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize(
    "query",
    [
        {"photo": "../../etc/passwd", "label": "a"},
        {"photo": "0" * 31 + "/", "label": "a"},
        {"photo": "0" * 32, "label": ""},
        {"photo": "0" * 32, "label": "a\nb"},
        {"photo": "0" * 32, "label": " a"},
        {"photo": "0" * 32, "label": "a" * 201},
        {"photo": "0" * 32},
    ],
)
def test_a_tap_of_something_else_is_refused(serve, query):
    answer = serve().post("/taps", params=query)

    assert (answer.status_code, answer.json()["error"]) == (422, "bad_option")


@pytest.mark.hostile("foreign files")
def test_a_table_of_something_else_is_not_written_over(tmp_path):
    (tmp_path / "labels.csv").write_text("image,class\na.jpg,b\n")

    with pytest.raises(MaskfoldError, match=r"labels\.csv: no table of taps"):
        Taps(str(tmp_path), most=1, model="x")


@pytest.mark.hostile("full or read-only disk")
def test_a_tap_that_cannot_be_written_is_said_not_to_be_kept(serve, tmp_path, caplog):
    client = serve(taps=Taps(str(tmp_path / "inbox"), most=1, model="x"))
    (tmp_path / "inbox").write_text("a file")
    photo = client.post("/recognise", content=file_of(255, 0, 0)).json()["photo"]
    answer = client.post("/taps", params={"photo": photo, "label": "tomato"})

    assert (answer.status_code, answer.json()["error"]) == (500, "not_kept")
    assert "A tap could not be kept" in caplog.text
