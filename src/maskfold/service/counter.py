"""The addresses at a counter: a photo in, the five likeliest products back, and what the clerk tapped."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files as resources
from typing import Annotated

import numpy as np
from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import BaseModel, Field

from maskfold.cutout.files import SourcePhoto
from maskfold.recognition.recognizer import ProductAnswer, ProductLook, Recognizer
from maskfold.service.body import Arrivals
from maskfold.service.desk import Desk
from maskfold.service.gate import ROUTE
from maskfold.service.limits import ServiceLimits
from maskfold.service.metrics import Metrics
from maskfold.service.options import NoOptions, RecogniseOptions, TapOptions
from maskfold.service.refusals import ANSWERS, RefusalError
from maskfold.service.running import MASKS, Running, app_of, photo_body
from maskfold.service.taps import FAILED, GONE, Taps, photo_id

_ABOUT = (
    "A photo in, the five likeliest products back, and whether to believe the first: `known`, `ask` (the first two are "
    "close) or `unknown`. A photo is the whole body of a request, or the `file` of a form; nothing is fetched from an "
    "address. Every answer that is no success has a word for programs and a sentence for people. The page for a clerk "
    "is at `/`."
)
_OTHER_TASK = (
    "This service recognises products: ask /recognise. Photos are masked by one that was started with a mask model's "
    "export (make serve MODEL=exports/<name>/model.onnx)."
)
_STATIC = resources("maskfold.service") / "static"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGES = {"/": "counter.html", "/counter.css": "counter.css", "/counter.js": "counter.js", "/icon.svg": "icon.svg"}
_SAFE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


class LikelyProduct(BaseModel):
    """A product that a photo may show."""

    label: str = Field(examples=["Royal-Gala"])
    probability: float = Field(examples=[0.93])


class RecognisedPhoto(BaseModel):
    """The answer of `POST /recognise`."""

    verdict: str = Field(description="`known`, `ask` or `unknown`.", examples=["known"])
    reason: str = Field(description="Why.", examples=["the first is 0.89 ahead"])
    top: list[LikelyProduct] = Field(
        description="The likeliest first.", examples=[[{"label": "Royal-Gala", "probability": 0.93}]]
    )
    max_logit: float = Field(description="The largest logit.", examples=[11.4])
    cosine: float | None = Field(description="To the nearest prototype; null without.", examples=[0.82])
    photo: str = Field(description="What `POST /taps` calls this photo.", examples=["5f0c62f41b9d7e358f0c62f41b9d7e35"])
    model: str = Field(description="The identity of the model.", examples=["8f0c62f41b9d7e35"])


class Tapped(BaseModel):
    """The answer of `POST /taps`."""

    outcome: str = Field(description="`kept`, or `dropped` as the inbox is full.", examples=["kept"])


class Labels(BaseModel):
    """The answer of `GET /labels`."""

    labels: list[str] = Field(description="The products that may be answered.", examples=[["Royal-Gala"]])


class ProductModel:
    """A recogniser as the queue asks it; see `maskfold.service.batching.Model`.

    Args:
        recognizer: It.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer

    def look(self, photos: list[np.ndarray], wanted: list[None]) -> list[ProductLook]:
        """See `maskfold.service.batching.Model`."""
        return self.recognizer.look(photos)


@dataclass(frozen=True)
class Counter(Running):
    """The parts of a running service that recognises products."""

    recognizer: Recognizer
    taps: Taps | None

    async def recognise(self, request: Request, grams: float | None) -> RecognisedPhoto:
        """Return what a request's photo shows.

        Raises:
            RefusalError: If there is no place for it, or it cannot be used.
        """

        def work(data: bytes, photo: SourcePhoto, look: ProductLook) -> RecognisedPhoto:
            answer = self.recognizer.judge(look, grams=grams)
            if self.taps is not None:
                self.taps.remember(data, answer)
            return self._recognised(data, answer)

        data = await self.photo_of(request)
        recognised = await self.desk.serve(data, None, work, request.receive)
        request.scope[ROUTE] = recognised.verdict
        self.metrics.count_route(recognised.verdict)
        return recognised

    async def tap(self, photo: str, label: str) -> Tapped:
        """Keep what a clerk has tapped.

        Raises:
            RefusalError: If nothing is kept here, the photo is not remembered any more, or it cannot be written.
        """
        if self.taps is None:
            raise RefusalError(404, "no_inbox", "Nothing is kept here: the service was started without inbox=<folder>.")
        outcome = await self.desk.in_thread(self.taps.keep, photo, label)
        self.metrics.count_inbox(outcome)
        if outcome == GONE:
            raise RefusalError(404, "photo_gone", "This photo is not remembered any more. Send it to /recognise again.")
        if outcome == FAILED:
            raise RefusalError(500, "not_kept", "The tap could not be written; the service's log says why.")
        return Tapped(outcome=outcome)

    def _recognised(self, data: bytes, answer: ProductAnswer) -> RecognisedPhoto:
        top = [LikelyProduct(label=label, probability=share) for label, share in answer.top]
        facts = {"max_logit": answer.max_logit, "cosine": answer.cosine, "model": self.identity}
        return RecognisedPhoto(verdict=answer.verdict, reason=answer.reason, top=top, photo=photo_id(data), **facts)


def create_counter(
    recognizer: Recognizer,
    *,
    limits: ServiceLimits,
    hosts: frozenset[str] | None = None,
    token: str | None = None,
    taps: Taps | None = None,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        recognizer: What answers photos.
        limits: What it takes on.
        hosts: The names that it answers to; None for any.
        token: What requests have to come with; None for nothing. The page needs none: it asks for it.
        taps: Keeps what clerks tap; None to keep nothing.
    """
    desk = Desk(ProductModel(recognizer), limits)
    metrics = Metrics(desk, name=recognizer.name, identity=recognizer.identity)
    counter = Counter(recognizer.name, recognizer.identity, desk, Arrivals(limits), metrics, recognizer, taps)
    elsewhere = (MASKS, _OTHER_TASK)
    app = app_of(counter, router, about=_ABOUT, hosts=hosts, token=token, elsewhere=elsewhere, pages=frozenset(_PAGES))
    for address, name in _PAGES.items():
        app.add_api_route(address, _page(name), include_in_schema=False, response_model=None)
    return app


def _page(name: str) -> Callable[[], Response]:
    content = (_STATIC / name).read_bytes()
    kind = _TYPES[name[name.rindex(".") :]]

    def page() -> Response:
        return Response(content, media_type=kind, headers=_SAFE)

    return page


router = APIRouter()


@router.post(
    "/recognise",
    summary="What a photo shows",
    responses=ANSWERS,
    openapi_extra=photo_body("curl --data-binary @photo.jpg 'http://127.0.0.1:8000/recognise?grams=512'"),
)
async def recognise(request: Request, options: Annotated[RecogniseOptions, Query()]) -> RecognisedPhoto:
    """The five likeliest products. `unknown`: it looks like nothing that was learned; `ask`: let the clerk choose."""
    return await request.app.state.service.recognise(request, options.grams)


@router.post(
    "/taps",
    summary="What the clerk tapped",
    responses={422: ANSWERS[422]},
    openapi_extra={"x-example": "curl -X POST 'http://127.0.0.1:8000/taps?photo=5f0c...&label=Royal-Gala'"},
)
async def tap(request: Request, options: Annotated[TapOptions, Query()]) -> Tapped:
    """Keeps the photo with its label in the inbox, as `data=label_table` reads it; a second tap replaces the first."""
    return await request.app.state.service.tap(options.photo, options.label)


@router.get("/labels", summary="The products that may be answered")
async def labels(request: Request, options: Annotated[NoOptions, Query()]) -> Labels:
    """Those that are not retired."""
    return Labels(labels=request.app.state.service.recognizer.labels)
