"""An exported file, whatever it answers with: opened and run with onnxruntime, without torch."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.runs.provenance import PROVENANCE, read_provenance
from maskfold.storage import Storage
from maskfold.storage.published import open_model

EXPORTS = Path("exports")
MODEL = "model.onnx"
WEIGHTS = "model.safetensors"

PHOTOS = "photos"  # the input

# What every file says of itself.
NAME = "maskfold.name"
IDENTITY = "maskfold.identity"
VERSION = "maskfold.version"
TASK = "maskfold.task"  # files that mask photos have none

THREADS = "OMP_NUM_THREADS"  # environment: how many threads one photo is worked on with; else every core there is
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxFile:
    """A file that `make export` has written.

    Args:
        model: The file or its folder, here or as an address, or that of a published model.
        accelerator: `cpu`, `gpu`, or `auto` for a GPU where onnxruntime has one.

    Attributes:
        storage: Where it lies.
        name: What it is called there.
        where: What messages call it.
        sha256: Of the file, 64 hexadecimal digits.
        facts: What it says of itself.
        inputs: `(name, type, number of axes)` of each input.
        outputs: Their names.
        widths: The length of each output's last axis, by its name; None where it is not fixed.

    Raises:
        MaskfoldError: If the file is missing, damaged, or not the one that its card tells of; or onnxruntime, or the
            GPU that is asked for, is not there.
    """

    def __init__(self, model: str | Path, *, accelerator: str = "auto") -> None:
        self.storage, self.name = open_model(str(model), file=MODEL)
        self.where = f"{self.storage.text.rstrip('/')}/{self.name}"
        path = self.storage.local(self.name)
        self.sha256 = files.sha256(path)
        refuse_other_file(self.storage, self.name, self.sha256)
        self._session, self._options = _session(path, self.where, accelerator)
        self.facts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.inputs = [(one.name, one.type, len(one.shape)) for one in self._session.get_inputs()]
        ends = {one.name: one.shape[-1] if one.shape else None for one in self._session.get_outputs()}
        self.outputs = [*ends]
        self.widths = {name: end if isinstance(end, int) else None for name, end in ends.items()}

    @property
    def takes(self) -> str:
        """What it takes and gives, for messages."""
        shown = ", ".join(f"{name} {kind} of {rank} axes" for name, kind, rank in self.inputs)
        return f"it takes {shown or 'nothing'} and gives {', '.join(self.outputs)}"

    def run(self, outputs: list[str], photos: np.ndarray) -> list[np.ndarray]:
        """Return some outputs for a batch of photos; what onnxruntime raises has no class of its own."""
        return self._session.run(outputs, {PHOTOS: photos}, self._options)


def refuse_other_file(storage: Storage, name: str, digest: str, *, listed: bool = False) -> None:
    """Refuse a file that is not the one that the card beside it tells of; without a card there is nothing to compare.

    Args:
        storage: Where both lie.
        name: The file's.
        digest: Its SHA-256.
        listed: Refuse one that the card does not name, too: what an earlier export has left.

    Raises:
        MaskfoldError: If it is not, or the card is damaged.
    """
    if not storage.exists(PROVENANCE):
        return
    expected = read_provenance(storage).files.get(name)
    if expected is None and listed:
        raise MaskfoldError(
            f"{storage.text.rstrip('/')}/{name}: {PROVENANCE} beside it does not name it: an earlier export has left "
            "it. Remove it, or export once more with what it is made by."
        )
    if expected is not None and expected != digest:
        raise MaskfoldError(
            f"{storage.text.rstrip('/')}/{name}: not the file that {PROVENANCE} beside it tells of (SHA-256 "
            f"{digest[:12]} instead of {expected[:12]}): it is damaged, or half of another export. Run make export "
            "once more, or copy the whole folder again."
        )


def refuse_no_photo(photo: np.ndarray, what: str) -> None:
    """Refuse what is no photo `(H, W, 3) uint8`.

    Raises:
        MaskfoldError: If it is none; the message calls it `what`.
    """
    is_photo = isinstance(photo, np.ndarray) and photo.ndim == 3 and photo.shape[2] == 3 and photo.dtype == np.uint8
    if not is_photo or 0 in photo.shape:
        kind = f"{photo.dtype} of shape {photo.shape}" if isinstance(photo, np.ndarray) else type(photo).__name__
        raise MaskfoldError(f"{what}: {kind}; a photo is (H, W, 3) uint8, RGB.")


def _session(path: Path, where: str, accelerator: str) -> tuple[Any, Any]:
    """Open a file with onnxruntime; return its session, and the options of each run."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MaskfoldError(
            "onnxruntime is not installed, which runs exported files: pip install 'maskfold[export]', or onnxruntime "
            "by itself."
        ) from error
    chosen = providers(accelerator, onnxruntime.get_available_providers())
    run_options = onnxruntime.RunOptions()
    run_options.only_execute_path_to_fetches = True  # members' maps are made where they are asked for
    try:
        return onnxruntime.InferenceSession(str(path), options(onnxruntime), providers=chosen), run_options
    except Exception as error:  # onnxruntime's have no class of their own
        reason = " ".join(str(error).split())[:300]
        raise MaskfoldError(f"{where}: no ONNX file that can be opened ({reason}). Export it once more.") from error


def providers(accelerator: str, available: Sequence[str]) -> list[str]:
    """Return what onnxruntime is to work with.

    Raises:
        MaskfoldError: If it cannot work with what is asked for.
    """
    if accelerator not in ("auto", "cpu", "gpu", "cuda"):
        raise MaskfoldError(f"accelerator={accelerator}: exported files run on cpu or gpu, or auto.")
    if accelerator in ("gpu", "cuda") and _CUDA not in available:
        raise MaskfoldError(
            f"accelerator={accelerator}: this onnxruntime has no CUDA. Install onnxruntime-gpu in its place, or give "
            "accelerator=cpu."
        )
    return [_CUDA, _CPU] if _CUDA in available and accelerator != "cpu" else [_CPU]


def options(onnxruntime: Any) -> Any:
    """Return the options of a session of this process's threads."""
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = _threads()
    chosen.inter_op_num_threads = 1
    chosen.enable_mem_pattern = False  # patterns are kept by size, and photos have many
    chosen.enable_cpu_mem_arena = False  # which would keep what the largest photo took, and is no faster
    chosen.log_severity_level = 3
    # Threads that turn in circles take their core from whoever else works here, as in `maskfold`'s own module.
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return chosen


def _threads() -> int:
    text = os.environ.get(THREADS, "").strip()
    if text.isdecimal() and int(text) > 0:
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0  # 0: as onnxruntime likes
