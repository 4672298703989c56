"""What may stand behind the question mark of an address; what is not here is refused, and not left unread."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class NoOptions(BaseModel):
    """An address without options."""

    model_config = ConfigDict(extra="forbid")


class MaskOptions(NoOptions):
    """Options of `POST /mask`."""

    kind: Literal["map", "mask"] = Field(
        "map", description="How sure it is, 255 for certain; or 0 and 255, cut at half."
    )


class HealthOptions(NoOptions):
    """Options of `GET /healthz`."""

    ready: bool = Field(False, description="Answer 503 too where the next photo would be refused.")
