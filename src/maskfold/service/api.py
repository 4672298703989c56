"""The service's addresses: a photo in, a cut-out, a mask or its quality back."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from maskfold import __version__
from maskfold.cutout.files import SourcePhoto
from maskfold.data.windows import LARGE
from maskfold.prediction.masker import Masker
from maskfold.service.batching import ModelAnswer
from maskfold.service.body import FIELD, Arrivals, file_of_form, is_form
from maskfold.service.desk import Desk
from maskfold.service.gate import CROWDED, ROUTE, Gate
from maskfold.service.inbox import Inbox
from maskfold.service.judging import Judge, Opinion, PhotoQuality, Quality
from maskfold.service.limits import ServiceLimits
from maskfold.service.metrics import Metrics
from maskfold.service.options import CutoutQuestions, HealthOptions, MaskOptions, NoOptions
from maskfold.service.pages import documentation
from maskfold.service.pictures import MEDIA, cutout_of, mask_of
from maskfold.service.refusals import ANSWERS, BUSY, GONE, UNUSABLE, RefusalError

_REVIEW = "review"
_ABOUT = (
    "Photos in, cut-outs, masks or their quality back. A photo is the whole body of a request, or the `file` of a "
    "form; nothing is fetched from an address. Every answer that is no success has a word for programs and a sentence "
    "for people."
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    masker: Masker
    desk: Desk
    arrivals: Arrivals
    judge: Judge
    inbox: Inbox | None
    metrics: Metrics

    async def answer(
        self, request: Request, make: Callable[[SourcePhoto, ModelAnswer], _T], *, asked: bool = False
    ) -> tuple[_T, Opinion | None]:
        """Return what is made of a request's photo, and how good its mask is where that is looked at.

        Args:
            request: With a photo for a body.
            make: Makes the answer of the photo and its look; it runs in a thread.
            asked: The quality is what was asked for.
        """
        is_judged = asked or self.judge.quality is not None

        def work(data: bytes, photo: SourcePhoto, look: ModelAnswer) -> tuple[_T, Opinion | None]:
            verdict = self.judge.judge(look) if is_judged else None
            self._keep(data, look, verdict)
            return make(photo, look), verdict

        self.desk.refuse_when_full()  # before the photo is sent for nothing
        try:
            data = await self.arrivals.read(request)
        except ClientDisconnect:
            raise RefusalError(GONE, "gone", "The client has gone away.") from None
        if is_form(request):
            data = await self.desk.in_thread(file_of_form, data, request.headers["content-type"])
        data = self.arrivals.checked(data)
        most = LARGE if is_judged else None  # of a larger one nothing can be measured
        wanted = self.judge.wanted(asked=asked)
        made, verdict = await self.desk.serve(data, wanted, work, request.receive, max_pixels=most)
        if verdict and verdict.assessed:
            request.scope[ROUTE] = verdict.assessed.route
            self.metrics.count_route(verdict.assessed.route)
        return made, verdict

    def _keep(self, data: bytes, look: ModelAnswer, verdict: Opinion | None) -> None:
        if self.inbox and verdict and verdict.assessed and verdict.assessed.route == _REVIEW:
            self.metrics.count_inbox(self.inbox.keep(data, look, verdict))

    def headers(self, verdict: Opinion | None) -> dict[str, str]:
        """Return what a picture's answer says beside the picture."""
        model = {"X-Maskfold-Model": self.masker.identity}
        if verdict is None or verdict.assessed is None:
            return model
        # A score of NaN, of what could not be measured, is left out.
        score = {"X-Maskfold-Score": f"{verdict.assessed.score:.4f}"} if math.isfinite(verdict.assessed.score) else {}
        return model | {"X-Maskfold-Route": verdict.assessed.route} | score


def create_app(
    masker: Masker,
    *,
    limits: ServiceLimits,
    quality: Quality | None = None,
    hosts: frozenset[str] | None = None,
    token: str | None = None,
    inbox: Inbox | None = None,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        masker: What answers photos.
        limits: What it takes on.
        quality: Says how good a mask is; every photo is then judged, whatever was asked for.
        hosts: The names that it answers to; None for any.
        token: What requests have to come with; None for nothing.
        inbox: Keeps what goes to review; it needs `quality`.
    """
    desk = Desk(masker, limits)
    metrics = Metrics(desk, name=masker.name, identity=masker.identity)
    judge = Judge(quality, keeps_members=inbox is not None)
    service = Service(masker, desk, Arrivals(limits), judge, inbox, metrics)

    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(desk.open)
        yield
        await asyncio.to_thread(desk.close)

    app = FastAPI(
        title="maskfold",
        version=__version__,
        description=_ABOUT,
        lifespan=opened,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(router)
    app.add_exception_handler(HTTPException, _no_such_address)
    app.add_exception_handler(RequestValidationError, _no_such_option)
    app.add_middleware(Gate, hosts=hosts, token=token, metrics=metrics, most=limits.requests)
    return app


def _service(request: Request) -> Service:
    return request.app.state.service


async def _no_such_address(request: Request, error: HTTPException) -> NoReturn:
    if error.status_code == 405:
        raise RefusalError(
            405, "wrong_method", "This address takes another method; see /docs.", **(error.headers or {})
        )
    raise RefusalError(error.status_code, "not_found", "There is no such address; see /docs.")


async def _no_such_option(request: Request, error: RequestValidationError) -> NoReturn:
    first = error.errors()[0]
    raise RefusalError(UNUSABLE, "bad_option", f"{first['loc'][-1]}: {first['msg']}. See /docs.")


def _photo(example: str) -> dict[str, Any]:
    """Return what OpenAPI is told beside the options: how a photo comes, and a command."""
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: binary}}
    content = {"image/*": {"schema": binary}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}, "x-example": example}


router = APIRouter()


@router.post(
    "/cutout",
    summary="The object without its background",
    response_class=Response,
    responses={
        200: {
            "content": {kind: {} for kind in MEDIA.values()},
            "description": "Upright, with the photo's colour profile.",
        }
    }
    | ANSWERS,
    openapi_extra=_photo(
        "curl --data-binary @photo.jpg 'http://127.0.0.1:8000/cutout?backdrop=white&crop=true&format=jpg' -o cutout.jpg"
    ),
)
async def cutout(
    request: Request,
    options: Annotated[CutoutQuestions, Query()],
) -> Response:
    """The options are the keys of `make cutout`, and so are the pictures: the same ones, byte for byte."""
    service = _service(request)
    content, verdict = await service.answer(request, lambda photo, look: cutout_of(photo, look.answer.mean, options))
    return Response(content, media_type=MEDIA[options.format], headers=service.headers(verdict))


@router.post(
    "/mask",
    summary="A photo's mask",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "Of the photo's size, upright, 8 bits."}} | ANSWERS,
    openapi_extra=_photo("curl --data-binary @photo.jpg 'http://127.0.0.1:8000/mask?kind=mask' -o mask.png"),
)
async def mask(
    request: Request,
    options: Annotated[MaskOptions, Query()],
) -> Response:
    """Each pixel's probability of being the object, or the mask that is cut from it."""
    service = _service(request)

    content, verdict = await service.answer(request, lambda photo, look: mask_of(look.answer.mean, options.kind))
    return Response(content, media_type="image/png", headers=service.headers(verdict))


@router.post(
    "/quality",
    summary="How good a photo's mask is",
    responses=ANSWERS,
    openapi_extra=_photo("curl --data-binary @photo.jpg http://127.0.0.1:8000/quality"),
)
async def quality(request: Request, options: Annotated[NoOptions, Query()]) -> PhotoQuality:
    """The score, the IoU to expect and where the photo goes, as `make quality` has calibrated them; the measures."""
    service = _service(request)
    _, verdict = await service.answer(request, lambda photo, look: None, asked=True)
    return verdict.judgement(service.masker.identity)


@router.get(
    "/healthz",
    summary="Whether it lives, and is ready",
    responses={422: ANSWERS[422], 503: {"description": "It does not."}},
)
async def healthz(
    request: Request,
    response: Response,
    options: Annotated[HealthOptions, Query()],
) -> dict[str, Any]:
    """Needs no token. `live` is whether the model answers, `ready` whether the next photo has a place too."""
    service = _service(request)
    live = service.desk.batcher.is_alive
    is_ready = live and not service.desk.is_full and not request.scope[CROWDED]
    response.status_code = 200 if live and (is_ready or not options.ready) else BUSY
    return {
        "live": live,
        "ready": is_ready,
        "waiting": service.desk.waiting,
        "model": service.masker.name,
        "identity": service.masker.identity,
    }


@router.get("/metrics", summary="Counters for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """Requests by address and status, seconds, bytes, photos that wait, routes; in Prometheus' text format."""
    return Response(_service(request).metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Return the page that explains the service."""
    return HTMLResponse(documentation(request.app.openapi()))
