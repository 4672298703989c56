"""Who may ask, what is listened to before a refusal, and what the log says of it."""

import asyncio
import json
import logging

import pytest
from starlette.testclient import TestClient

from maskfold.service.api import create_app
from maskfold.service.limits import ServiceLimits
from maskfold.service.server import hosts_of
from red_masker import LIMITS, Reds

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.hostile("secrets")
def test_a_token_is_asked_for_everywhere_but_at_the_health(serve, photo):
    client = serve(token=TOKEN)
    wrong = ["", "Bearer", f"Bearer {TOKEN[:-1]}", f"bearer {TOKEN}", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}0"]

    for path in ("/mask", "/quality", "/metrics", "/docs", "/openapi.json", "/nowhere"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (401, "no_token"), path
        assert answer.headers["www-authenticate"] == "Bearer"
    for header in wrong:
        assert client.post("/mask", content=photo, headers={"authorization": header}).status_code == 401, header
    assert client.post("/mask", content=photo, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/healthz").status_code == 200


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]", "", "[bad"])
def test_on_this_machine_other_hosts_are_refused(serve, photo, host):
    client = serve(hosts=hosts_of("127.0.0.1"))

    answer = client.post("/mask", content=photo, headers={"host": host})

    assert (answer.status_code, answer.json()["error"]) == (403, "other_host")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_on_this_machine_its_own_names_are_answered(serve, photo, host):
    headers = {"host": host, "origin": f"http://{host}"}

    assert serve(hosts=hosts_of("127.0.0.1")).post("/mask", content=photo, headers=headers).status_code == 200


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:3000", "http://127.0.0.1.evil", ""]
)
def test_pages_of_other_sites_are_refused(serve, photo, origin):
    answer = serve().post("/mask", content=photo, headers={"origin": origin})

    assert (answer.status_code, answer.json()["error"]) == (403, "other_origin")


def test_a_line_for_each_request(serve, photo, caplog):
    caplog.set_level(logging.INFO, "maskfold.service.requests")
    client = serve(token=TOKEN)
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = client.post("/mask?kind=mask", content=photo, headers=headers)
    client.get("/a%0Ab%1b[31m" + "c" * 200, headers=headers)

    first, second = [record.getMessage() for record in caplog.records if record.name.endswith("requests")]
    assert first.startswith("POST /mask 200 ")
    assert first.endswith(f" ms {len(photo)} B in {len(answer.content)} B out")
    assert second.startswith(f"GET /a?b?[31m{'c' * 91}... 404 ")
    assert TOKEN not in caplog.text


def asked(app, messages, **headers) -> tuple[list, int]:
    """Ask an app with the messages of a body; return what it has sent and how many messages it has read."""
    sent, read = [], []

    async def ask() -> None:
        async def receive():
            if len(read) == len(messages):
                await asyncio.Event().wait()  # nothing more comes
            read.append(messages[len(read)])
            return read[-1]

        async def send(message):
            sent.append(message)

        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/mask", "raw_path": b"/mask"}
        await app(scope | {"query_string": b"", "root_path": "", "headers": raw, "scheme": "http"}, receive, send)

    asyncio.run(ask())
    return sent, len(read)


def body(content: bytes, *, more: bool = True) -> dict:
    return {"type": "http.request", "body": content, "more_body": more}


@pytest.fixture
def app():
    return create_app(Reds(), limits=ServiceLimits(**LIMITS | {"timeout": 0.1}), hosts=None, token=None)


@pytest.mark.hostile("endless and hanging")
def test_a_body_that_does_not_come_is_given_up(app):
    sent, _ = asked(app, [body(b"\xff\xd8")], content_length="1000")

    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.hostile("memory")
def test_a_body_that_is_too_large_is_refused_on_its_way_and_read_to_its_end(app):
    parts = [body(b"a" * 60_000) for _ in range(9)] + [body(b"", more=False)]

    sent, read = asked(app, parts, transfer_encoding="chunked")

    assert sent[0]["status"] == 413
    assert read == 10  # or the client, which is still sending, would not see the answer
    assert app.state.service.arrivals.held == 0


def test_who_asks_before_sending_is_answered_before(app):
    sent, read = asked(app, [body(b"")], content_length="100000000", expect="100-continue")

    assert (sent[0]["status"], read) == (413, 0)


@pytest.mark.hostile("endless and hanging")
def test_beyond_the_most_requests_all_but_the_health_are_told_to_come_back(serve, monkeypatch):
    """Two places, and two photos that do not come; then they are given up."""
    monkeypatch.setattr("maskfold.service.limits._SPARE_REQUESTS", 0)
    app = serve(limits={"queue": 1, "timeout": 0.5}).app

    async def status(path: str, *messages: dict) -> list:
        coming, sent = list(messages), []

        async def receive() -> dict:
            return coming.pop(0) if coming else await asyncio.Event().wait()

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {"type": "http", "http_version": "1.1", "method": "POST" if messages else "GET", "path": path}
        raw = [(b"content-length", b"1000")] if messages else []
        ready = {"raw_path": path.encode(), "query_string": b"ready=true" if path == "/healthz" else b""}
        await app(scope | ready | {"root_path": "", "headers": raw, "scheme": "http"}, receive, send)
        return sent

    async def asked() -> list:
        slow = [asyncio.ensure_future(status("/mask", body(b"\xff\xd8"))) for _ in range(2)]
        await asyncio.sleep(0.1)
        refused, health = await status("/metrics"), await status("/healthz")
        given_up = [sent[0]["status"] for sent in await asyncio.gather(*slow)]
        return [refused, health, given_up, await status("/metrics"), await status("/healthz")]

    refused, health, given_up, later, healthy = asyncio.run(asked())

    assert refused[0]["status"] == 503
    assert (b"retry-after", b"1") in refused[0]["headers"]
    assert json.loads(refused[1]["body"])["error"] == "busy"
    assert health[0]["status"] == 503  # as the next photo would be refused
    assert json.loads(health[1]["body"])["live"] is True
    assert given_up == [408, 408]
    assert (later[0]["status"], healthy[0]["status"]) == (200, 200)


@pytest.mark.hostile("memory")
def test_what_arrives_at_once_is_bounded(app):
    app.state.service.arrivals.held = 8 * LIMITS["max_bytes"] - 10

    sent, _ = asked(app, [body(b"a" * 11), body(b"", more=False)], content_length="11")

    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in sent[0]["headers"]
    assert app.state.service.arrivals.held == 8 * LIMITS["max_bytes"] - 10


@pytest.mark.hostile("killed")
def test_a_client_that_goes_away_midway_is_no_error(app, caplog):
    caplog.set_level(logging.INFO)

    sent, _ = asked(app, [body(b"\xff\xd8"), {"type": "http.disconnect"}], content_length="1000")

    assert sent == []
    assert [record.levelname for record in caplog.records if record.name.startswith("maskfold")] == ["INFO"]
    assert " 499 " in caplog.text


def test_what_fails_is_said_without_its_reason(serve, photo, caplog, monkeypatch):
    client: TestClient = serve()
    monkeypatch.setattr("maskfold.service.pictures.cv2.imencode", lambda *_: 1 / 0)

    answer = client.post("/mask", content=photo)

    assert (answer.status_code, answer.json()["error"]) == (500, "failed")
    assert "division" not in answer.text
    assert "division by zero" in caplog.text
