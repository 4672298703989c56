"""An exported file as a masker: with numpy and onnxruntime, without torch."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.export.layout import IDENTITY, MAPS, MEMBERS, MODEL, NAME, OUT, PHOTOS, SYMMETRIC
from maskfold.prediction.masker import Answer
from maskfold.prediction.onnx_file import TASK, OnnxFile, refuse_no_photo

_MOST_PHOTOS = 8  # in one run
_MOST_PIXELS = 4_000_000  # in one run, but for a photo that has more by itself


class OnnxMasker:
    """The networks in an exported file, see `maskfold.prediction.masker.Masker`.

    Args:
        model: The file, its folder, or its address; or a published model's folder or address.
        accelerator: `cpu`, `gpu`, or `auto` for a GPU where onnxruntime has one.

    Attributes:
        sha256: Of the file, 64 hexadecimal digits.
        storage: Where it lies, with its card.

    Raises:
        MaskfoldError: If the file is missing, damaged, not the one that its card tells of, or no export of maskfold; or
            onnxruntime, or the GPU that is asked for, is not there.
    """

    def __init__(self, model: str | Path, *, accelerator: str = "auto") -> None:
        self._file = OnnxFile(model, accelerator=accelerator)
        self.sha256, self.storage = self._file.sha256, self._file.storage
        facts = _facts(self._file)
        self.name, self.identity = facts[NAME], facts[IDENTITY]
        self.members = tuple(json.loads(facts[MEMBERS]))
        self.symmetric = facts.get(SYMMETRIC) != "false"  # what does not say so may be

    def answer(self, photos: Sequence[np.ndarray], *, members: bool = False) -> list[Answer]:
        """See `Masker`; photos of one size share a run."""
        for number, photo in enumerate(photos):
            refuse_no_photo(photo, f"photo {number + 1} of {len(photos)}")
        outputs = [MAPS, OUT] if members else [MAPS]
        answers: dict[int, Answer] = {}
        for numbers in _runs(photos):
            maps, *own = self._run(outputs, np.stack([photos[number] for number in numbers]))
            for place, number in enumerate(numbers):
                # Copies: a view would keep the maps of the whole run alive for as long as one of them is.
                alone = own[0][:, place].copy() if own else None
                answers[number] = Answer(maps[place].copy(), alone)
        return [answers[number] for number in range(len(photos))]

    def _run(self, outputs: list[str], photos: np.ndarray) -> list[np.ndarray]:
        try:
            return self._file.run(outputs, photos)
        except Exception as error:  # onnxruntime's have no class of their own
            height, width = photos.shape[1:3]
            reason = " ".join(str(error).split())[:300]
            raise MaskfoldError(
                f"{self.name}: no map of a photo of {width}x{height} (width x height): {reason} Its networks may take "
                "no photo so large, or memory has run out: make it smaller."
            ) from error


def _facts(file: OnnxFile) -> dict[str, str]:
    """Return what an export says of itself.

    Raises:
        MaskfoldError: If the file is none, or one that recognises products.
    """
    if TASK in file.facts:
        raise MaskfoldError(
            f"{file.where}: its task is {file.facts[TASK]}: it names what a photo shows, and masks nothing. Give a "
            f"{MODEL} that masks photos; `make serve` answers with either."
        )
    whole = file.inputs == [(PHOTOS, "tensor(uint8)", 4)] and file.outputs == [MAPS, OUT]
    if not whole or not {NAME, IDENTITY, MEMBERS} <= file.facts.keys():
        raise MaskfoldError(
            f"{file.where}: not exported by maskfold: {file.takes}, where photos of 8 bits and their maps are wanted. "
            f"Give a {MODEL} that make export has written."
        )
    return file.facts


def _runs(photos: Sequence[np.ndarray]) -> Iterator[list[int]]:
    """Yield the numbers of photos of one size, so many as may share a run."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for number, photo in enumerate(photos):
        by_size.setdefault(photo.shape, []).append(number)
    for (height, width, _), numbers in by_size.items():
        most = min(max(_MOST_PIXELS // (height * width), 1), _MOST_PHOTOS)
        for begin in range(0, len(numbers), most):
            yield numbers[begin : begin + most]
