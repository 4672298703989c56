"""The addresses, asked in this process with a model whose map is known: the photo's red channel."""

import io
import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from red_masker import photo_of


class Shipped:
    """A quality model that every photo is good enough for."""

    wants_members = wants_mirrored = False
    cut = 128

    def assess(self, measures: dict[str, float]) -> SimpleNamespace:
        return SimpleNamespace(score=1.0, iou=1.0, route="ship", reason="good")


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_map_is_the_models_and_a_mask_is_cut_at_one_half(serve, photo, square):
    client = serve()

    answer = client.post("/mask", content=photo)
    cut = client.post("/mask?kind=mask", content=photo)

    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-maskfold-model"] == "0123456789abcdef"
    np.testing.assert_array_equal(decoded(answer.content), square)
    np.testing.assert_array_equal(decoded(cut.content), np.where(square >= 128, 255, 0))  # 128 of 255 is above a half


def test_a_cutout_is_the_object_with_alpha(serve, photo, square):
    answer = serve().post("/cutout?alpha=hard&colour=keep", content=photo)

    picture = np.asarray(Image.open(io.BytesIO(answer.content)))
    inside = square >= 128
    np.testing.assert_array_equal(picture[..., 3], np.where(inside, 255, 0))
    assert (picture[inside][:, 0] == square[inside]).all()  # the photo's own red


def test_a_cutout_is_as_it_is_asked_for(serve, photo):
    query = "backdrop=f4f4f4&crop=true&margin=10&square=true&format=webp&lossy=100&alpha=hard&colour=fast"
    answer = serve().post(f"/cutout?{query}", content=photo)

    picture = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["content-type"], picture.format) == ("image/webp", "WEBP")
    # The object has 20 rows and 21 columns, a margin of 2.1 is 2 to each side, and 24 rows become 25.
    assert picture.size == (25, 25)
    assert picture.convert("RGB").getpixel((0, 0)) == pytest.approx((0xF4,) * 3, abs=2)


@pytest.mark.hostile("wrong input")
def test_a_photo_without_an_object_is_said_to_be_one(serve):
    client = serve()
    empty = photo_of(np.zeros((8, 8), np.uint8))

    assert problem(client.post("/cutout", content=empty)) == (422, "no_object")
    assert client.post("/cutout?empty=write", content=empty).status_code == 200


@pytest.mark.hostile("memory")
def test_a_picture_is_not_much_larger_than_its_photo(serve):
    client = serve()
    thin = photo_of(np.full((2, 3000), 255, np.uint8))

    assert problem(client.post("/cutout?square=true", content=thin)) == (422, "bad_option")  # of 9 megapixels
    assert client.post("/cutout?colour=keep", content=thin).status_code == 200


def test_a_photo_may_come_as_the_file_of_a_form(serve, photo, square):
    answer = serve().post("/mask", files={"file": ("any/../name.png", photo)}, data={"other": "field"})

    np.testing.assert_array_equal(decoded(answer.content), square)


def test_a_photo_is_turned_as_its_camera_says(serve, square):
    turned = Image.Exif()
    turned[0x0112] = 6  # lies on its side: rows are to be columns, from the right
    answer = serve().post("/mask", content=photo_of(square, exif=turned))

    np.testing.assert_array_equal(decoded(answer.content), np.rot90(square, -1))


def test_quality_without_its_model_is_the_measures_alone(serve, photo):
    answer = serve().post("/quality", content=photo).json()

    assert answer["score"] is answer["iou"] is answer["route"] is None
    assert "started without quality=" in answer["reason"]
    assert answer["model"] == "0123456789abcdef"
    # The low member's mask is empty where the high one's is not: 127 is below one half.
    assert answer["measures"]["pairwise_dice"] == 0
    assert answer["measures"]["mirror_dice"] is None  # nobody looked at the mirror image
    assert answer["measures"]["area"] == pytest.approx(20 * 21 / (40 * 60))


def problem(answer) -> tuple[int, str]:
    content = answer.json()
    assert {*content} == {"error", "message"}
    assert content["message"].endswith(".")
    return answer.status_code, content["error"]


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (422, "empty")),
        (b"%PDF-1.7 of no kind that is known", (415, "not_an_image")),
        (b"\x89PNG\r\n\x1a\n", (422, "damaged")),
        (b"\xff\xd8\xff\xe0", (422, "damaged")),
        (b"\x00" * 200_001, (413, "too_many_bytes")),
    ],
    ids=["empty", "another kind", "a beginning of PNG", "a beginning of JPEG", "too many bytes"],
)
def test_what_is_no_photo_is_answered_with_what_is_wrong(serve, content, expected):
    client = serve()

    assert problem(client.post("/mask", content=content)) == expected
    assert problem(client.post("/mask", content=iter([content[:100], content[100:]]))) == expected  # no Content-Length


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_photo_that_is_cut_short_is_damaged(serve, square, kind):
    content = photo_of(square, kind)

    assert problem(serve().post("/mask", content=content[: len(content) * 2 // 3])) == (422, "damaged")


def header_of(width: int, height: int) -> bytes:
    """Return the beginning of a PNG that has no pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.hostile("memory")
def test_a_photo_that_is_too_large_to_be_measured_is_refused_where_it_would_be(serve):
    """Quality is measured on up to 100,000,000 pixels; of a header alone the next complaint is that it is damaged."""
    plain = serve(limits={"max_pixels": 200_000_000})
    judging = serve(limits={"max_pixels": 200_000_000}, quality=Shipped())

    for client, path in ((plain, "/quality"), (judging, "/mask"), (judging, "/cutout")):
        answer = client.post(path, content=header_of(10_001, 10_000))
        assert problem(answer) == (413, "too_many_pixels"), path
        assert "takes up to 100,000,000" in answer.json()["message"]
    assert problem(plain.post("/quality", content=header_of(10_000, 10_000))) == (422, "damaged")
    assert problem(plain.post("/mask", content=header_of(10_001, 10_000))) == (422, "damaged")
    assert problem(plain.post("/mask", content=header_of(20_001, 10_000))) == (413, "too_many_pixels")


@pytest.mark.hostile("memory")
def test_a_photo_of_too_many_pixels_is_refused_by_its_header(serve, monkeypatch):
    monkeypatch.setattr("maskfold.cutout.files.decode_image", lambda *_, **__: pytest.fail("decoded"))
    buffer = io.BytesIO()
    Image.new("1", (4000, 3000)).save(buffer, "PNG")  # 12 megapixels in 2 kB
    client = serve()

    answer = client.post("/mask", content=buffer.getvalue())

    assert problem(answer) == (413, "too_many_pixels")
    assert "4000x3000 pixels, 12,000,000 in all, and this service takes up to 100,000" in answer.json()["message"]


@pytest.mark.hostile("wrong input")
def test_forms_that_cannot_be_used(serve, photo):
    client = serve()
    whole = {"content-type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

    assert problem(client.post("/mask", files={"other": photo})) == (422, "bad_form")
    assert problem(client.post("/mask", files=[("file", photo), ("file", photo)])) == (422, "bad_form")
    assert problem(client.post("/mask", content=photo, headers={"content-type": "multipart/form-data"})) == (
        422,
        "bad_form",
    )
    assert problem(client.post("/mask", content=part + photo, headers=whole)) == (422, "bad_form")  # it has no end
    assert problem(client.post("/mask", content=part + b"\r\n--x--", headers=whole)) == (422, "empty")


@pytest.mark.hostile("wrong input")
def test_what_there_is_not_is_refused(serve, photo):
    client = serve()

    assert problem(client.post("/mask?kind=picture", content=photo)) == (422, "bad_option")
    assert problem(client.post("/mask?threshold=3", content=photo)) == (422, "bad_option")
    assert problem(client.post("/cutout?backdrop=/etc/passwd", content=photo)) == (422, "bad_option")
    assert problem(client.post("/cutout?backdrop=s3://bucket/a.png", content=photo)) == (422, "bad_option")
    assert problem(client.post("/cutout?format=jpg", content=photo)) == (422, "bad_option")  # without a backdrop
    assert problem(client.post("/mask?url=http://127.0.0.1/a.jpg")) == (422, "bad_option")
    assert problem(client.get("/mask")) == (405, "wrong_method")
    assert problem(client.post("/mask", content=photo, headers={"content-encoding": "gzip"})) == (415, "encoded")


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("path", ["/", "/mask/", "/../etc/passwd", "/mask/..%2f..%2fetc", "//mask", "/static/%00"])
def test_no_path_leads_anywhere_else(serve, path):
    assert problem(serve().get(path)) == (404, "not_found")


def test_health_and_counters(serve, photo):
    client = serve()
    client.post("/mask", content=photo)
    client.get("/nowhere")

    health = client.get("/healthz?ready=true")
    counters = client.get("/metrics").text

    assert health.json() == {
        "live": True, "ready": True, "waiting": 0, "model": "reds", "identity": "0123456789abcdef",
    }  # fmt: skip
    assert 'maskfold_requests_total{path="/mask",status="200"} 1.0' in counters
    assert 'maskfold_requests_total{path="other",status="404"} 1.0' in counters
    assert f"maskfold_received_bytes_total {float(len(photo))}" in counters


def test_the_page_and_openapi_name_every_address_and_answer(serve):
    client = serve()

    schema, page = client.get("/openapi.json").json(), client.get("/docs").text

    assert {*schema["paths"]} == {"/cutout", "/mask", "/quality", "/healthz", "/metrics"}
    assert {"200", "401", "408", "413", "415", "422", "503", "504"} <= {*schema["paths"]["/mask"]["post"]["responses"]}
    assert {*schema["paths"]["/mask"]["post"]["requestBody"]["content"]} == {"image/*", "multipart/form-data"}
    assert "HTTPValidationError" not in str(schema)
    for text in ("POST /mask", "curl --data-binary @photo.jpg", "too_many_pixels", "map | mask", "Retry-After"):
        assert text in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://127.0.0.1:8000", "")


@pytest.mark.parametrize("path", ["/recognise", "/taps", "/labels"])
def test_a_model_of_masks_says_that_it_recognises_nothing(serve, photo, path):
    answer = serve().post(path, content=photo)

    assert problem(answer) == (404, "other_task")
    assert answer.json()["message"].startswith("This service masks photos: ask /cutout, /mask or /quality.")
