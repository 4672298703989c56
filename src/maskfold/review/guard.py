"""Who may ask: this machine's browser, from the screen's own page. All else is refused before anything is looked up.

A page of another site can send requests to a port of this machine, and by a name of its own that resolves to it read
the answers too. So the name that is asked for, the page that asks and a token that only our page has are all compared.
"""

import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-maskfold-token"
GUARDED = "/api/"
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address is this machine's own, which no other machine reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Middleware that refuses, with 403, whatever does not come from the screen's own page.

    Args:
        app: What is guarded.
        token: What requests below `/api/` have to bring; made anew in each run.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        reason = self._reason(scope)
        app = self._app if reason is None else JSONResponse({"detail": reason, "kind": "refused"}, 403)
        await app(scope, receive, send_guarded)

    def _reason(self, scope: Scope) -> str | None:
        """Return why a request is refused, or None."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return f"asked for as {host!r}, and this screen is for this machine alone"
        if origin not in (None, f"http://{host}") or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return "asked by a page of another origin"
        if ".." in scope["path"].split("/") or "\\" in scope["path"]:
            return "a path that leads out of its folder"
        if scope["path"].startswith(GUARDED) and not secrets.compare_digest(
            headers.get(TOKEN_HEADER, "").encode(), self._token.encode()
        ):
            return "without the token of this run: reload the page"
        return None
