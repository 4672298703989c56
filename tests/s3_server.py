"""A real S3 server of a test's own, on this machine alone, that refuses keys it does not know and wrong secrets."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlflow_server import free_port, stop

BUCKET = "photos"


@dataclass(frozen=True)
class S3Server:
    """A server that runs.

    Attributes:
        address: Of the server, `http://127.0.0.1:<port>`.
        key: An access key that may do everything.
        secret: Its secret.
        process: The server.
    """

    address: str
    key: str
    secret: str
    process: subprocess.Popen

    def environment(self, **more: str) -> dict[str, str]:
        """Return this process's environment, for another one, that has the server asked with its keys or with others.

        The machine's own keys and settings are not in it.
        """
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FSSPEC_"))}
        ours = {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        return own | ours | more

    def use(self, patch: pytest.MonkeyPatch, **more: str) -> None:
        """Have this process ask the server, as `environment` has it."""
        wanted = self.environment(**more)
        for name in os.environ.keys() - wanted.keys():
            patch.delenv(name)
        for name, value in wanted.items():
            if os.environ.get(name) != value:
                patch.setenv(name, value)

    def client(self, service: str = "s3", *, key: str = "", secret: str = "") -> Any:
        """Return boto3's client of the server, with its keys or with others."""
        import boto3

        keys = {"aws_access_key_id": key or self.key, "aws_secret_access_key": secret or self.secret}
        return boto3.client(service, endpoint_url=self.address, region_name="us-east-1", **keys)

    def user(self, name: str, policy: dict[str, Any]) -> tuple[str, str]:
        """Make a user who may do what a policy says, and return their key and secret."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]


@contextmanager
def serving(folder: Path) -> Iterator[S3Server]:
    """Start a server with an empty bucket, `BUCKET`, and end it.

    Args:
        folder: Where its log goes.
    """
    port = free_port()
    environment = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "3"}  # calls without keys, which make the first user
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "s3.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(port, process, folder / "s3.log")
        free = S3Server(address, "none", "none", process)
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        server = S3Server(address, *_first_user(free, everything), process)
        server.client().create_bucket(Bucket=BUCKET)
        yield server
    finally:
        stop(process)


def _first_user(server: S3Server, policy: dict[str, Any]) -> tuple[str, str]:
    return server.user("admin", policy)


def _wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


class Proxy:
    """Passes connections on to a server, and spoils them where it is told to.

    Attributes:
        address: What takes the server's place in the environment.
        cut_after: Bytes of answers after which a connection is cut; None never.
        total: Bytes of answers, of all connections, after which none brings any more; None never.
        stall_after: Bytes of a question after which no more is passed on, as when the network stands still.
        cut_questions_after: Bytes of a question after which the connection is cut.
    """

    def __init__(self, server: S3Server) -> None:
        self._port = int(server.address.rpartition(":")[2])
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.cut_after: int | None = None
        self.total: int | None = None
        self.stall_after: int | None = None
        self.cut_questions_after: int | None = None
        self.stalled = threading.Event()
        self._answered = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for work in (self._ask, self._answer):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while part := client.recv(2**16):
                passed += len(part)
                if self.stall_after is not None and passed > self.stall_after:
                    self.stalled.set()
                    time.sleep(60)
                if self.cut_questions_after is not None and passed > self.cut_questions_after:
                    break
                server.sendall(part)
        _close(client, server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while part := server.recv(2**14):
                if self.cut_after is not None:
                    part = part[: max(0, self.cut_after - passed)]
                if self.total is not None:
                    part = part[: max(0, self.total - self._answered)]
                passed, self._answered = passed + len(part), self._answered + len(part)
                client.sendall(part)
                if not part:
                    break
        _close(client, server)


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
