"""What a service is, whatever its model answers: a photo taken in, its health, its counters, its page."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from maskfold import __version__
from maskfold.service.body import FIELD, Arrivals, file_of_form, is_form
from maskfold.service.desk import Desk
from maskfold.service.gate import CROWDED, HEALTH, Gate
from maskfold.service.metrics import Metrics
from maskfold.service.options import HealthOptions
from maskfold.service.pages import documentation
from maskfold.service.refusals import ANSWERS, BUSY, GONE, UNUSABLE, RefusalError


@dataclass(frozen=True)
class Running:
    """The parts of every running service.

    Attributes:
        name: The model's.
        identity: The model's.
        desk: Where photos wait.
        arrivals: Where they arrive.
        metrics: What is counted.
    """

    name: str
    identity: str
    desk: Desk[Any]
    arrivals: Arrivals
    metrics: Metrics

    async def photo_of(self, request: Request) -> bytes:
        """Return the file of the photo that a request brings.

        Raises:
            RefusalError: If there is no place for it, there is none, it is too large or too slow, or the client has
                gone away.
        """
        self.desk.refuse_when_full()  # before the photo is sent for nothing
        try:
            data = await self.arrivals.read(request)
        except ClientDisconnect:
            raise RefusalError(GONE, "gone", "The client has gone away.") from None
        if is_form(request):
            data = await self.desk.in_thread(file_of_form, data, request.headers["content-type"])
        return self.arrivals.checked(data)


def app_of(
    service: Running,
    router: APIRouter,
    *,
    about: str,
    hosts: frozenset[str] | None,
    token: str | None,
    elsewhere: tuple[Iterable[str], str],
    pages: frozenset[str] = frozenset(),
) -> FastAPI:
    """Return a service as an ASGI application.

    Args:
        service: Its parts.
        router: Its own addresses.
        about: What it is, for `/docs`.
        hosts: The names that it answers to; None for any.
        token: What requests have to come with; None for nothing.
        elsewhere: Addresses of the service of the other task, and what is said there.
        pages: Addresses of pages that need no token, since there is nothing in them but a form that asks for it.
    """

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.desk.open)
        yield
        await asyncio.to_thread(service.desk.close)

    app = FastAPI(
        title="maskfold",
        version=__version__,
        description=about,
        lifespan=opened,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(_common)
    hidden = {"include_in_schema": False, "response_model": None}
    for address in elsewhere[0]:
        app.add_api_route(address, _other_task(elsewhere[1]), methods=["GET", "POST"], **hidden)
    app.add_exception_handler(HTTPException, _no_such_address)
    app.add_exception_handler(RequestValidationError, _no_such_option)
    most = service.desk.limits.requests
    app.add_middleware(Gate, hosts=hosts, token=token, metrics=service.metrics, most=most, open_paths=pages | {HEALTH})
    return app


RECOGNITION = ("/recognise", "/taps", "/labels")
MASKS = ("/cutout", "/mask", "/quality")


def photo_body(example: str) -> dict[str, Any]:
    """Return what OpenAPI is told beside the options: how a photo comes, and a command."""
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: binary}}
    content = {"image/*": {"schema": binary}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}, "x-example": example}


def _other_task(message: str) -> Callable[[], Awaitable[NoReturn]]:
    async def refuse() -> NoReturn:
        raise RefusalError(404, "other_task", message)

    return refuse


async def _no_such_address(request: Request, error: HTTPException) -> NoReturn:
    if error.status_code == 405:
        raise RefusalError(
            405, "wrong_method", "This address takes another method; see /docs.", **(error.headers or {})
        )
    raise RefusalError(error.status_code, "not_found", "There is no such address; see /docs.")


async def _no_such_option(request: Request, error: RequestValidationError) -> NoReturn:
    first = error.errors()[0]
    raise RefusalError(UNUSABLE, "bad_option", f"{first['loc'][-1]}: {first['msg']}. See /docs.")


_common = APIRouter()


@_common.get(
    HEALTH,
    summary="Whether it lives, and is ready",
    responses={422: ANSWERS[422], 503: {"description": "It does not."}},
)
async def healthz(
    request: Request,
    response: Response,
    options: Annotated[HealthOptions, Query()],
) -> dict[str, Any]:
    """Needs no token. `live` is whether the model answers, `ready` whether the next photo has a place too."""
    service: Running = request.app.state.service
    live = service.desk.batcher.is_alive
    is_ready = live and not service.desk.is_full and not request.scope[CROWDED]
    response.status_code = 200 if live and (is_ready or not options.ready) else BUSY
    return {
        "live": live,
        "ready": is_ready,
        "waiting": service.desk.waiting,
        "model": service.name,
        "identity": service.identity,
    }


@_common.get("/metrics", summary="Counters for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """Requests by address and status, seconds, bytes, photos that wait, routes; in Prometheus' text format."""
    return Response(request.app.state.service.metrics.text(), media_type="text/plain; version=0.0.4")


@_common.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Return the page that explains the service."""
    return HTMLResponse(documentation(request.app.openapi()))
