"""The screen over HTTP: its page, the photos and masks that it asks for by name, and what it sends back."""

import hashlib
import logging
import secrets
import socket
from importlib.resources import files as resources
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from maskfold.errors import MaskfoldError
from maskfold.review.desk import ConflictError, ReviewDesk, UnknownPhotoError, Work
from maskfold.review.guard import Guard, is_loopback
from maskfold.review.shown import packed, picture
from maskfold.terminal import RESULT

log = logging.getLogger(__name__)

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STATIC = resources("maskfold.review") / "static"
_ROOM = 65536  # bytes that a PNG may have beyond one for each pixel
_LONG = 300  # letters of a name
_DAY = 86400

Name = Annotated[str, Query(min_length=1, max_length=_LONG)]
Tab = Annotated[str, Query(pattern="^[0-9a-f-]{8,64}$")]


def create_app(desk: ReviewDesk, *, token: str | None = None) -> FastAPI:
    """Return the screen's server.

    Args:
        desk: What it is about.
        token: What requests have to bring; None for one by chance.
    """
    token = token or secrets.token_urlsafe(32)
    app = FastAPI(title="maskfold review", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, token=token)
    _add_errors(app)
    _add_page(app, desk, token)
    _add_reading(app, desk)
    _add_writing(app, desk)
    return app


def serve(app: FastAPI, *, host: str, port: int) -> None:
    """Serve until it is stopped.

    Args:
        app: What `create_app` has returned.
        host: One of this machine's own, which no other machine reaches.
        port: 0 for any that is free.

    Raises:
        MaskfoldError: If the host is another, or the port is taken.
    """
    if not is_loopback(host):
        raise MaskfoldError(
            f"host={host}: masks are changed here without a password, so this screen answers this machine alone. Give "
            "host=127.0.0.1; from another machine, ssh -L 8765:localhost:8765 and the same address there."
        )
    address = host if host != "localhost" else "127.0.0.1"
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError as error:
            raise MaskfoldError(f"port={port}: {error.strerror or error}. Give another, or port=0 for any.") from error
        shown = f"[{address}]" if ":" in address else address
        log.info("http://%s:%d/ (Ctrl-C ends it)", shown, listener.getsockname()[1], extra=RESULT)
        quiet = {"log_level": "warning", "access_log": False, "ws": "none", "lifespan": "off"}
        config = uvicorn.Config(app, timeout_graceful_shutdown=3, **quiet)
        uvicorn.Server(config).run(sockets=[listener])


def _add_errors(app: FastAPI) -> None:
    statuses = {UnknownPhotoError: 404, ConflictError: 409, MaskfoldError: 422}

    async def answer(_: Request, error: Exception) -> JSONResponse:
        status = next(status for kind, status in statuses.items() if isinstance(error, kind))
        return JSONResponse({"detail": str(error), "kind": getattr(error, "kind", "error")}, status)

    async def misused(_: Request, error: RequestValidationError) -> JSONResponse:
        places = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        return JSONResponse({"detail": f"not understood: {places}", "kind": "error"}, 422)

    for kind in statuses:
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(RequestValidationError, misused)


def _add_page(app: FastAPI, desk: ReviewDesk, token: str) -> None:
    pages = {entry.name: entry.read_bytes() for entry in _STATIC.iterdir() if entry.is_file()}
    folder = hashlib.sha256(str(desk.folder).encode()).hexdigest()[:16]

    @app.get("/")
    def page() -> Response:
        return Response(pages["review.html"], media_type=TYPES[".html"])

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in pages:
            return JSONResponse({"detail": "no such file", "kind": "error"}, 404)
        return Response(pages[name], media_type=TYPES[name[name.rindex(".") :]])

    @app.get("/session")
    def session() -> dict[str, str]:
        return {"token": token, "folder": folder}


def _add_reading(app: FastAPI, desk: ReviewDesk) -> None:
    @app.get("/api/photos")
    def photos(tab: Tab) -> dict[str, Any]:
        return desk.listing(tab)

    @app.get("/api/photo")
    def photo(image_id: Name) -> Response:
        content, kind = picture(desk.shown(image_id).photo)
        return Response(content, media_type=kind)

    @app.get("/api/mask")
    def mask(image_id: Name, key: Name) -> Response:
        return Response(packed(desk.mask(image_id, key)), media_type="application/octet-stream")


def _add_writing(app: FastAPI, desk: ReviewDesk) -> None:
    async def png(request: Request, image_id: Name) -> bytes:
        height, width = desk.shown(image_id).size
        content = bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > height * width + _ROOM:
                raise MaskfoldError(f"{image_id}: more than a mask of {width}x{height} can have; nothing was saved.")
        return bytes(content)

    def work(
        image_id: Name,
        tab: Tab,
        seconds: Annotated[float, Query(ge=0, le=_DAY)],
        actions: Annotated[int, Query(ge=0, le=10**6)],
        began_from: Name,
        photo_hash: Name,
        base_hash: Name,
    ) -> Work:
        return Work(
            image_id=image_id,
            tab=tab,
            seconds=seconds,
            actions=actions,
            began_from=began_from,
            photo_hash=photo_hash,
            base_hash=base_hash,
        )

    @app.post("/api/next")
    def following(tab: Tab, after: Name | None = None) -> dict[str, str | None]:
        return {"image_id": desk.next_of(tab, after)}

    @app.post("/api/open")
    def opened(image_id: Name, tab: Tab, over: bool = False) -> dict[str, Any]:
        return desk.open(image_id, tab, over=over)

    @app.post("/api/beat", status_code=204)
    def beat(image_id: Name, tab: Tab) -> None:
        desk.beat(image_id, tab)

    @app.post("/api/close", status_code=204)
    def close(image_id: Name, tab: Tab) -> None:
        desk.leases.drop(image_id, tab)

    @app.post("/api/draft")
    def draft(work: Annotated[Work, Depends(work)], content: Annotated[bytes, Depends(png)]) -> dict[str, str]:
        return {"made": desk.save_draft(work, content)}

    @app.post("/api/save")
    def save(
        work: Annotated[Work, Depends(work)],
        content: Annotated[bytes, Depends(png)],
        rejected: bool = False,
    ) -> dict[str, Any]:
        review = desk.save(work, None if rejected else content)
        return {"decision": review.decision, "pixels_changed": review.pixels_changed}
