"""The server on a real socket: who is too slow is left, and the end answers what was taken in."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from maskfold.errors import MaskfoldError
from maskfold.service import server
from maskfold.service.api import create_app
from maskfold.service.limits import ServiceLimits
from maskfold.service.server import check_token, hosts_of, is_loopback, listen, server_of
from red_masker import LIMITS, Reds

TESTS = Path(__file__).parents[1]
TOKEN = "0123456789abcdef"

# The stage, but for its model; it prints what it has loaded when it has ended.
STAGE = """
import sys
from red_masker import Reds
from maskfold.config import compose
from maskfold.entry import quiet_console
from maskfold.stages import serve as stage

quiet_console()
masker = Reds()
stage.open_masker = lambda **_: masker
stage.serve(compose("serve", ["port=0", "exported=red.onnx", *sys.argv[1:]]))
heavy = ("torch", "lightning", "timm", "albumentations", "imgaug", "mlflow", "wandb", "segmentation_models_pytorch")
print("loaded:", [name for name in heavy if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("example.org", False)],
)  # fmt: skip
def test_loopback(host, expected):
    assert is_loopback(host) is expected
    assert (hosts_of(host) is None) is not expected


@pytest.mark.hostile("secrets")
def test_others_are_not_listened_to_without_a_token():
    check_token("127.0.0.1", None)
    check_token("0.0.0.0", TOKEN)
    with pytest.raises(MaskfoldError, match=r"host=0\.0\.0\.0: other machines can reach that, so a token is needed"):
        check_token("0.0.0.0", None)
    for weak in ("", "short", TOKEN + "\n", TOKEN + "é"):
        with pytest.raises(MaskfoldError, match="The token needs 16 characters"):
            check_token("127.0.0.1", weak)


def test_a_port_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as taken, pytest.raises(MaskfoldError, match=r"host=127\.0\.0\.1 port=\d+: cannot"):
        listen("127.0.0.1", taken.getsockname()[1])


@pytest.fixture
def address(monkeypatch) -> Iterator[tuple[str, int]]:
    """A server in a thread of this process, whose patience is short."""
    monkeypatch.setattr(server, "HEAD_S", 0.2)
    monkeypatch.setattr(server, "_IDLE_S", 1)
    limits = ServiceLimits(**LIMITS | {"timeout": 0.5})
    listener = listen("127.0.0.1", 0)
    running = server_of(create_app(Reds(), limits=limits), limits)
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    yield listener.getsockname()
    running.should_exit = True
    thread.join()


@pytest.mark.hostile("endless and hanging")
def test_who_is_slow_with_the_first_lines_is_left(address, photo):
    silent, slow = (socket.create_connection(address) for _ in range(2))
    began = time.monotonic()
    for byte in b"POST /mask HTTP":
        slow.sendall(bytes([byte]))
        time.sleep(0.01)
    answer = httpx.post("http://{}:{}/mask".format(*address), content=photo)  # meanwhile others are answered

    assert answer.status_code == 200
    for left in (silent, slow):
        left.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert left.recv(1) == b""
        left.close()
    assert time.monotonic() - began < 2


@pytest.mark.hostile("endless and hanging")
def test_idle_connections_take_nobodys_place(address, photo):
    """More of them than there may be requests: 2 x 4 and 64."""
    asks = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with contextlib.ExitStack() as opened:
        idle = [opened.enter_context(socket.create_connection(address, timeout=5)) for _ in range(80)]
        for one in idle:
            one.sendall(asks)
        answers = [one.recv(1000) for one in idle]
        health = httpx.get("http://{}:{}/healthz?ready=true".format(*address))
        answer = httpx.post("http://{}:{}/mask".format(*address), content=photo)

        assert {first[:12] for first in answers} == {b"HTTP/1.1 200"}
        assert (health.status_code, answer.status_code) == (200, 200)


@pytest.mark.hostile("endless and hanging")
def test_who_is_slow_with_the_photo_is_told_so(address):
    with socket.create_connection(address, timeout=5) as slow:
        slow.sendall(b"POST /mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n\xff\xd8")
        answer = slow.recv(1000)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.hostile("killed")
def test_the_end_answers_what_waits_and_is_no_failure(tmp_path, photo):
    """The stage as a process, asked to end while a photo's body is on its way."""
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", STAGE, "timeout=5"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes) as process:
        try:
            address = ("127.0.0.1", _port(process))
            with socket.create_connection(address, timeout=20) as client:
                head = f"POST /mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(photo)}\r\n\r\n"
                client.sendall(head.encode() + photo[:50])
                time.sleep(0.2)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
                with pytest.raises(OSError, match="refused"):
                    socket.create_connection(address, timeout=1)
                client.sendall(photo[50:])
                answer = client.recv(100)
            out, errors = process.communicate(timeout=20)
        finally:
            process.kill()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert process.returncode == 0, errors
    assert out == "loaded: []\n"
    assert "POST /mask 200 " in errors
    assert errors.rstrip().endswith("Ended; all that was taken in is answered.")


def _port(process: subprocess.Popen) -> int:
    """Return the port that a service says it listens at."""
    ready, _, _ = select.select([process.stderr], [], [], 30)
    assert ready
    for line in process.stderr:
        if line.startswith("Listening at http://127.0.0.1:"):
            return int(line.split(":")[2].partition(";")[0])
    raise AssertionError("it has ended")
