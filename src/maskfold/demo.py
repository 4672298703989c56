"""The whole pipeline on a generated studio set: `make demo`.

Every step is a stage that has a door of its own; the command that would do it alone is printed above it. Folds are
trained side by side, a process each, which takes half the time of one after the other with all cores: networks this
small keep no two cores busy. Run again, it goes on from what is finished. `make demo ARGS="seed=1"` trains with what
ARGS says.
"""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from maskfold.config import SUBMISSIONS, compose
from maskfold.credentials import censored
from maskfold.entry import quiet_console
from maskfold.errors import MaskfoldError
from maskfold.memory import resume_collection
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.side_by_side import run_side_by_side
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.report import report
from maskfold.stages.score import score
from maskfold.stages.studio import studio
from maskfold.terminal import console, show_table
from maskfold.termination import listen

MEMBERS = ("demo_unet_wide", "demo_unet")  # the longer training first: the last to begin is the last to end
FOLDS = (0, 1)
ROOT = "data/demo"
DATA = ["data=studio", f"data.root={ROOT}", "data.name=demo"]
SUBMISSION = EnsembleFolder(SUBMISSIONS / "demo").test.submission


class Steps:
    """Runs stages one by one, and keeps how long each took.

    Attributes:
        seconds: What each took, by its command's first words, in order.
    """

    def __init__(self) -> None:
        self.seconds: list[tuple[str, float]] = []

    def __call__(self, stage: Callable[..., Any], *overrides: str) -> Any:
        """Print a stage's command, compose its configuration and run it; return what it returns."""
        command = f"$ maskfold {stage.__name__} {' '.join(overrides)}"
        console().print(f"\n{command}", style="bold", markup=False, highlight=False)
        started = time.perf_counter()
        result = stage(compose(stage.__name__, list(overrides)))
        self.seconds.append((" ".join((stage.__name__, *overrides[:1])), time.perf_counter() - started))
        return result

    def show(self) -> None:
        """Print a table of the steps and their seconds."""
        print()
        show_table(["step", "seconds"], [(name, f"{seconds:.1f}") for name, seconds in self.seconds])


def demo(*training: str) -> None:
    """Run every stage, from the first generated photo to the report.

    Args:
        training: What every training is told besides, such as `seed=1`.
    """
    started, step = time.perf_counter(), Steps()
    step(studio, f"root={ROOT}", "cars=18", "test_cars=6", "height=256", "width=384")
    # A split that has a white van in either fold: a network that has never seen one misses it altogether.
    step(folds, *DATA, "folds=group_stratified", f"folds.k={len(FOLDS)}", "folds.seed=3")
    how = ("16", *DATA, *training)
    runs = {f"{name} fold {fold}": (name, str(fold), *how) for name in MEMBERS for fold in FOLDS}
    step.seconds += run_side_by_side("maskfold.demo_member", runs)
    for name in MEMBERS:
        step(evaluate, f"name={name}")
    step(ensemble, "ensemble=demo", "split=oof")
    step(ensemble, "ensemble=demo")
    healthy = step(doctor, f"submission={SUBMISSION}").ok
    step(score, f"submission={SUBMISSION}", f"truth={ROOT}/test_truth")
    step(report, "ensemble=demo")
    step.show()
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
    print(f"\nDone in {time.perf_counter() - started:.0f} s; the largest process took up to {memory:.1f} GiB.")
    if not healthy:
        sys.exit(1)


def main() -> None:
    """Run the demo as a command."""
    run_as_command(demo)


def run_as_command(run: Callable[..., None]) -> None:
    """Run a demo with what the command line says: what the user can mend, and Ctrl-C, end it with a sentence."""
    resume_collection()
    quiet_console()
    try:
        run(*sys.argv[1:])
    except MaskfoldError as error:
        sys.exit(censored(f"\n{error}"))
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run the same command again to go on from what is finished.")


if __name__ == "__main__":
    listen()  # SIGTERM ends the processes of the folds as well
    main()
