"""Runs stages in processes that start at once: it imports everything one time, and forks for each run.

A line of JSON on the standard input (`folder`, `arguments`: the stage and its overrides, `log`) starts a run; the
answers are `{"pid": ..., "started": ...}` and, however it has ended, `{"status": ..., "ended": ...}`, times in seconds.
"""

import importlib
import json
import os
import sys
import time

from maskfold.config import compose

STAGES = ("train", "predict", "fuse", "ensemble", "pseudo")
USED_LATER = ("maskfold.models.unet", "maskfold.data.augmentation", "maskfold.data.imgaug_compat", "pandas")


def serve() -> None:
    """Answer until the input ends."""
    mains = {stage: importlib.import_module(f"maskfold.stages.{stage}").main for stage in STAGES}
    for module in USED_LATER:
        importlib.import_module(module)
    compose("train", ["experiment=demo_unet"])
    for line in sys.stdin:
        started = time.time()
        pid = os.fork()
        if pid == 0:
            _run(mains, **json.loads(line))
        _answer(pid=pid, started=started)
        _, status = os.waitpid(pid, 0)
        _answer(status=os.waitstatus_to_exitcode(status), ended=time.time())


def _run(mains: dict, *, folder: str, arguments: list[str], log: str) -> None:
    """Run a stage as its command would, and end this process."""
    os.setsid()
    os.chdir(folder)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
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
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status)


def _answer(**content: float) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    serve()
