"""An exported recogniser: photos in, the five likeliest products out, and whether to believe the first.

With numpy, OpenCV and onnxruntime, without torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskfold import files
from maskfold.data.class_table import FILE as CLASSES
from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError
from maskfold.prediction.onnx_file import IDENTITY, NAME, PHOTOS, TASK, OnnxFile, refuse_no_photo, refuse_other_file
from maskfold.recognition.framing import Framing
from maskfold.recognition.prototypes import Prototypes
from maskfold.recognition.settings import RecognizerSettings
from maskfold.recognition.weighing import Products

LOGITS, EMBEDDING = "logits", "embedding"  # the outputs of its network
PROTOTYPES = "prototypes.safetensors"
RECOGNITION = "recognition"  # what the file says of its task
KNOWN, ASK, UNKNOWN = "known", "ask", "unknown"

_TOP = 5
_MOST_PHOTOS = 8  # in one run


@dataclass(frozen=True)
class ProductLook:
    """What the network says of a photo.

    Attributes:
        logits: `(C,) float32`, of the classes that it was trained with.
        embedding: `(D,) float32`.
    """

    logits: np.ndarray
    embedding: np.ndarray


@dataclass(frozen=True)
class ProductAnswer:
    """What a photo shows.

    Attributes:
        top: The five likeliest products that are still sold, with their probabilities; fewer where there are no five.
        verdict: `known`; `ask` where the first two are close; `unknown` where it looks like nothing that was learned.
        reason: Why, in words.
        max_logit: The largest logit, before any weight.
        cosine: To the nearest prototype; None where there are none.
    """

    top: list[tuple[str, float]]
    verdict: str
    reason: str
    max_logit: float
    cosine: float | None


class Recognizer:
    """An export of a recogniser; see `open_recognizer`.

    Attributes:
        name: What answers call it.
        identity: 16 hexadecimal digits that stand for its networks.
        sha256: Of the ONNX file.
        classes: Its products.
        settings: How it answers.
        prototypes: Those of products that are still sold; None where it has none.
        products: What products weigh; None where that is not known.
    """

    def __init__(self, file: OnnxFile, *, products: Products | None = None) -> None:
        _refuse_other_task(file)
        refuse_other_file(file.storage, file.name, file.sha256, listed=True)
        self._file = file
        self.name, self.identity, self.sha256 = file.facts[NAME], file.facts[IDENTITY], file.sha256
        self.settings = RecognizerSettings.read(file.storage)
        self.classes = ClassTable.read(_checked(file, CLASSES))
        self._active = self.classes.active()
        self._labels = self.classes.labels
        if not self._active.any():
            raise MaskfoldError(f"{file.where}: all of its {len(self.classes)} products are retired.")
        self._refuse_other(LOGITS, len(self.classes), CLASSES, at_most=True)
        self.prototypes = self._prototypes()
        self.products = products
        self._framing = Framing(size=self.settings.size, resize=self.settings.resize)

    def look(self, photos: Sequence[np.ndarray]) -> list[ProductLook]:
        """Return what the network says of some photos, in their order.

        Args:
            photos: Each `(H, W, 3) uint8`, RGB, upright, of any size.

        Raises:
            MaskfoldError: If a photo is none, or the network answers with what is no number.
        """
        for number, photo in enumerate(photos):
            refuse_no_photo(photo, f"photo {number + 1} of {len(photos)}")
        looks: list[ProductLook] = []
        for begin in range(0, len(photos), _MOST_PHOTOS):
            shown = np.stack([self._framing.shown(photo) for photo in photos[begin : begin + _MOST_PHOTOS]])
            logits, embeddings = self._file.run([LOGITS, EMBEDDING], shown)
            if np.isnan(logits).any() or not np.isfinite(embeddings).all():
                raise MaskfoldError(f"{self.name}: answers with what is no number. Train it, and export it, once more.")
            looks += [ProductLook(*pair) for pair in zip(logits.copy(), embeddings.copy(), strict=True)]
        return looks

    def judge(self, look: ProductLook, *, grams: float | None = None) -> ProductAnswer:
        """Return what a look comes to.

        Args:
            look: At a photo.
            grams: What lies on the scale; None where there is none. It counts where `products` are known.
        """
        logits = self._logits(look)
        scores = logits / (self.settings.temperature or 1.0)
        if grams is not None and self.products is not None:
            scores = scores + self.products.evidence(self._labels, grams)
        probability = np.exp(scores - scores.max())
        probability /= probability.sum()
        best = np.argsort(-scores, kind="stable")[:_TOP]
        top = [(self._labels[index], float(probability[index])) for index in best if self._active[index]]
        cosine = self._cosine(look)
        verdict, reason = self._verdict(float(logits.max()), cosine, [share for _, share in top])
        return ProductAnswer(top, verdict, reason, float(logits.max()), cosine)

    def answer(
        self, photos: Sequence[np.ndarray], *, grams: Sequence[float | None] | None = None
    ) -> list[ProductAnswer]:
        """Return what some photos show, in their order; see `look` and `judge`."""
        weights = grams if grams is not None else [None] * len(photos)
        return [self.judge(look, grams=weight) for look, weight in zip(self.look(photos), weights, strict=True)]

    @property
    def labels(self) -> list[str]:
        """The products that may be answered."""
        return [label for label, active in zip(self._labels, self._active, strict=True) if active]

    def _logits(self, look: ProductLook) -> np.ndarray:
        """Return the logits that answer, `(C,) float64` of the whole table: -inf for what is retired or has none."""
        logits = np.full(len(self.classes), -np.inf)
        logits[: len(look.logits)] = look.logits  # products behind those came later
        return np.where(self._active, logits, -np.inf)

    def _cosine(self, look: ProductLook) -> float | None:
        return None if self.prototypes is None else float(self.prototypes.cosines(look.embedding[None]).max())

    def _verdict(self, max_logit: float, cosine: float | None, shares: Sequence[float]) -> tuple[str, str]:
        limits = self.settings
        if limits.max_logit is not None and max_logit < limits.max_logit:
            return UNKNOWN, f"largest logit {max_logit:.2f} below {limits.max_logit:.2f}"
        if limits.cosine is not None and cosine is not None and cosine < limits.cosine:
            return UNKNOWN, f"cosine {cosine:.2f} to the nearest prototype below {limits.cosine:.2f}"
        margin = shares[0] - shares[1] if len(shares) > 1 else 1.0
        if limits.margin is not None and margin < limits.margin:
            return ASK, f"the first two are {margin:.2f} apart, less than {limits.margin:.2f}"
        if limits.max_logit is None and limits.cosine is None:
            return KNOWN, "no threshold is known for this model: it takes every photo for a known product"
        return KNOWN, f"the first is {margin:.2f} ahead"

    def _prototypes(self) -> Prototypes | None:
        """Return the prototypes of products that are still sold.

        Raises:
            MaskfoldError: If the file is damaged, or of another network.
        """
        file = self._file
        if not file.storage.exists(PROTOTYPES):
            return None
        whole = Prototypes.read(_checked(file, PROTOTYPES))
        if len(whole) and whole.classes.max() >= len(self.classes):
            raise MaskfoldError(
                f"{file.where}: {PROTOTYPES} has classes that {CLASSES} has not: they are of two exports. Copy the "
                "whole folder again."
            )
        self._refuse_other(EMBEDDING, whole.matrix.shape[1], PROTOTYPES)
        sold = whole.of_classes(np.flatnonzero(self._active))
        return sold if len(sold) else None

    def _refuse_other(self, output: str, count: int, name: str, *, at_most: bool = False) -> None:
        """Refuse a file beside the model that is of another network."""
        width = self._file.widths[output]
        if width is not None and (width > count if at_most else width != count):
            raise MaskfoldError(
                f"{self._file.where}: its {output} are {width} numbers and {name} has {count}: they are of two "
                "exports. Copy the whole folder again."
            )


def open_recognizer(model: str | Path, *, accelerator: str = "auto", products: str | Path | None = None) -> Recognizer:
    """Open what `make export` has written of a recogniser.

    Args:
        model: Its folder, `model.onnx` or `model.int8.onnx` in it, here or as an address.
        accelerator: `cpu`, `gpu`, or `auto` for a GPU where onnxruntime has one.
        products: A CSV of what products weigh, see `Products`.

    Raises:
        MaskfoldError: If a file is missing, damaged or of another export, the file masks photos, or onnxruntime, or the
            GPU that is asked for, is not there.
    """
    weights = None if products is None else Products.read(Path(products))
    return Recognizer(OnnxFile(model, accelerator=accelerator), products=weights)


def _refuse_other_task(file: OnnxFile) -> None:
    if file.facts.get(TASK) != RECOGNITION or not {NAME, IDENTITY} <= file.facts.keys():
        raise MaskfoldError(
            f"{file.where}: no recogniser that maskfold has exported: {file.takes}. Give a folder that `make export` "
            "has written of a member with task=recognition."
        )
    if file.inputs != [(PHOTOS, "tensor(uint8)", 4)] or file.outputs != [LOGITS, EMBEDDING]:
        raise MaskfoldError(f"{file.where}: {file.takes}, which no recogniser of maskfold does. Export it once more.")


def _checked(file: OnnxFile, name: str) -> Path:
    """Return a file beside the model, which is the one that the card tells of."""
    path = file.storage.local(name)
    refuse_other_file(file.storage, name, files.sha256(path), listed=True)
    return path
