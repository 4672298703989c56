"""Ask a real service 2,000 times, and abuse it: `python tests/benchmarks/bench_service.py [exports/x/model.onnx]`.

The server is a process of its own on 127.0.0.1, asked by 16 threads of this one. A quarter of the requests are wrong in
one way or another, and each has to get exactly the answer of its kind. Without a model one that takes the photo's
brightness for its map stands in, so that what is measured is the service.
"""

import io
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import httpx
import numpy as np
import pandas as pd
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
import brightness_model
from maskfold.files import write_text

OUT = Path(os.environ.get("BENCH_OUT", "docs/measured"))
REQUESTS, AT_ONCE, WARM_UP = 2000, 16, 500
SIZE = (256, 192)
TOKEN = "0123456789abcdef" * 2
TIMEOUT_S = 15
KEYS = {"port": 0, "timeout": TIMEOUT_S, "max_bytes": 5_000_000, "max_pixels": 5_000_000}
ABORTED = 499


@dataclass(frozen=True)
class Kind:
    """A kind of request: how many of a hundred, what is sent, and what has to come back."""

    name: str
    share: int
    path: str
    body: bytes = b""
    status: int = 200
    form: bool = False
    content: str = ""


def product(seed: int = 0) -> bytes:
    """A JPEG of something bright on a dark, noisy backdrop."""
    noise = np.random.default_rng(seed).integers(0, 90, (*SIZE, 3), dtype=np.uint8)
    cv2.ellipse(noise, (96, 128), (60, 90), 0, 0, 360, (230, 220, 240), -1)
    return cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def bomb(height: int, width: int, *, whole: bool) -> bytes:
    """A PNG of one bit a pixel: whole, which takes a thousandth of its pixels, or its header alone."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes((width // 8 + 1) * height), 9) if whole else b""
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def kinds() -> list[Kind]:
    """What is asked."""
    photo, png = product(), "image/png"
    return [
        Kind("cut-out, PNG", 25, "/cutout", photo, content=png),
        Kind("cut-out, JPEG on white", 15, "/cutout?backdrop=white&crop=true&format=jpg", photo, content="image/jpeg"),
        Kind("mask", 15, "/mask?kind=mask", photo, content=png),
        Kind("mask, of a form", 10, "/mask", photo, form=True, content=png),
        Kind("quality", 10, "/quality", photo, content="application/json"),
        Kind("damaged", 5, "/cutout", photo[: len(photo) // 2], 422),
        Kind("of another type", 4, "/cutout", b"%PDF-1.7 " + bytes(5000), 415),
        Kind("too many bytes", 3, "/cutout", bytes(5_000_001), 413),
        Kind("too many pixels", 4, "/mask", bomb(20_000, 20_000, whole=False), 413),
        Kind("another address", 3, "/cutouts", photo, 404),
        Kind("an option that there is not", 3, "/mask?kind=url", photo, 422),
        Kind("aborted midway", 3, "/cutout", photo, ABORTED),
    ]


@contextmanager
def serving(model: Path, log: Path, *more: str, token: str | None = None) -> Iterator[tuple[psutil.Process, str]]:
    """Run the service; yield its process and address, and end it as a supervisor would."""
    overrides = [f"{key}={value}" for key, value in KEYS.items()]
    command = [sys.executable, "-m", "maskfold.stages.serve", f"exported={model}", *overrides, *more]
    environment = os.environ | ({"MASKFOLD_TOKEN": token} if token else {})
    with log.open("w") as file, subprocess.Popen(command, stderr=file, env=environment) as process:
        try:
            while not (address := re.search(r"Listening at (http://\S+:\d+);", log.read_text())):
                if process.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.1)
            yield psutil.Process(process.pid), address[1]
            process.send_signal(signal.SIGTERM)
            if process.wait(2 * TIMEOUT_S + 10) != 0:
                raise RuntimeError(f"ended with {process.returncode}")
        finally:
            process.kill()


def abort(address: str, kind: Kind) -> int:
    """Send half of a photo and go away."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        head = f"POST {kind.path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(kind.body)}\r\n\r\n"
        client.sendall(head.encode() + kind.body[: len(kind.body) // 2])
    return ABORTED


def ask(client: httpx.Client, address: str, kind: Kind) -> tuple[bool, float]:
    """Return whether the answer is the one that is expected, and the milliseconds that it took."""
    began = time.perf_counter()
    if kind.status == ABORTED:
        return abort(address, kind) == ABORTED, 0.0
    body = {"files": {"file": kind.body}} if kind.form else {"content": kind.body}
    try:
        answer = client.post(kind.path, **body)
    except httpx.HTTPError as error:
        print(f"{kind.name}: lost: {error!r}")
        return False, 0.0
    right = answer.status_code == kind.status
    if kind.status == 200:
        right = right and answer.headers["content-type"] == kind.content and len(answer.content) > 100
    else:
        right = right and {*answer.json()} == {"error", "message"}
    if not right:
        print(f"{kind.name}: {answer.status_code} {answer.text[:200]}")
    return right, 1000 * (time.perf_counter() - began)


def load(process: psutil.Process, address: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask all; return a row a request, and the server's memory after each 50 of them."""
    chosen = [kind for kind in kinds() for _ in range(kind.share * REQUESTS // 100)]
    random.Random(0).shuffle(chosen)
    local, lock, memory, done = threading.local(), threading.Lock(), [], 0

    def one(kind: Kind) -> tuple[str, bool, float]:
        nonlocal done
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=address, timeout=60)
        right, milliseconds = ask(local.client, address, kind)
        with lock:
            done += 1
            if done % 50 == 0:
                memory.append((done, process.memory_info().rss))
        return kind.name, right, milliseconds

    with ThreadPoolExecutor(AT_ONCE) as threads:
        rows = [*threads.map(one, chosen)]
    return pd.DataFrame(rows, columns=["kind", "right", "ms"]), pd.DataFrame(memory, columns=["requests", "rss"])


def summary(rows: pd.DataFrame, log: str) -> pd.DataFrame:
    """Return a row a kind: how many got their answer, and percentiles of the milliseconds."""
    expected = {kind.name: kind.status for kind in kinds()}
    table = []
    for name, of_kind in [*rows.groupby("kind", sort=False), ("all", rows)]:
        right = int(of_kind["right"].sum())
        if expected.get(name) == ABORTED:  # nobody is there to be answered: the log says that they went
            right = len(re.findall(r" 499 \d+ ms", log))
        timed = of_kind["ms"][of_kind["ms"] > 0]
        percentiles = [round(float(np.percentile(timed, part)), 1) if len(timed) else None for part in (50, 95, 99)]
        status = "" if name == "all" else expected[name]
        table.append([name, status, len(of_kind), right, *percentiles])
    columns = ["kind", "status", "requests", "as_expected", "p50_ms", "p95_ms", "p99_ms"]
    return pd.DataFrame(table, columns=columns).sort_values("requests", kind="stable", ascending=False)


@dataclass
class Abused:
    """What a piece of abuse has come to."""

    case: str
    outcome: str
    others: bool
    seconds: float
    grown_mib: float


def connections(address: str, number: int) -> list[socket.socket]:
    """Open connections."""
    host, port = address.removeprefix("http://").split(":")
    return [socket.create_connection((host, int(port)), timeout=60) for _ in range(number)]


def closed(clients: list[socket.socket]) -> str:
    """Wait until the server has let go of connections; return what the first one was answered with."""
    answers = []
    for client in clients:
        content = b""
        try:
            while part := client.recv(65536):
                content += part
        except OSError:
            pass
        client.close()
        answers.append(content[9:12].decode() or "closed")
    return ", ".join(f"{answers.count(one)} x {one}" for one in sorted({*answers}))


def cases(address: str) -> dict[str, Callable[[], str]]:
    """What is done to the server; each returns what it was answered with."""
    photo = product()
    post = b"POST /cutout HTTP/1.1\r\nHost: localhost\r\n"

    def status(*arguments: object, **options: object) -> str:
        return str(httpx.request(*arguments, timeout=60, **options).status_code)

    def slow_heads() -> str:
        clients = connections(address, 50)
        for byte in post[:20]:
            for client in clients:
                try:
                    client.sendall(bytes([byte]))
                except OSError:
                    break
            time.sleep(0.5)
        return closed(clients)

    def slow_bodies() -> str:
        clients = connections(address, 50)
        for client in clients:
            client.sendall(post + b"Content-Length: 100000\r\n\r\n\xff\xd8\xff")
        return closed(clients)

    def silent() -> str:
        return closed(connections(address, 500))

    def crowd() -> str:
        def one(number: int) -> str:
            answer = httpx.post(f"{address}/cutout", content=photo, timeout=60)
            waits = " with Retry-After" if "retry-after" in answer.headers else ""
            return f"{answer.status_code}{waits}"

        with ThreadPoolExecutor(100) as threads:
            answers = [*threads.map(one, range(300))]
        return ", ".join(f"{answers.count(one)} x {one}" for one in sorted({*answers}))

    def garbage() -> str:
        clients = connections(address, 50)
        for number, client in enumerate(clients):
            client.sendall(random.Random(number).randbytes(2000) + b"\r\n\r\n")
        return closed(clients)

    def paths() -> str:
        tries = [
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "//etc/passwd",
            "/cutout/../../x",
            "/%00",
            "/docs/../..",
        ]
        return ", ".join(sorted({raw(f"GET {path} HTTP/1.1") for path in tries}))

    def raw(line: str, *headers: str) -> str:
        (client,) = connections(address, 1)
        client.sendall("\r\n".join([line, "Host: localhost", "Connection: close", *headers, "", ""]).encode())
        return closed([client]).removeprefix("1 x ")

    hundred = 100_000_000
    return {
        "50 clients that send their first lines a byte every half second": slow_heads,
        "50 clients that stop in the middle of a photo": slow_bodies,
        "500 connections that say nothing": silent,
        "300 photos, 100 at once": crowd,
        "a PNG of 400 megapixels in 50 kB": lambda: status(
            "POST", f"{address}/mask", content=bomb(20_000, 20_000, whole=True)
        ),
        "a header of 2,147,483,647 x 2,147,483,647": lambda: status(
            "POST", f"{address}/mask", content=bomb(2**31 - 1, 2**31 - 1, whole=False)
        ),
        "a body of 100 MB": lambda: status("POST", f"{address}/mask", content=bytes(hundred)),
        "a body of 100 MB that does not say its size": lambda: status(
            "POST", f"{address}/mask", content=(bytes(1_000_000) for _ in range(100))
        ),
        "50 times 2,000 random bytes": garbage,
        "a first line of 1 MB": lambda: raw(f"GET /{'a' * 1_000_000} HTTP/1.1"),
        "six paths that lead out": paths,
        "another host, as when a name is changed to lead here": lambda: status(
            "POST", f"{address}/mask", content=photo, headers={"host": "evil.example"}
        ),
        "a page of another site": lambda: status(
            "POST", f"{address}/mask", content=photo, headers={"origin": "http://evil.example"}
        ),
    }


def abuse(process: psutil.Process, address: str) -> list[Abused]:
    """Do all of it; meanwhile, and afterwards, somebody else asks for a cut-out."""
    photo, results = product(), []
    for case, attack in cases(address).items():
        before, began = process.memory_info().rss, time.monotonic()
        with ThreadPoolExecutor(1) as other:
            attacking = other.submit(attack)
            time.sleep(0.3)
            meanwhile = httpx.post(f"{address}/cutout", content=photo, timeout=60).status_code in (200, 503)
            outcome = attacking.result()
        seconds = time.monotonic() - began
        afterwards = httpx.post(f"{address}/cutout", content=photo, timeout=60).status_code == 200
        grown = (process.memory_info().rss - before) / 2**20
        results.append(Abused(case, outcome, meanwhile and afterwards, round(seconds, 1), round(grown, 1)))
        print(results[-1])
    return results


def wrong_tokens(model: Path, log: Path) -> Abused:
    """Ask a service that wants a token without one, with wrong ones, and with the right one."""
    wrong = [{}, *({"authorization": text} for text in ("Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}0", TOKEN))]
    with serving(model, log, token=TOKEN) as (_, address):
        began = time.monotonic()
        answers = [httpx.post(f"{address}/mask", content=product(), headers=one).status_code for one in wrong]
        right = httpx.post(f"{address}/mask", content=product(), headers={"authorization": f"Bearer {TOKEN}"})
        seconds = time.monotonic() - began
    outcome = f"{answers.count(401)} x 401"
    return Abused("no token, and four wrong ones", outcome, right.status_code == 200, round(seconds, 1), 0.0)


def main() -> None:
    """Measure, print and write both tables."""
    with TemporaryDirectory() as folder:
        model = Path(sys.argv[1]) if len(sys.argv) > 1 else brightness_model.write(Path(folder) / "model.onnx")
        log = Path(folder) / "log.txt"
        with serving(model, log) as (process, address):
            began = time.monotonic()
            rows, memory = load(process, address)
            seconds = time.monotonic() - began
            time.sleep(0.5)
            table = summary(rows, log.read_text())
            later = memory[memory["requests"] > WARM_UP]
            slope = float(np.polyfit(later["requests"], later["rss"], 1)[0])
            print(table.to_string(index=False))
            rate, grown = REQUESTS / seconds, [f"{rss / 2**20:.1f}" for rss in later["rss"].iloc[[0, -1]]]
            print(f"{seconds:.1f} s, {rate:.1f} requests a second")
            print(f"memory after {WARM_UP}: {slope:.0f} bytes a request, from {' to '.join(grown)} MiB")
            abused = abuse(process, address)
        abused.append(wrong_tokens(model, log))
        print(abused[-1])
    memory["mib"] = (memory.pop("rss") / 2**20).round(1)
    for name, content in {"service": table, "service_memory": memory, "service_abuse": pd.DataFrame(abused)}.items():
        text = io.StringIO()
        content.to_csv(text, index=False)
        write_text(OUT / f"{name}.csv", text.getvalue())


if __name__ == "__main__":
    main()
