"""A real PostgreSQL server of a test's own, on this machine alone, run by a user without rights, with a password."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlflow_server import free_port

USER, PASSWORD = "clerk", "s3cret-of-the-shop"
_FOLDERS = [*sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)]


@dataclass(frozen=True)
class PostgresServer:
    """A server that runs: its port, and its process, which ends with the context."""

    port: int
    process: subprocess.Popen

    def url(self, *, password: str | None = PASSWORD, user: str = USER) -> str:
        """Return its address for SQLAlchemy."""
        return f"postgresql+psycopg://{user}{f':{password}' if password else ''}@127.0.0.1:{self.port}/postgres"


def program(name: str) -> str | None:
    """Return where one of PostgreSQL's programs is, if it is installed."""
    return shutil.which(name, path=os.pathsep.join([*_FOLDERS, os.environ.get("PATH", "")]))


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """Start a server with an empty database, and stop it."""
    missing = [name for name in ("initdb", "postgres") if program(name) is None]
    if missing:
        pytest.skip(f"PostgreSQL's {missing[0]} is not installed here (apt install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    rights: dict[str, Any] = {}
    if os.getuid() == 0:  # which PostgreSQL refuses to be
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        rights = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **rights}
    data, port = folder / "data", free_port()
    making = [program("initdb"), "-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", folder / "password"]
    subprocess.run([*making, "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C"], check=True, **quiet)
    settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    process = subprocess.Popen([program("postgres"), "-D", data, "-p", str(port), *settings], **quiet)
    try:
        _wait(port, process)
        yield PostgresServer(port, process)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen) -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, "the server has ended"
        try:
            psycopg.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise AssertionError("the server does not answer")
