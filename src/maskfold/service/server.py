"""The server: it listens, cuts off who is too slow for HTTP, and ends only when what it has taken in is answered."""

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from maskfold.errors import MaskfoldError
from maskfold.service.limits import ServiceLimits

log = logging.getLogger(__name__)

HEAD_S = 10  # for a request's first lines to arrive, and for a client to take what it is sent
_HEAD_BYTES = 16 * 1024
_IDLE_S = 5  # that a connection is kept for another request
_BACKLOG = 512  # connections that the system keeps until they are accepted
_LEAST_TOKEN = 16  # characters


def is_loopback(host: str) -> bool:
    """Tell whether only programs of this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hosts_of(host: str) -> frozenset[str] | None:
    """Return the names that a service on an address answers to; None for any, where a token guards it."""
    return frozenset({"localhost", "127.0.0.1", "::1", host.lower()}) if is_loopback(host) else None


def check_token(host: str, token: str | None) -> None:
    """Refuse to listen where others reach the service without a token, or with one that can be guessed.

    Raises:
        MaskfoldError: Saying what to do.
    """
    if token is None and not is_loopback(host):
        raise MaskfoldError(
            f"host={host}: other machines can reach that, so a token is needed: put one into a file and give "
            "token_file=<file>, or into the environment as MASKFOLD_TOKEN. `openssl rand -hex 32` makes one."
        )
    if token is not None and (len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise MaskfoldError(
            f"The token needs {_LEAST_TOKEN} characters or more, all of them plain ASCII on one line. "
            "`openssl rand -hex 32` makes one."
        )


def run(app: FastAPI, *, host: str, port: int, limits: ServiceLimits) -> None:
    """Serve until SIGTERM or Ctrl+C; then take nothing more in, answer what was, and return.

    Args:
        app: The service.
        host: To listen at.
        port: To listen at; 0 for any free one, which the log names.
        limits: The service's.

    Raises:
        MaskfoldError: If it cannot listen there.
    """
    listener = listen(host, port)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    shown = f"[{host}]" if ":" in host else host
    log.info("Listening at http://%s:%d; what it understands is at /docs.", shown, listener.getsockname()[1])
    with _ending_quietly():
        server_of(app, limits).run(sockets=[listener])
    log.info("Ended; all that was taken in is answered.")


def server_of(app: FastAPI, limits: ServiceLimits) -> uvicorn.Server:
    """Return the server of an application, which is to be run on a socket."""
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=None,  # it would count idle connections, and refuse /healthz too: the gate counts requests
        timeout_keep_alive=_IDLE_S,
        # A photo that is arriving now may take its time to arrive, and then to be answered.
        timeout_graceful_shutdown=int(2 * limits.timeout) + 1,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        MaskfoldError: If it cannot.
    """
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=kind, backlog=_BACKLOG)
    except OSError as error:
        raise MaskfoldError(
            f"host={host} port={port}: cannot listen there: {error.strerror or error}. End what does, or name another "
            "port."
        ) from error


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Have the signals that end a server, which uvicorn raises again when it has ended, end nothing else."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class PatientProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, with an end to its patience: it waits for a request's body, and that is all.

    The head of a request has to be there `HEAD_S` after its connection or its first byte, and a client that takes
    nothing of its answer for as long is left.
    """

    _head: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        _cancel(self._head)
        _cancel(self._taking)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._taking = self.loop.call_later(HEAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        _cancel(self._taking)
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, whether or not the client has taken its last answer."""
        super().timeout_keep_alive_handler()
        self._taking = self.loop.call_later(HEAD_S, self.transport.abort)

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            _cancel(self._head)
            self._head = None
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_S, self.transport.abort)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
