"""What a recogniser needs to know beside its network: `recognizer.json`."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from maskfold.errors import MaskfoldError
from maskfold.prediction.onnx_file import MODEL
from maskfold.storage import Storage
from maskfold.storage.published import open_model

FILE = "recognizer.json"
_HEAD = "head"  # what answers; earlier exports say so


@dataclass(frozen=True, kw_only=True)
class RecognizerSettings:
    """How a recogniser answers; what is None is not known, since there were no photos to learn it from.

    Attributes:
        size: Pixels of the square that the network is shown.
        resize: Pixels of a photo's shorter side, whose middle that is.
        temperature: Logits are divided by it.
        max_logit: A photo whose largest logit is below it is of an unknown product.
        cosine: One whose cosine to the nearest prototype is below it, too.
        margin: Where the first two probabilities are less apart, the clerk is asked.
        fitted_on: What the last four come from, in words.
        measured: What was measured of the files, for people.
    """

    size: int
    resize: int
    temperature: float | None = None
    max_logit: float | None = None
    cosine: float | None = None
    margin: float | None = None
    fitted_on: str | None = None
    measured: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no recogniser can answer by."""
        if not (isinstance(self.size, int) and isinstance(self.resize, int) and 1 <= self.size <= self.resize):
            raise ValueError(f"framing: size={self.size}, resize={self.resize}")
        for name in ("temperature", "max_logit", "cosine", "margin"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
                raise ValueError(f"{name}={value!r}, and it is a number or null")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(f"temperature={self.temperature}, and it is above 0")

    @property
    def missing(self) -> list[str]:
        """What is not known of `temperature`, `max_logit`, `cosine` and `margin`."""
        return [name for name in ("temperature", "max_logit", "cosine", "margin") if getattr(self, name) is None]

    def text(self) -> str:
        """Return the file."""
        content = {
            "framing": {"size": self.size, "resize": self.resize},
            "temperature": self.temperature,
            "thresholds": {"max_logit": self.max_logit, "cosine": self.cosine},
            "margin": self.margin,
            "fitted_on": self.fitted_on,
            "measured": self.measured,
        }
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def read(cls, storage: Storage) -> "RecognizerSettings":
        """Read the file of an export.

        Raises:
            MaskfoldError: If it is missing or damaged.
        """
        content = storage.read(FILE)
        try:
            known = json.loads(content)
            if known.get("answer", _HEAD) != _HEAD:
                raise ValueError(f"answer={known['answer']!r}: only the network's own {_HEAD} answers")
            return cls(
                **{key: known["framing"][key] for key in ("size", "resize")},
                **{key: known["thresholds"][key] for key in ("max_logit", "cosine")},
                **{key: known[key] for key in ("temperature", "margin")},
                fitted_on=known.get("fitted_on"),
                measured=dict(known.get("measured") or {}),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MaskfoldError(
                f"{storage.text.rstrip('/')}/{FILE}: damaged ({error}). Run make export once more, or copy the whole "
                "folder again."
            ) from error


def recognises(model: str | None) -> bool:
    """Tell whether what is named is an export that recognises products: it has `recognizer.json` beside it.

    Raises:
        MaskfoldError: If the address cannot be asked.
    """
    return model is not None and open_model(model, file=MODEL)[0].exists(FILE)
