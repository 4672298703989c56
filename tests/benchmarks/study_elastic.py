"""What lost ranks cost a training under torchrun, and whether its weights are those of the undisturbed one.

    python tests/benchmarks/study_elastic.py <folder>

Two processes train a small network on generated photos, with mining and averaged weights: undisturbed, with one of them
killed five times (SIGKILL), with one stopped (SIGSTOP: it neither works nor ends), and as two nodes (two agents on this
machine) of which one, its agent and its process, stops and comes back after three minutes. Takes some ten minutes.
Writes docs/measured/elastic.csv.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import torch
from measure import publish

EPOCHS = 12
KILLS = 5
AWAY = 180  # seconds that a node is gone
TIMINGS = ["seconds", "images_per_second"]
DATA = ["cars=6", "test_cars=1", "height=64", "width=96", "jobs=1"]
MEMBER = ["experiment=demo_unet", "model.widths=[8,16]", "geometry.height=64", "geometry.width=96", "keep_last=true"]
MEMBER += [f"trainer.max_epochs={EPOCHS}", "trainer.accelerator=cpu", "trainer.batch_size=2", "averaging=ema"]
MEMBER += ["trainer.hard_negatives_every=3"]
STARTED = r"epochs on 2 x cpu"
NOTICED = "Another process of this run is gone"


@dataclass
class Run:
    """A training under one or more of torchrun's agents, in a folder with the data.

    Attributes:
        folder: Where it runs.
        name: The member's, and the log's.
        agents: Torchrun's processes, one a node.
    """

    folder: Path
    name: str
    agents: list[psutil.Popen]

    @property
    def said(self) -> str:
        """What all processes have printed up to now."""
        return (self.folder / f"{self.name}.log").read_text()

    @property
    def checkpoint(self) -> Path:
        """The end of the last epoch."""
        return self.folder / f"experiments/{self.name}/fold0/checkpoints/last.ckpt"

    def ranks(self) -> list[psutil.Process]:
        """Return the training processes that live, the first rank first."""
        living = [child for agent in self.agents if agent.is_running() for child in agent.children()]
        numbered = {}
        for process in living:
            try:
                numbered[int(process.environ()["RANK"])] = process
            except (psutil.Error, KeyError):  # it is ending, or has not begun
                continue
        return [numbered[rank] for rank in sorted(numbered)]

    def await_epoch(self) -> None:
        """Wait until one more epoch has ended."""
        before = self._saved()
        wait_for(lambda: self._saved() > before, seconds=300)

    def _saved(self) -> int:
        return self.checkpoint.stat().st_mtime_ns if self.checkpoint.exists() else 0

    def result(self) -> tuple[object, ...]:
        """Return weights, averages and optimizer of the last epoch, the weights of the best, and the epochs' scores."""
        last, best = (
            torch.load(self.checkpoint.with_stem(name), weights_only=True, map_location="cpu")
            for name in ("last", "best")
        )
        scores = pd.read_csv(self.checkpoint.parent.parent / "metrics.csv").drop(columns=TIMINGS)
        whole = [last["state_dict"], last["optimizer_states"], last["callbacks"]["WeightAverage"], best["state_dict"]]
        return (*(as_bytes(part) for part in whole), scores.to_csv())


def as_bytes(tree: object) -> object:
    """Return nested tensors as bytes, to be compared bit for bit."""
    if isinstance(tree, torch.Tensor):
        return tree.numpy().tobytes()
    if isinstance(tree, dict):
        return {key: as_bytes(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [as_bytes(value) for value in tree]
    return tree


def wait_for(happened: Callable[[], object], *, seconds: float) -> float:
    """Return after how many seconds something has happened."""
    started = time.monotonic()
    while not happened():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"nothing after {seconds} s")
        time.sleep(0.05)
    return time.monotonic() - started


@contextmanager
def training(folder: Path, name: str, *, nodes: int = 1) -> Iterator[Run]:
    """Begin a training of two ranks on so many nodes; end whatever is left of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", f"--nproc-per-node={2 // nodes}"]
    command += ["--max-restarts=10", f"--rdzv-id={name}", "--rdzv-backend=c10d", f"--rdzv-endpoint={meeting}"]
    command += ["-m", "maskfold.stages.train", "data.root=data/studio", *MEMBER, f"name={name}"]
    agents = []
    with open(folder / f"{name}.log", "w") as log:
        try:
            for _ in range(nodes):
                environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
                agents.append(psutil.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT))
                time.sleep(2 if nodes > 1 else 0)  # the first one is the meeting point
            yield Run(folder, name, agents)
        finally:
            for process in [one for agent in agents if agent.is_running() for one in (*agent.children(True), agent)]:
                process.kill()


def finish(run: Run) -> None:
    """Wait for the end of a training, which must be a good one."""
    for agent in run.agents:
        if agent.wait(timeout=900):
            raise RuntimeError(run.said)


def kill(run: Run, times: int, *, seed: int = 0) -> None:
    """Kill one of the ranks in the middle of an epoch, again and again."""
    chance = random.Random(seed)
    for _ in range(times):
        run.await_epoch()
        epoch = float(pd.read_csv(run.checkpoint.parent.parent / "metrics.csv")["seconds"].median())
        time.sleep(chance.uniform(0.1, 0.9) * epoch)
        chance.choice(run.ranks()).kill()


def stop(processes: Sequence[psutil.Process], run: Run) -> float:
    """Stop processes in the middle of an epoch; return after how many seconds the others say so."""
    run.await_epoch()
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    return wait_for(lambda: NOTICED in run.said, seconds=400)


def row(case: str, run: Run, whole: Run, *, lost: int, seconds: float, noticed: float | None = None) -> dict:
    """Return a row of the table."""
    return {
        "case": case,
        "ranks_lost": lost,
        "restarts": len(re.findall(STARTED, run.said)) - 1,
        "seconds_to_notice": noticed,
        "seconds": round(seconds, 1),
        "weights_equal": "yes" if run.result() == whole.result() else "no",
    }


def study(folder: Path) -> Iterator[dict]:
    """Yield a row a case."""
    with training(folder, "undisturbed") as whole:
        started = time.monotonic()
        finish(whole)
    yield row("undisturbed", whole, whole, lost=0, seconds=time.monotonic() - started)

    with training(folder, "killed") as run:
        started = time.monotonic()
        kill(run, KILLS)
        finish(run)
    yield row("a rank killed", run, whole, lost=KILLS, seconds=time.monotonic() - started)

    with training(folder, "stopped") as run:
        started = time.monotonic()
        wait_for(lambda: len(run.ranks()) == 2, seconds=100)
        noticed = stop(run.ranks()[1:], run)
        finish(run)
    yield row("a rank stopped", run, whole, lost=1, seconds=time.monotonic() - started, noticed=noticed)

    with training(folder, "node", nodes=2) as run:
        started = time.monotonic()
        wait_for(lambda: len(run.ranks()) == 2, seconds=100)
        node = run.agents[1]
        gone = [node, *node.children()]
        noticed = stop(gone, run)
        time.sleep(max(0, AWAY - noticed))
        for process in gone:
            process.send_signal(signal.SIGCONT)
        finish(run)
    yield row("a node gone for three minutes", run, whole, lost=1, seconds=time.monotonic() - started, noticed=noticed)


def prepare(folder: Path) -> None:
    """Generate the photos and their split."""
    folder.mkdir(parents=True, exist_ok=True)
    for stage in (["studio", *DATA], ["folds", "data=studio", "folds.k=3"]):
        subprocess.run([sys.executable, "-m", f"maskfold.stages.{stage[0]}", *stage[1:]], cwd=folder, check=True)


def main() -> None:
    """Run all cases, and write the table."""
    folder = Path(sys.argv[1]).absolute()
    prepare(folder)
    rows = []
    for one in study(folder):
        print(one, flush=True)
        rows.append(one)
    publish("elastic", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
