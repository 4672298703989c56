"""The gate: who may ask, and one line in the log for whoever did.

Nothing of a photo is in that line, nor what stands behind the question mark of an address.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskfold.service.metrics import OTHER, Metrics
from maskfold.service.refusals import BUSY, GONE, TOO_SLOW, RefusalError

log = logging.getLogger("maskfold.service.requests")

HEALTH = "/healthz"  # without a token: whoever starts and stops services has none
ROUTE = "maskfold.route"  # in a request's scope: where its photo goes
CROWDED = "maskfold.crowded"  # in a request's scope: whether the gate would let no other one through
_LONGEST_PATH = 100  # characters of a line in the log
_DRAIN_S = 2.0  # that a refused request is still listened to
_DRAIN_BYTES = 2**28


class Gate:
    """Lets requests through to the service, or refuses them.

    Args:
        app: The service.
        hosts: The names that it answers to, without ports; None for any. On a machine's own address others are those
            of web pages that have had their name changed to lead here (DNS rebinding).
        token: What must come as `Authorization: Bearer <token>`; None for nothing.
        metrics: Where requests are counted.
        most: Requests at once, those after the health aside; a connection that asks nothing is none.
        open_paths: Addresses that need no token.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: frozenset[str] | None,
        token: str | None,
        metrics: Metrics,
        most: int,
        open_paths: frozenset[str] = frozenset({HEALTH}),
    ) -> None:
        self.app, self.hosts, self.metrics, self.most = app, hosts, metrics, most
        self.open_paths = open_paths
        self._inside = 0
        self._authorization = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = _Visit(scope, receive, send)
        try:
            self._refuse_strangers(scope)
            with self._place(scope):
                await self.app(scope, visit.receive, visit.send)
        except RefusalError as refusal:
            await visit.refuse(refusal)
        except Exception:
            logging.getLogger(__name__).exception("A request has failed.")
            await visit.refuse(
                RefusalError(500, "failed", "The service has failed with this request; its log says why.")
            )
        finally:
            self._record(scope, visit)

    def _refuse_strangers(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts is not None and _host_name(host) not in self.hosts:
            names = " or ".join(sorted(self.hosts))
            raise RefusalError(403, "other_host", f"This service answers to the host {names} alone.")
        if origin is not None and urlsplit(origin).netloc != host:
            raise RefusalError(403, "other_origin", "Pages of other sites may not ask this service.")
        if self._authorization is not None and scope["path"] not in self.open_paths:
            given = headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, self._authorization):
                raise RefusalError(
                    401,
                    "no_token",
                    "Send the service's token: Authorization: Bearer <token>.",
                    www_authenticate="Bearer",
                )

    @contextmanager
    def _place(self, scope: Scope) -> Iterator[None]:
        """Count a request while it is inside; whoever asks after the health is always let in."""
        scope[CROWDED] = self._inside >= self.most
        counts = scope["path"] != HEALTH
        if counts and scope[CROWDED]:
            raise RefusalError(
                BUSY,
                "busy",
                f"{self.most} requests at once are all that this service takes. Send it again later.",
                retry_after="1",
            )
        self._inside += counts
        try:
            yield
        finally:
            self._inside -= counts

    def _record(self, scope: Scope, visit: "_Visit") -> None:
        seconds = time.monotonic() - visit.began
        status = visit.status or GONE
        path = getattr(scope.get("route"), "path", OTHER)
        self.metrics.count_request(path, status, seconds=seconds, received=visit.received, sent=visit.sent)
        log.info(
            "%s %s %d %.0f ms %d B in %d B out%s",
            *(_plain(scope[part]) for part in ("method", "path")),
            status,
            1000 * seconds,
            visit.received,
            visit.sent,
            f" {scope[ROUTE]}" if ROUTE in scope else "",
        )


class _Visit:
    """One request: counts what comes and goes; what is left of a body is read before a refusal is sent.

    A client that is still sending when the connection is closed does not see the answer.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began = time.monotonic()
        self.status = self.received = self.sent = 0
        self._receive, self._send = receive, send
        headers = Headers(scope=scope)
        self._whole = "content-length" not in headers and "transfer-encoding" not in headers
        self._asks_first = headers.get("expect", "").lower() == "100-continue"
        self._gone = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self._whole = self._whole or not message.get("more_body", False)
            self._asks_first = False  # it was told to go on
        else:
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._whole and (message["status"] == TOO_SLOW or not await self._drained()):
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            self.status = message["status"]
        self.sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, refusal: RefusalError) -> None:
        if self._gone or self.status:  # nobody to tell, or too late
            return
        body = refusal.body()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})

    async def _drained(self) -> bool:
        """Read what still comes, for a while; return whether that was all of it."""
        if self._asks_first:
            return False
        try:
            async with asyncio.timeout(_DRAIN_S):
                while not self._whole and not self._gone and self.received < _DRAIN_BYTES:
                    await self.receive()
        except TimeoutError:
            pass
        return self._whole


def _host_name(host: str) -> str:
    """Return the host of `host:port`, in lower case, of IPv6 without brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _plain(text: str) -> str:
    """Return text that stays on its line of a log, cut where it is long."""
    shown = "".join(character if character.isprintable() else "?" for character in text[: _LONGEST_PATH + 1])
    return f"{shown[:_LONGEST_PATH]}..." if len(shown) > _LONGEST_PATH else shown
