"""An exported file as a masker: with numpy and onnxruntime, without torch."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.export.layout import IDENTITY, MAPS, MEMBERS, MODEL, NAME, OUT, PHOTOS, SYMMETRIC
from maskfold.prediction.masker import Answer
from maskfold.runs.provenance import PROVENANCE, read_provenance
from maskfold.storage import Storage
from maskfold.storage.published import open_model

THREADS = "OMP_NUM_THREADS"  # environment: how many threads one photo is worked on with; else every core there is
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
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
        storage, name = open_model(str(model), file=MODEL)
        self.storage = storage
        where = f"{storage.text.rstrip('/')}/{name}"
        path = storage.local(name)
        self.sha256 = files.sha256(path)
        _refuse_other_file(storage, name, self.sha256, where)
        self._session, self._options = _session(path, where, accelerator)
        facts = _facts(self._session, where)
        self.name, self.identity = facts[NAME], facts[IDENTITY]
        self.members = tuple(json.loads(facts[MEMBERS]))
        self.symmetric = facts.get(SYMMETRIC) != "false"  # what does not say so may be

    def answer(self, photos: Sequence[np.ndarray], *, members: bool = False) -> list[Answer]:
        """See `Masker`; photos of one size share a run."""
        for number, photo in enumerate(photos):
            _refuse_no_photo(photo, f"photo {number + 1} of {len(photos)}")
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
            return self._session.run(outputs, {PHOTOS: photos}, self._options)
        except Exception as error:  # onnxruntime's have no class of their own
            height, width = photos.shape[1:3]
            reason = " ".join(str(error).split())[:300]
            raise MaskfoldError(
                f"{self.name}: no map of a photo of {width}x{height} (width x height): {reason} Its networks may take "
                "no photo so large, or memory has run out: make it smaller."
            ) from error


def _refuse_other_file(storage: Storage, name: str, digest: str, where: str) -> None:
    """Refuse a file that is not the one that the card beside it tells of; without a card there is nothing to compare.

    Raises:
        MaskfoldError: If it is not, or the card is damaged.
    """
    if not storage.exists(PROVENANCE):
        return
    expected = read_provenance(storage).files.get(name)
    if expected is not None and expected != digest:
        raise MaskfoldError(
            f"{where}: not the file that {PROVENANCE} beside it tells of (SHA-256 {digest[:12]} instead of "
            f"{expected[:12]}): it is damaged, or half of another export. Run make export once more, or copy the whole "
            "folder again."
        )


def _session(path: Path, where: str, accelerator: str) -> tuple[Any, Any]:
    """Open a file with onnxruntime; return its session, and the options of each run."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MaskfoldError(
            "onnxruntime is not installed, which runs exported files: pip install 'maskfold[export]', or onnxruntime "
            "by itself."
        ) from error
    providers = _providers(accelerator, onnxruntime.get_available_providers())
    run_options = onnxruntime.RunOptions()
    run_options.only_execute_path_to_fetches = True  # members' maps are made where they are asked for
    try:
        return onnxruntime.InferenceSession(str(path), _options(onnxruntime), providers=providers), run_options
    except Exception as error:  # onnxruntime's have no class of their own
        reason = " ".join(str(error).split())[:300]
        raise MaskfoldError(f"{where}: no ONNX file that can be opened ({reason}). Export it once more.") from error


def _providers(accelerator: str, available: Sequence[str]) -> list[str]:
    if accelerator not in ("auto", "cpu", "gpu", "cuda"):
        raise MaskfoldError(f"accelerator={accelerator}: exported files run on cpu or gpu, or auto.")
    if accelerator in ("gpu", "cuda") and _CUDA not in available:
        raise MaskfoldError(
            f"accelerator={accelerator}: this onnxruntime has no CUDA. Install onnxruntime-gpu in its place, or give "
            "accelerator=cpu."
        )
    return [_CUDA, _CPU] if _CUDA in available and accelerator != "cpu" else [_CPU]


def _options(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # patterns are kept by size, and photos have many
    options.enable_cpu_mem_arena = False  # which would keep what the largest photo took, and is no faster
    options.log_severity_level = 3
    # Threads that turn in circles take their core from whoever else works here, as in `maskfold`'s own module.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _threads() -> int:
    text = os.environ.get(THREADS, "").strip()
    if text.isdecimal() and int(text) > 0:
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0  # 0: as onnxruntime likes


def _facts(session: Any, where: str) -> dict[str, str]:
    """Return what an export says of itself.

    Raises:
        MaskfoldError: If the file is none.
    """
    facts = session.get_modelmeta().custom_metadata_map
    inputs = [(one.name, one.type, len(one.shape)) for one in session.get_inputs()]
    outputs = [one.name for one in session.get_outputs()]
    whole = inputs == [(PHOTOS, "tensor(uint8)", 4)] and outputs == [MAPS, OUT]
    if not whole or not {NAME, IDENTITY, MEMBERS} <= facts.keys():
        shown = ", ".join(f"{name} {kind} of {rank} axes" for name, kind, rank in inputs)
        raise MaskfoldError(
            f"{where}: not exported by maskfold: it takes {shown or 'nothing'} and gives {', '.join(outputs)}, where "
            f"photos of 8 bits and their maps are wanted. Give a {MODEL} that make export has written."
        )
    return facts


def _runs(photos: Sequence[np.ndarray]) -> Iterator[list[int]]:
    """Yield the numbers of photos of one size, so many as may share a run."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for number, photo in enumerate(photos):
        by_size.setdefault(photo.shape, []).append(number)
    for (height, width, _), numbers in by_size.items():
        most = min(max(_MOST_PIXELS // (height * width), 1), _MOST_PHOTOS)
        for begin in range(0, len(numbers), most):
            yield numbers[begin : begin + most]


def _refuse_no_photo(photo: np.ndarray, what: str) -> None:
    is_photo = isinstance(photo, np.ndarray) and photo.ndim == 3 and photo.shape[2] == 3 and photo.dtype == np.uint8
    if not is_photo or 0 in photo.shape:
        kind = f"{photo.dtype} of shape {photo.shape}" if isinstance(photo, np.ndarray) else type(photo).__name__
        raise MaskfoldError(f"{what}: {kind}; a photo is (H, W, 3) uint8, RGB.")
