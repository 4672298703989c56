"""Runs of one module side by side: a process each, with its share of the cores, whose lines come out one by one."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from maskfold.errors import MaskfoldError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_side_by_side(module: str, runs: Mapping[str, Sequence[str]]) -> list[tuple[str, float]]:
    """Run `python -m <module>` once with each list of arguments, as many at a time as there are cores.

    Args:
        module: The module's name.
        runs: What each is told, by a name that stands before its lines.

    Returns:
        Name and seconds of each, in order.

    Raises:
        MaskfoldError: If one has failed; the others have been run to their ends.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = min(len(runs), cores)
    share = str(max(1, cores // at_once))
    environment = dict.fromkeys(_THREADS, share) | os.environ | {"PYTHONUNBUFFERED": "1"}
    started = _Started(environment)
    with ThreadPoolExecutor(at_once) as pool:
        try:
            ended = list(pool.map(lambda run: started.run(module, *run), runs.items()))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            started.end()
            raise
    failed = [name for name, (status, _) in zip(runs, ended, strict=True) if status]
    if failed:
        raise MaskfoldError(f"{', '.join(failed)}: failed; why stands above, behind the name.")
    return [(name, seconds) for name, (_, seconds) in zip(runs, ended, strict=True)]


@dataclass
class _Started:
    """The processes that were started, to be ended where the user stops them all."""

    environment: dict[str, str]
    processes: list[subprocess.Popen] = field(default_factory=list)

    def run(self, module: str, name: str, arguments: Sequence[str]) -> tuple[int, float]:
        """Run one to its end, passing its lines on; return its exit status and the seconds it took."""
        begun = time.perf_counter()
        command = [sys.executable, "-m", module, *arguments]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        with subprocess.Popen(command, env=self.environment, **output) as process:
            self.processes.append(process)
            for line in filter(str.strip, process.stdout):
                print(f"[{name}] {line}", end="", flush=True)
        return process.returncode, time.perf_counter() - begun

    def end(self) -> None:
        """End those that still run."""
        for process in self.processes:
            process.terminate()
