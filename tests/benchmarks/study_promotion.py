"""Promotion against a real MLflow server: what passes, what does not, and what a kill at any moment leaves.

Every promotion is a process of its own, judged on twenty drawn photos (two of a pale cluster) by networks whose scores
are known by hand. A kill is SIGKILL: before each write that a promotion sends, and at moments spread over its time.
After each the champion has to be one of the two, and the same command, run again, has to complete what it began. Writes
docs/measured/promotion.csv: how many cases there were of each kind, how many of them were killed before they had ended,
and how many held.

    python tests/benchmarks/study_promotion.py

Takes some minutes.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from contenders import WRITES, draw_judge, plant
from maskfold.config import compose
from maskfold.entry import quiet_console
from maskfold.errors import MaskfoldError
from maskfold.files import sha256, write_text
from maskfold.stages.promote import promote
from mlflow_server import free_port, serving

TABLE = Path("docs/measured/promotion.csv").absolute()
FORK = get_context("fork")  # everything is imported once, here; no tensor is touched in this process
OWN = ["data=pairs", "data.root=judge", "jobs=1", "trainer.accelerator=cpu", "trainer.num_workers=0"]
MOMENTS = 12  # at which a promotion is killed from outside


class Study:
    """A server, and the rows of the table so far."""

    def __init__(self, address: str) -> None:
        self.client = MlflowClient(address)
        self.rows: list[dict[str, object]] = []
        self.killed = 0
        self.networks = 0

    def standing(self) -> dict[str, str]:
        """Return the members that the aliases stand at."""
        aliases = self.client.get_registered_model("maskfold").aliases
        return {name: self.client.get_model_version("maskfold", one).tags["member"] for name, one in aliases.items()}

    def note(self, what: str, held: list[bool], seconds: float) -> None:
        """Add a row."""
        counts = {"cases": len(held), "killed": self.killed, "held": sum(held)}
        self.rows.append({"what": what, **counts, "seconds": round(seconds, 1)})
        self.killed = 0
        print(self.rows[-1], flush=True)

    @contextmanager
    def case(self, what: str) -> Iterator[list[bool]]:
        """Time the cases of a kind, and add their row."""
        started, held = time.monotonic(), []
        yield held
        self.note(what, held, time.monotonic() - started)

    def network(self) -> str:
        """Plant another network that masks just as the last one did; return its name."""
        self.networks += 1
        name = f"equal{self.networks}"
        plant(name, 60 + self.networks / 10)
        return name


def command(*overrides: str, prepare: Callable[[], None] = lambda: None) -> BaseProcess:
    """Start `maskfold promote` in a process of its own."""

    def run() -> None:
        prepare()
        try:
            promote(compose("promote", [*OWN, *overrides]))
        except MaskfoldError as error:
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)

    process = FORK.Process(target=run)
    process.start()
    return process


def status(*overrides: str, prepare: Callable[[], None] = lambda: None) -> int:
    """Return the exit status of `maskfold promote`; negative for a signal."""
    process = command(*overrides, prepare=prepare)
    process.join()
    return process.exitcode


def killing_before(write: int) -> Callable[[], None]:
    """Return what has a process killed just before its n-th write."""

    def prepare() -> None:
        count = 0

        def dying(real: Callable) -> Callable:
            def call(*arguments: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == write:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return call

        for name in WRITES:
            setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))

    return prepare


def verdicts(study: Study) -> None:
    """What passes and what does not."""
    for name, cut in (("blind", 30), ("careful", 60), ("strict", 160), ("copy", 60)):
        plant(name, cut)
    with study.case("the first champion is taken") as held:
        held.append(status("name=blind") == 0 and study.standing() == {"champion": "blind"})
    granted = {"champion": "careful", "previous": "blind"}
    with study.case("a gain is granted") as held:
        held.append(status("name=careful") == 0 and study.standing() == granted)
    with study.case("a gain in the mean that loses 0.02 in a cluster of 10 % is refused by its name") as held:
        refused = status("name=strict") == 1 and study.standing() == granted
        versions = study.client.search_model_versions("name='maskfold'")
        (reasons,) = (one.tags["reasons"] for one in versions if one.tags["member"] == "strict")
        held.append(refused and reasons.startswith("cluster pale, 2 photos: IoU -0.02000"))
    with study.case("a copy of the champion is refused as no gain") as held:
        held.append(status("name=copy") == 1 and study.standing() == granted)
    with study.case("one command goes back, and forth again") as held:
        back = status("back=true"), study.standing()
        held.append(back == (0, {"champion": "blind", "previous": "careful"}))
        held.append(status("back=true") == 0 and study.standing() == granted)
    with study.case("models:/maskfold@champion is the checkpoint that was trained") as held:
        served = Path(download_artifacts("models:/maskfold@champion", dst_path="served_champion"))
        trained = Path("experiments/careful/fold0")
        held.append(len({sha256(run / "checkpoints/best.ckpt") for run in (served, trained)}) == 1)


def kills(study: Study) -> None:
    """SIGKILL to promotions and to ways back."""
    with study.case("SIGKILL before each write of a promotion; then the same command") as held:
        write = 1
        while not _promoted_though_killed(study, held, prepare=killing_before(write)):
            write += 1
    started = time.monotonic()
    status(f"name={study.network()}", "allow_equal=true")
    whole = time.monotonic() - started
    with study.case("SIGKILL at moments spread over a promotion; then the same command") as held:
        for moment in range(MOMENTS):
            _promoted_though_killed(study, held, after=whole * (moment + 0.5) / MOMENTS)
    with study.case("SIGKILL before each write of a way back; then the same command") as held:
        write, ended = 1, False
        while not ended:
            before = study.standing()
            ended = status("back=true", prepare=killing_before(write)) == 0
            study.killed += not ended
            between = study.standing()["champion"] in before.values()
            done = ended or status("back=true") == 0
            swapped = {"champion": before["previous"], "previous": before["champion"]}
            held.append(between and done and study.standing() == swapped)
            write += 1


def _promoted_though_killed(
    study: Study, held: list[bool], *, prepare: Callable[[], None] = lambda: None, after: float | None = None
) -> bool:
    """Kill a promotion, look at the champion, and run it again; return whether it had ended before the kill."""
    before, name = study.standing()["champion"], study.network()
    overrides = f"name={name}", "allow_equal=true"
    process = command(*overrides, prepare=prepare)
    process.join(after)
    process.kill()
    process.join()
    study.killed += process.exitcode == -signal.SIGKILL
    stands = study.standing()["champion"] in (before, name)
    again = status(*overrides)
    held.append(stands and again == 0 and study.standing() == {"champion": name, "previous": before})
    return process.exitcode == 0


def two_at_once(study: Study) -> None:
    """Two promotions that are judged against the same champion."""
    with study.case("two promotions at once: one is taken after the other, or refused") as held:
        for _ in range(8):
            before, names = study.standing()["champion"], [study.network(), study.network()]
            processes = [command(f"name={name}", "allow_equal=true") for name in names]
            for process in processes:
                process.join()
            after, codes = study.standing(), [process.exitcode for process in processes]
            taken = [name for name, code in zip(names, codes, strict=True) if code == 0]
            held.append(after["champion"] in taken and after["previous"] in (before, *taken) and {*codes} <= {0, 1})


def lost_server(study: Study, folder: Path, database: str, port: int) -> None:
    """SIGKILL to the server between tags and aliases."""
    with study.case("SIGKILL to the server between tags and alias; then the same command") as held:
        name = study.network()
        with serving(folder, database, port=port) as (_, process):
            before = study.standing()

            def prepare() -> None:
                real = MlflowClient.set_registered_model_alias

                def call(*arguments: object) -> object:
                    os.killpg(process.pid, signal.SIGKILL)
                    return real(*arguments)

                MlflowClient.set_registered_model_alias = call

            refused = status(f"name={name}", "allow_equal=true", prepare=prepare) == 1
        with serving(folder, database, port=port):
            stands = study.standing() == before
            again = status(f"name={name}", "allow_equal=true") == 0
            after = {"champion": name, "previous": before["champion"]}
            held.append(refused and stands and again and study.standing() == after)
            study.killed = 1


def main() -> None:
    """Run the study."""
    quiet_console()
    with tempfile.TemporaryDirectory() as place, chdir(place):
        folder, database, port = Path(place), f"sqlite:///{place}/server.db", free_port()
        os.environ["MLFLOW_TRACKING_URI"] = address = f"http://127.0.0.1:{port}"
        draw_judge(Path("judge"), plain=18)
        study = Study(address)
        with serving(folder, database, port=port):
            verdicts(study)
            kills(study)
            two_at_once(study)
        lost_server(study, folder, database, port)
    table = pd.DataFrame(study.rows)
    write_text(TABLE, table.to_csv(index=False))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
