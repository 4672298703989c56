"""The watch of a rehearsal: a process that begins with it has no network, and what reached out is written down."""

import json
import os
import subprocess
import sys

import pytest

from maskfold.bundle.contents import copy_watch
from maskfold.bundle.watch import MODULES, NETWORK, SEEN, is_far

# To addresses of documentation (RFC 5737), which no machine has.
REACHING = """
import socket, urllib.request
from concurrent.futures import ProcessPoolExecutor

def tries(reach):
    try:
        reach()
    except OSError as error:
        return error.errno
    return 0

def elsewhere(_):
    return tries(lambda: socket.create_connection(("192.0.2.1", 80), timeout=1))

if __name__ == "__main__":
    here = socket.create_server(("127.0.0.1", 0))
    print(tries(lambda: urllib.request.urlopen("http://weights.example/resnet.pth", timeout=1)))
    print(tries(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"hello", ("192.0.2.7", 53))))
    print(tries(lambda: socket.create_connection(here.getsockname(), timeout=1)))
    with ProcessPoolExecutor(1) as pool:
        print(*pool.map(elsewhere, [0]))
"""


@pytest.mark.hostile("secrets")
def test_a_watched_process_and_its_children_reach_no_other_machine(tmp_path):
    seen = tmp_path / "seen"
    seen.mkdir()
    copy_watch(tmp_path)
    (tmp_path / "reaching.py").write_text(REACHING)
    environment = {"PYTHONPATH": str(tmp_path), SEEN: str(seen), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-s", str(tmp_path / "reaching.py")]

    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    address, packet, loopback, child = run.stdout.split()
    assert loopback == "0"
    assert (packet, child) == ("101", "101")  # ENETUNREACH
    assert address != "0"
    reached = [json.loads(line) for line in (seen / NETWORK).read_text().splitlines()]
    wanted = ("weights.example", "192.0.2.7", "192.0.2.1")
    assert [next(name for name in wanted if name in one["address"]) for one in reached] == [*wanted]
    assert all(one["by"].startswith("__main__ (") or one["by"].startswith("__mp_main__") for one in reached)
    assert any("urllib" in path.read_text() for path in seen.glob(f"{MODULES}-*.json"))


@pytest.mark.parametrize(
    ("address", "far"),
    [
        (("192.0.2.1", 80), True),
        (("2001:db8::1", 80, 0, 0), True),
        ("pypi.org", True),
        (("127.0.0.1", 80), False),
        (("::1", 80, 0, 0), False),
        ("/tmp/a.socket", False),
        (b"\0abstract", False),
        ("localhost", False),
        (None, False),
    ],
)
def test_only_other_machines_are_far(address, far):
    assert is_far(address) is far
