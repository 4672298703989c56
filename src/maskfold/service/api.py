"""The service's addresses: a photo in, a cut-out, a mask or its quality back."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter, FastAPI, Query, Request, Response

from maskfold.cutout.files import SourcePhoto
from maskfold.data.windows import LARGE
from maskfold.prediction.masker import Masker
from maskfold.service.body import Arrivals
from maskfold.service.desk import Desk
from maskfold.service.gate import ROUTE
from maskfold.service.inbox import Inbox
from maskfold.service.judging import Judge, Opinion, PhotoQuality, Quality
from maskfold.service.limits import ServiceLimits
from maskfold.service.looks import MaskModel, ModelAnswer
from maskfold.service.metrics import Metrics
from maskfold.service.options import CutoutQuestions, MaskOptions, NoOptions
from maskfold.service.pictures import MEDIA, cutout_of, mask_of
from maskfold.service.refusals import ANSWERS
from maskfold.service.running import RECOGNITION, Running, app_of, photo_body

_REVIEW = "review"
_ABOUT = (
    "Photos in, cut-outs, masks or their quality back. A photo is the whole body of a request, or the `file` of a "
    "form; nothing is fetched from an address. Every answer that is no success has a word for programs and a sentence "
    "for people."
)
_OTHER_TASK = (
    "This service masks photos: ask /cutout, /mask or /quality. Products are recognised by one that was started with a "
    "recogniser's export (make serve MODEL=exports/<name>)."
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Service(Running):
    """The parts of a running service that masks photos."""

    judge: Judge
    inbox: Inbox | None

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

        data = await self.photo_of(request)
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
        model = {"X-Maskfold-Model": self.identity}
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
    desk = Desk(MaskModel(masker), limits)
    metrics = Metrics(desk, name=masker.name, identity=masker.identity)
    judge = Judge(quality, keeps_members=inbox is not None)
    service = Service(masker.name, masker.identity, desk, Arrivals(limits), metrics, judge, inbox)
    return app_of(service, router, about=_ABOUT, hosts=hosts, token=token, elsewhere=(RECOGNITION, _OTHER_TASK))


def _service(request: Request) -> Service:
    return request.app.state.service


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
    openapi_extra=photo_body(
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
    openapi_extra=photo_body("curl --data-binary @photo.jpg 'http://127.0.0.1:8000/mask?kind=mask' -o mask.png"),
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
    openapi_extra=photo_body("curl --data-binary @photo.jpg http://127.0.0.1:8000/quality"),
)
async def quality(request: Request, options: Annotated[NoOptions, Query()]) -> PhotoQuality:
    """The score, the IoU to expect and where the photo goes, as `make quality` has calibrated them; the measures."""
    service = _service(request)
    _, verdict = await service.answer(request, lambda photo, look: None, asked=True)
    return verdict.judgement(service.identity)
