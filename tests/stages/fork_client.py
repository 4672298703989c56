"""Asks `fork_server.py` for runs of stages."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Server:
    """Starts stages in forked processes, and kills them."""

    process: subprocess.Popen

    def run(
        self,
        folder: Path,
        arguments: list[str],
        *,
        kill_after: float | None = None,
        interrupt_when: Callable[[], bool] | None = None,
        interrupt_by: int = signal.SIGINT,
        ranks: Sequence[dict] = ({},),
    ) -> dict[str, float]:
        """Run a stage; return `pid`, `started`, `status` and `ended`.

        Args:
            folder: Where it runs; its output goes to a file beside it.
            arguments: The stage and its overrides.
            kill_after: Seconds after which it is killed.
            interrupt_when: Looked at often; once it is true, the run is interrupted.
            interrupt_by: The signal: Ctrl-C's, or another.
            ranks: For each process of the run, what its environment has besides.
        """
        log = folder.with_suffix(".log")
        log.unlink(missing_ok=True)
        request = {"folder": str(folder), "arguments": arguments, "log": str(log), "ranks": ranks}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        started = json.loads(self.process.stdout.readline())
        if kill_after is not None and not self._ends_within(kill_after):
            os.kill(started["pid"], signal.SIGKILL)
        while interrupt_when is not None and not self._ends_within(0.02):
            if interrupt_when():
                os.kill(started["pid"], interrupt_by)
                break
        return started | json.loads(self.process.stdout.readline())

    def _ends_within(self, seconds: float) -> bool:
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def finish(self, folder: Path, arguments: list[str], **options: Any) -> dict[str, float]:
        """Run a stage to its end, which must be a good one."""
        run = self.run(folder, arguments, **options)
        assert run["status"] == 0, folder.with_suffix(".log").read_text()
        return run
