"""The queue: its places, its deadline, who goes away, batches; with a model that answers when it is told to."""

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from maskfold.cutout.files import SourcePhoto
from maskfold.service.batching import Batcher
from maskfold.service.desk import Desk
from maskfold.service.limits import ServiceLimits
from maskfold.service.looks import MaskModel, Wanted
from maskfold.service.photos import decode_photo
from maskfold.service.refusals import RefusalError
from red_masker import LIMITS, photo_of

GREY = np.zeros((8, 8, 3), np.uint8)
WARM_UP = [(64, 64, 3)]


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_beyond_the_queue_photos_are_told_to_come_back(serve, photo, masker):
    client = serve(limits={"queue": 2})
    masker.may_answer.clear()
    desk = client.app.state.service.desk
    with ThreadPoolExecutor() as others:
        taken = [others.submit(client.post, "/mask", content=photo) for _ in range(2)]
        wait_until(lambda: desk.waiting == 2)

        refused = client.post("/mask", content=photo)
        ready = client.get("/healthz?ready=true")
        live = client.get("/healthz")
        masker.may_answer.set()

        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert "2 photos are waiting" in refused.json()["message"]
        assert (ready.status_code, live.status_code) == (503, 200)
        assert live.json()["live"] is True
        assert live.json()["ready"] is False
        assert [answer.result().status_code for answer in taken] == [200, 200]
    assert client.post("/mask", content=photo).status_code == 200


@pytest.mark.hostile("endless and hanging")
def test_past_its_deadline_a_photo_is_given_up_and_not_computed(serve, photo, masker):
    client = serve(limits={"timeout": 0.2})
    masker.may_answer.clear()
    with ThreadPoolExecutor() as others:
        first, second = [others.submit(client.post, "/mask", content=photo) for _ in range(2)]
        answers = [first.result(), second.result()]
    masker.may_answer.set()
    wait_until(lambda: client.app.state.service.desk.waiting == 0)
    client.post("/mask", content=photo_of(np.zeros((5, 5), np.uint8)))

    assert [answer.status_code for answer in answers] == [504, 504]
    assert answers[0].json()["error"] == "no_answer_in_time"
    # The model was busy with one of the two when both were given up; the other it never saw.
    assert masker.asked == [WARM_UP, [(40, 60, 3)], [(5, 5, 3)]]


@pytest.mark.hostile("endless and hanging")
def test_who_goes_away_is_not_computed(masker, photo):
    masker.may_answer.clear()

    async def asked() -> None:
        desk = Desk(MaskModel(masker), ServiceLimits(**LIMITS))
        desk.batcher.start()
        there, gone = asyncio.Event(), asyncio.Event()

        async def stays() -> dict[str, Any]:
            await there.wait()
            return {"type": "http.disconnect"}

        async def leaves() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        def shape(data: bytes, photo: SourcePhoto, look: object) -> tuple[int, ...]:
            return photo.pixels.shape

        first = asyncio.ensure_future(desk.serve(photo, Wanted(), shape, stays))
        while not masker.asked:
            await asyncio.sleep(0.002)
        second = asyncio.ensure_future(desk.serve(photo, Wanted(), shape, leaves))
        await asyncio.sleep(0.05)
        gone.set()
        with pytest.raises(RefusalError, match="gone away"):
            await second
        masker.may_answer.set()
        assert await first == (40, 60, 3)
        assert desk.waiting == 0
        await asyncio.to_thread(desk.close)

    asyncio.run(asked())
    assert masker.asked == [[(40, 60, 3)]]


@pytest.mark.hostile("memory")
def test_photos_that_nobody_waits_for_are_not_kept_until_the_model_is_free(masker, photo, monkeypatch):
    """Each takes a place, is decoded and goes away, while the model is busy with the first."""
    pixels = []

    def decoded(*arguments: Any) -> SourcePhoto:
        decoded_photo = decode_photo(*arguments)
        pixels.append(weakref.ref(decoded_photo.pixels))
        return decoded_photo

    monkeypatch.setattr("maskfold.service.desk.decode_photo", decoded)
    masker.may_answer.clear()

    async def asked() -> None:
        desk = Desk(MaskModel(masker), ServiceLimits(**LIMITS))
        desk.batcher.start()
        first = desk.batcher.submit(GREY, Wanted())
        for number in range(20):
            gone = asyncio.Event()

            async def leaves(gone: asyncio.Event = gone) -> dict[str, Any]:
                await gone.wait()
                return {"type": "http.disconnect"}

            one = asyncio.ensure_future(desk.serve(photo, Wanted(), lambda *_: None, leaves))
            while len(pixels) == number:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.005)  # until it waits for the model
            gone.set()
            with pytest.raises(RefusalError, match="gone away"):
                await one
            del one  # whose error's traceback has the photo
        await asyncio.sleep(0.01)
        gc.collect()
        assert sum(kept() is not None for kept in pixels) == 0
        masker.may_answer.set()
        assert (await asyncio.wrap_future(first)).answer.mean.shape == (8, 8)
        await asyncio.to_thread(desk.close)

    try:
        asyncio.run(asked())
    finally:
        masker.may_answer.set()
    assert masker.asked == [[(8, 8, 3)]]


@pytest.mark.hostile("memory")
def test_what_waited_for_a_thread_and_was_given_up_is_not_kept_until_one_is_free(masker):
    free = threading.Event()

    async def asked() -> None:
        desk = Desk(MaskModel(masker), ServiceLimits(**LIMITS))
        busy = [asyncio.ensure_future(desk.in_thread(free.wait, 5)) for _ in range(LIMITS["threads"])]
        photo = GREY.copy()
        kept = weakref.ref(photo)
        waiting = asyncio.ensure_future(desk.in_thread(np.sum, photo))
        del photo
        await asyncio.sleep(0.01)
        assert kept() is not None
        waiting.cancel()
        await asyncio.wait([waiting])
        del waiting
        gc.collect()
        assert kept() is None
        free.set()
        assert await asyncio.gather(*busy) == [True] * LIMITS["threads"]
        assert await desk.in_thread(np.sum, GREY) == 0

    try:
        asyncio.run(asked())
    finally:
        free.set()


def test_photos_that_wait_are_answered_together_and_each_as_it_wants(masker):
    batcher = Batcher(MaskModel(masker), size=3)
    futures = [
        batcher.submit(np.full((4, 4, 3), red, np.uint8), wanted)
        for red, wanted in [(10, Wanted()), (20, Wanted(members=True)), (30, Wanted(mirrored=True)), (40, Wanted())]
    ]
    batcher.start()
    looks = [future.result(5) for future in futures]
    batcher.stop()

    shape = (4, 4, 3)
    assert masker.asked == [[shape] * 2, [shape], [shape], [shape]]  # without members, with them, a mirror, the fourth
    assert [int(look.answer.mean[0, 0]) for look in looks] == [10, 20, 30, 40]
    assert looks[0].answer.members is looks[0].mirrored is None
    assert looks[1].answer.members[:, 0, 0].tolist() == [10, 20]
    assert looks[2].mirrored[0, 0] == 30


def test_a_photo_the_model_fails_with_is_not_the_others_failure(serve, masker, caplog):
    caplog.set_level(logging.ERROR)
    masker.fails_at = 7
    client = serve(limits={"batch": 2})
    masker.may_answer.clear()
    photos = [photo_of(np.zeros((5, width), np.uint8)) for width in (6, 7, 8)]
    with ThreadPoolExecutor() as others:
        futures = [others.submit(client.post, "/mask", content=content) for content in photos]
        wait_until(lambda: client.app.state.service.desk.waiting == 3)
        masker.may_answer.set()
        answers = [future.result() for future in futures]

    assert [answer.status_code for answer in answers] == [200, 500, 200]
    assert answers[1].json()["error"] == "failed"
    assert "no such width" not in answers[1].text
    assert "no such width" in caplog.text
    assert client.get("/healthz").json()["live"] is True


def test_the_end_of_a_service_answers_what_waits(serve, photo, masker):
    client = serve(limits={"timeout": 30.0})
    masker.may_answer.clear()
    with ThreadPoolExecutor() as others:
        waiting = [others.submit(client.post, "/mask", content=photo) for _ in range(3)]
        wait_until(lambda: client.app.state.service.desk.waiting == 3)
        threading.Timer(0.05, masker.may_answer.set).start()
        codes = [answer.result().status_code for answer in waiting]
        client.app.state.service.desk.close()

    assert codes == [200] * 3
    assert not client.app.state.service.desk.batcher.is_alive
    assert client.get("/healthz").status_code == 503


def test_what_is_no_photo_does_not_wait_for_those_that_are(serve, photo, masker):
    client = serve(limits={"queue": 8})
    masker.may_answer.clear()
    desk = client.app.state.service.desk
    with ThreadPoolExecutor() as others:
        waiting = [others.submit(client.post, "/mask", content=photo) for _ in range(6)]  # more than are decoded ahead
        wait_until(lambda: desk.waiting == 6)
        refused = client.post("/mask", content=b"%PDF-1.7")
        masker.may_answer.set()

        assert refused.status_code == 415
        assert [answer.result().status_code for answer in waiting] == [200] * 6
