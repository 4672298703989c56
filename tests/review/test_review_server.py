"""The screen's server, in this process: what it hands out, what it takes, and whom it refuses."""

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from maskfold.errors import MaskfoldError
from maskfold.files import read_json
from maskfold.review.desk import ReviewDesk
from maskfold.review.record import ReviewFolder, encode_mask
from maskfold.review.server import create_app, serve
from routed import MEMBERS, scene, with_shadow, without_wheel, write_routed

SIZE = HEIGHT, WIDTH = 80, 117
PHOTO, MASK = scene(*SIZE)
HOME = "http://127.0.0.1:8765"
TOKEN = "a" * 43
TAB, OTHER_TAB = "11111111", "22222222"


def hard(mask):
    return mask * np.uint8(255)


@pytest.fixture
def routes(tmp_path):
    bad, worse = (hard(spoilt) for spoilt in (without_wheel(MASK), with_shadow(MASK)))
    photos = [
        ("good", PHOTO, [hard(MASK)] * 3, 0.9),
        ("shop/worst", PHOTO, [worse, hard(MASK), worse], 0.2),
        ("bad", PHOTO, [bad, bad, hard(MASK)], 0.4),
    ]
    return write_routed(tmp_path, photos)


@pytest.fixture
def desk(routes):
    return ReviewDesk(routes, reviewer="ada")


@pytest.fixture
def client(desk):
    return TestClient(create_app(desk, token=TOKEN), base_url=HOME, headers={"x-maskfold-token": TOKEN})


def opened(client, image_id, tab=TAB, **more):
    return client.post("/api/open", params={"image_id": image_id, "tab": tab, **more})


def work(about, tab=TAB, **more):
    hashes = {key: about[key] for key in ("image_id", "photo_hash", "base_hash")}
    return hashes | {"tab": tab, "seconds": 4.2, "actions": 3, "began_from": "2"} | more


def bits(client, image_id, key):
    content = client.get("/api/mask", params={"image_id": image_id, "key": key, "tab": TAB}).content
    return np.unpackbits(np.frombuffer(content, np.uint8).reshape(HEIGHT, -1), axis=1)[:, :WIDTH]


def next_of(client, after=None, tab=TAB):
    params = {"tab": tab} | ({"after": after} if after else {})
    return client.post("/api/next", params=params).json()["image_id"]


def test_the_worst_comes_first_with_all_its_proposals_and_a_correction_is_kept(client, routes):
    assert next_of(client) == "shop/worst"
    about = opened(client, "shop/worst").json()

    assert [one["name"] for one in about["proposals"]] == ["mean", *MEMBERS, "hull", "filled"]
    assert np.array_equal(bits(client, "shop/worst", "current"), with_shadow(MASK))
    assert np.array_equal(bits(client, "shop/worst", "2"), MASK)
    left, top, width, _, _ = about["areas"][0]
    assert top > HEIGHT * 0.7
    assert left < WIDTH / 2 < left + width
    assert (
        client.get("/api/photo", params={"image_id": "shop/worst", "tab": TAB}).headers["content-type"] == "image/jpeg"
    )

    answer = client.post("/api/save", params=work(about), content=encode_mask(MASK))

    changed = np.count_nonzero(with_shadow(MASK) != MASK)
    assert answer.json() == {"decision": "corrected", "pixels_changed": changed}
    record = read_json(routes.parent / "reviews" / "shop" / "worst.json")
    assert {key: record[key] for key in ("decision", "seconds", "actions", "reviewer", "began_from")} == {
        "decision": "corrected",
        "seconds": 4.2,
        "actions": 3,
        "reviewer": "ada",
        "began_from": "u2net_small",
    }
    assert np.array_equal(ReviewFolder(routes.parent / "reviews").mask("shop/worst"), MASK)
    assert next_of(client, "shop/worst") == "bad"
    assert client.get("/api/photos", params={"tab": TAB}).json()["done"] == 1


def test_what_is_as_it_was_is_accepted_and_what_has_no_mask_rejected(client):
    about = opened(client, "bad").json()
    assert client.post("/api/save", params=work(about), content=encode_mask(without_wheel(MASK))).json() == {
        "decision": "accepted",
        "pixels_changed": 0,
    }
    assert client.post("/api/save", params=work(about, rejected=True)).json()["decision"] == "rejected"
    listing = client.get("/api/photos", params={"tab": TAB}).json()
    assert [(one["image_id"], one["decision"]) for one in listing["photos"]] == [
        ("shop/worst", None),
        ("bad", "rejected"),
        ("good", None),
    ]


def test_a_draft_is_gone_on_with_by_another_run(client, routes):
    about = opened(client, "bad").json()
    assert client.post("/api/draft", params=work(about), content=encode_mask(1 - MASK)).status_code == 200

    again = TestClient(create_app(ReviewDesk(routes, reviewer="bob"), token=TOKEN), base_url=HOME)
    again.headers["x-maskfold-token"] = TOKEN
    about = opened(again, "bad").json()
    assert (about["seconds"], about["actions"], about["began_from"], about["decision"]) == (4.2, 3, "2", None)
    assert np.array_equal(bits(again, "bad", "current"), 1 - MASK)


def test_a_second_tab_is_told_and_may_take_over(client):
    about = opened(client, "bad").json()
    answer = opened(client, "bad", OTHER_TAB)
    assert (answer.status_code, answer.json()["kind"]) == (409, "held")
    assert next_of(client, "shop/worst", OTHER_TAB) == "good"

    assert opened(client, "bad", OTHER_TAB, over=True).status_code == 200
    late = client.post("/api/save", params=work(about), content=encode_mask(MASK))
    assert (late.status_code, late.json()["kind"]) == (409, "held")


@pytest.mark.hostile("replaced files")
@pytest.mark.parametrize("which", ["photo", "map"])
def test_what_was_replaced_meanwhile_is_not_saved_to(client, routes, which):
    about = opened(client, "bad").json()
    write_routed(routes.parent / "other", [("bad", PHOTO[::-1], [hard(MASK)] * 3, 0.4)])
    for path in (routes.parent / "other").rglob("bad.*"):
        if (path.suffix == ".jpg") == (which == "photo"):
            path.replace(routes.parent / path.relative_to(routes.parent / "other"))

    answer = client.post("/api/save", params=work(about), content=encode_mask(MASK))

    assert answer.status_code in (409, 422)
    assert "replaced" in answer.json()["detail"]
    assert not (routes.parent / "reviews" / "bad.json").exists()


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no PNG"),
        (b"\xff\xd8\xff" + bytes(40), "no PNG"),
        (encode_mask(MASK[:, 1:]), "116x80"),
        (encode_mask(MASK)[:60], "damaged"),
        (cv2.imencode(".png", MASK * np.uint8(7))[1].tobytes(), "more than black and white"),
        (cv2.imencode(".png", cv2.cvtColor(hard(MASK), cv2.COLOR_GRAY2BGR))[1].tobytes(), "more than black and white"),
        (bytes(HEIGHT * WIDTH + 70_000), "more than a mask"),
    ],
)
def test_only_a_mask_of_the_photos_size_is_taken(client, routes, content, word):
    about = opened(client, "bad").json()
    for door in ("draft", "save"):
        answer = client.post(f"/api/{door}", params=work(about), content=content)
        assert (answer.status_code, word in answer.json()["detail"]) == (422, True), answer.text
    assert not [*(routes.parent / "reviews").rglob("*")]


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"host": "evil.example"}),
        ("/session", {"host": "evil.example:8765"}),
        ("/session", {"origin": "http://evil.example"}),
        ("/session", {"origin": "null"}),
        ("/session", {"origin": "http://127.0.0.1:9999"}),
        ("/session", {"sec-fetch-site": "cross-site"}),
        ("/api/photos?tab=11111111", {"x-maskfold-token": "b" * 43}),
        ("/api/photos?tab=11111111", {"x-maskfold-token": ""}),
        ("/static/%2e%2e/record.py", {}),
        ("/static/..%2frecord.py", {}),
        ("/..%5c..%5cetc", {}),
    ],
)
def test_whoever_is_not_the_screens_own_page_is_refused(client, path, headers):
    assert client.get(path, headers=headers).status_code == 403


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("image_id", ["../../etc/passwd", "/etc/passwd", "shop", "shop/worst.json"])
def test_only_names_of_the_table_are_looked_up(client, image_id):
    for path in ("photo", "mask"):
        assert client.get(f"/api/{path}", params={"image_id": image_id, "key": "mean"}).status_code == 404
    assert opened(client, image_id).status_code == 404


def test_the_page_runs_no_script_but_its_own(client):
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("review.js", "review.css", "icon.svg"):
        assert f"/static/{name}" in page.text
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/static/record.py").status_code == 404


def test_a_photo_that_cannot_be_shown_says_why_and_the_others_go_on(client, routes):
    (routes.parent / "photos" / "bad.jpg").unlink()

    answer = opened(client, "bad")

    assert (answer.status_code, "bad.jpg" in answer.json()["detail"]) == (422, True)
    assert opened(client, "good").status_code == 200


def test_what_to_show_and_in_which_order(routes):
    listed = ReviewDesk(routes, reviewer="ada", order="listed").listing(TAB)["photos"]
    assert [one["image_id"] for one in listed] == ["good", "shop/worst", "bad"]
    assert len(ReviewDesk(routes, reviewer="ada", show="all")) == 3
    with pytest.raises(MaskfoldError, match="show=all"):
        ReviewDesk(routes, reviewer="ada", show="reject")
    with pytest.raises(MaskfoldError, match="order=best"):
        ReviewDesk(routes, reviewer="ada", order="best")


def test_a_host_that_others_reach_is_refused(desk):
    for host in ("0.0.0.0", "192.168.1.5", "shop.example"):
        with pytest.raises(MaskfoldError, match=f"host={host}"):
            serve(create_app(desk), host=host, port=0)


def test_a_photo_that_lies_on_its_side_goes_upright(tmp_path):
    from PIL import Image

    from maskfold.data.loading import read_image
    from maskfold.review.shown import picture

    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(PHOTO).save(path, exif=exif, quality=95)
    content, kind = picture(path)

    shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB)
    assert kind == "image/png"
    assert np.array_equal(shown, read_image(path))
    assert shown.shape == (WIDTH, HEIGHT, 3)
