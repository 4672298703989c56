"""A command as the job of a machine: `python -m maskfold.job python -m maskfold train experiment=linknet34`.

What it works on comes from elsewhere and what it makes goes elsewhere, as the environment says:

    MASKFOLD_KEEP     a folder or an address where runs are kept while they go on, and taken from at the start
    MASKFOLD_MODEL    a folder that a finished training's model is exported to
    MASKFOLD_PUBLISH  a folder or an address that this model is published to
    MASKFOLD_FAILURE  a file for the last words of a command that fails

Where SageMaker's folders are (`/opt/ml`), they are the defaults, and its hyperparameters and channels become keys.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from maskfold.config import compose
from maskfold.credentials import censored
from maskfold.entry import quiet_console
from maskfold.errors import MaskfoldError
from maskfold.publishing.keeping import Keeper
from maskfold.storage import open_storage
from maskfold.termination import STATUS

ML = "MASKFOLD_ML"  # environment: SageMaker's folder, where it is another than its own
KEEP, EVERY = "MASKFOLD_KEEP", "MASKFOLD_KEEP_S"
MODEL, PUBLISH, FAILURE = "MASKFOLD_MODEL", "MASKFOLD_PUBLISH", "MASKFOLD_FAILURE"
_WORDS = 1024  # characters of a failure that SageMaker shows
_OF_TORCHRUN = re.compile(r"torch[./]distributed[./](elastic|run|launcher)")
_KEY = re.compile(r"[+~]{0,2}[\w./@-]+")
_TRAINING = {"train", "maskfold.stages.train"}


class JobCommands:
    """Runs commands one after another, ends them when it is asked to, and keeps what was said last."""

    def __init__(self) -> None:
        self.asked = False
        self.last_words: deque[str] = deque(maxlen=200)
        self._process: subprocess.Popen | None = None

    def end(self, number: int, frame: FrameType | None) -> None:
        """Hand SIGTERM, or Ctrl+C, on to what runs."""
        self.asked = True
        if self._process is not None:
            self._process.terminate()

    def run(self, command: Sequence[str]) -> int:
        """Run a command to its end; return its status, which is that of SIGTERM where it was asked to end."""
        if self.asked:
            return STATUS
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="backslashreplace") as self._process:
            if self.asked:  # between the look above and the start
                self._process.terminate()
            assert self._process.stderr is not None
            for line in self._process.stderr:
                sys.stderr.write(line)
                self.last_words.append(line)
        status = self._process.returncode
        if self.asked and status:  # torchrun ends with 1
            return STATUS
        return 128 - status if status < 0 else status


def main() -> None:
    """Run the job; end with its status."""
    quiet_console()
    job = JobCommands()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, job.end)
    try:
        status = work(job, sys.argv[1:])
    except MaskfoldError as error:
        status = 1
        job.last_words.append(f"{error}\n")
        sys.stderr.write(censored(f"\n{error}\n"))
    if status not in (0, STATUS):
        _write_failure(cause([*job.last_words]))
    sys.exit(status)


def work(job: JobCommands, command: list[str]) -> int:
    """Run a command between fetching and sending; return its status.

    Raises:
        MaskfoldError: If something cannot be fetched or sent, or a hyperparameter is none.
    """
    ml = _sagemaker()
    if ml is not None:
        command = [*command, *_hyperparameters(ml), *_data(ml)]
        if (ml / "checkpoints").is_dir():
            os.chdir(ml / "checkpoints")  # which is brought to its bucket, and back
    with _kept():
        status = job.run(command)
    overrides = _overrides(command)
    model = os.environ.get(MODEL, str(ml / "model") if ml else "")
    if status == 0 and overrides is not None and model:
        status = job.run([sys.executable, "-m", "maskfold", "export", *_trained(overrides), f"out={model}"])
        if status == 0 and (to := os.environ.get(PUBLISH)):
            status = job.run([sys.executable, "-m", "maskfold", "publish", f"exported={model}", f"to={to}"])
    return status


def _sagemaker() -> Path | None:
    """Return SageMaker's folder where this is one of its machines."""
    folder = Path(os.environ.get(ML, "/opt/ml"))
    return folder if (folder / "input").is_dir() else None


def _hyperparameters(ml: Path) -> Iterator[str]:
    """Yield what was given as hyperparameters as overrides; its own SDK writes each as JSON once more."""
    path = ml / "input" / "config" / "hyperparameters.json"
    if not path.exists():
        return
    try:
        given = dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise MaskfoldError(f"{path}: no hyperparameters, which are keys with values ({error}).") from error
    for key, value in given.items():
        if key.startswith("sagemaker_"):  # which are its SDK's own
            continue
        if not _KEY.fullmatch(key):
            raise MaskfoldError(f"{path}: {key!a} is no key. Name hyperparameters as keys: trainer.max_epochs.")
        yield f"{key}={_plain(value)}"


def _plain(value: object) -> str:
    try:
        decoded = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        decoded = value
    return decoded if isinstance(decoded, str) else value if isinstance(value, str) else json.dumps(value)


def _data(ml: Path) -> list[str]:
    """Return where the photos are: the only channel, or the one called training, unless the hyperparameters say."""
    given = [key.partition("=")[0] for key in _hyperparameters(ml)]
    folder = ml / "input" / "data"
    channels = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    named = [path for path in channels if path.name in ("training", "train")] or channels
    return [f"data.root={named[0]}"] if len(named) == 1 and "data.root" not in given else []


def _overrides(command: Sequence[str]) -> list[str] | None:
    """Return the overrides of a command that trains; None of any other."""
    place = next((number for number, word in enumerate(command) if word in _TRAINING), None)
    return None if place is None else [*command[place + 1 :]]


def _trained(overrides: list[str]) -> list[str]:
    """Return what names the member, and the fold, that a training was of."""
    config = compose("train", overrides)
    return [f"name={config.name}", f"fold={config.fold}"]


@contextmanager
def _kept() -> Iterator[None]:
    """Fetch runs first, and send what changes along the way and at the end, where a place for that is named."""
    place = os.environ.get(KEEP)
    if not place:
        yield
        return
    keeper, over = Keeper(Path.cwd(), open_storage(place)), threading.Event()
    keeper.fetch()
    sending = threading.Thread(target=_send_along, args=(keeper, over), daemon=True)
    sending.start()
    try:
        yield
    finally:
        over.set()
        sending.join()
        keeper.send()


def _send_along(keeper: Keeper, over: threading.Event) -> None:
    while not over.wait(float(os.environ.get(EVERY, "30"))):
        try:
            keeper.send()
        except MaskfoldError as error:
            sys.stderr.write(censored(f"\nNot kept, and tried again later: {error}\n"))


def cause(lines: Sequence[str]) -> str:
    """Return what a command has said last, without what torchrun says then of the process that has said it."""
    own = next((number for number, line in enumerate(lines) if _OF_TORCHRUN.search(line)), len(lines))
    return "".join(lines[:own]).strip() or "".join(lines).strip()


def _write_failure(words: str) -> None:
    """Write the end of what was said where failures are looked for."""
    ml = _sagemaker()
    place = os.environ.get(FAILURE) or (str(ml / "output" / "failure") if ml else "")
    if place:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(censored(words)[-_WORDS:])


if __name__ == "__main__":
    main()
