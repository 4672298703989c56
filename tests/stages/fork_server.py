"""Runs stages in processes that start at once: it imports everything one time, and forks for each run.

A line of JSON on the standard input (`folder`, `arguments`: the stage and its overrides, `log`, and `ranks`, what the
environment of each of its processes has besides) starts a run; the answers are `{"pid": ..., "started": ...}`, of its
first process, and, however it has ended, `{"status": ..., "ended": ...}`, times in seconds.
"""

import importlib
import json
import os
import sys
import time
import traceback

import pandas
from lightning.pytorch.utilities import rank_zero_only

from maskfold.config import compose
from maskfold.data.table import SCHEMA
from maskfold.prediction.store import ProbabilityStore

STAGES = ("train", "predict", "fuse", "ensemble", "pseudo")
USED_LATER = ("maskfold.models.unet", "maskfold.data.augmentation", "maskfold.data.imgaug_compat", "pdqhash")


def serve() -> None:
    """Answer until the input ends."""
    mains = {stage: importlib.import_module(f"maskfold.stages.{stage}").main for stage in STAGES}
    for module in USED_LATER:
        importlib.import_module(module)
    compose("train", ["experiment=demo_unet"])
    SCHEMA.get_backend(pandas.DataFrame())  # which imports, at the first table, what pandera finds to work with
    for line in sys.stdin:
        started = time.time()
        request = json.loads(line)
        pids = [_fork(mains, environment, **request) for environment in request.pop("ranks")]
        _answer(pid=pids[0], started=started)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        _answer(status=next(filter(None, statuses), 0), ended=time.time())


def _fork(mains: dict, environment: dict[str, str], **request: object) -> int:
    pid = os.fork()
    if pid == 0:
        os.environ.update(environment)
        rank_zero_only.rank = int(environment.get("RANK", 0))  # which Lightning looks at when it is imported
        if "WRITTEN" in environment:
            _log_writes(environment["WRITTEN"])
        _run(mains, **request)
    return pid


def _log_writes(path: str) -> None:
    """Have this process add a line to a file for every map that it writes."""
    write = ProbabilityStore.write

    def logged(store: ProbabilityStore, image_id: str, probability: object) -> None:
        with open(path, "a") as log:
            print(image_id, file=log, flush=True)
        write(store, image_id, probability)

    ProbabilityStore.write = logged


def _run(mains: dict, *, folder: str, arguments: list[str], log: str) -> None:
    """Run a stage as its command would, and end this process."""
    os.setsid()
    os.chdir(folder)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.close(0)
    sys.argv = [f"{arguments[0]}.py", *arguments[1:]]
    status = 1
    try:
        mains[arguments[0]]()
        status = 0
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        else:
            status = error.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status)


def _answer(**content: float) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    serve()
