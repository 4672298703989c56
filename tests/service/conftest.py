"""A service around a model that needs no network."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from maskfold.service.api import create_app
from maskfold.service.limits import ServiceLimits
from red_masker import LIMITS, Reds, photo_of

HOST = "http://127.0.0.1"


@pytest.fixture
def masker() -> Reds:
    return Reds()


@pytest.fixture
def serve(masker) -> Iterator[Callable[..., TestClient]]:
    """Return what opens a service on the fake model, with other limits or parts where they are given."""
    with ExitStack() as opened:

        def begin(*, limits: dict[str, Any] | None = None, **parts: Any) -> TestClient:
            app = create_app(masker, limits=ServiceLimits(**LIMITS | (limits or {})), **parts)
            return opened.enter_context(TestClient(app, base_url=HOST))

        yield begin
        masker.may_answer.set()


@pytest.fixture(scope="session")
def square() -> np.ndarray:
    """A map of 40x60: a square of 20x20 that is certain, with an edge of one half to its right."""
    red = np.zeros((40, 60), np.uint8)
    red[10:30, 10:30] = 255
    red[10:30, 30] = 128
    return red


@pytest.fixture(scope="session")
def photo(square) -> bytes:
    return photo_of(square)
