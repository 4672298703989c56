"""The whole pipeline on a generated studio set, in one process: `make demo`.

Every step is a stage that has a door of its own; the command that would do it alone is printed above it. Run again,
it goes on from what is finished. `make demo ARGS="seed=1"` trains with what ARGS says.
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
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.report import report
from maskfold.stages.score import score
from maskfold.stages.studio import studio
from maskfold.stages.train import train
from maskfold.terminal import console

MEMBERS = ("demo_unet_wide", "demo_unet")
FOLDS = (0, 1)
ROOT = "data/demo"
DATA = ["data=studio", f"data.root={ROOT}", "data.name=demo"]
SUBMISSION = EnsembleFolder(SUBMISSIONS / "demo").test.submission


def step(stage: Callable[..., Any], *overrides: str) -> Any:
    """Print a stage's command, compose its configuration and run it."""
    console().print(f"\n$ maskfold {stage.__name__} {' '.join(overrides)}", style="bold", markup=False, highlight=False)
    return stage(compose(stage.__name__, list(overrides)))


def demo(*training: str) -> None:
    """Run every stage, from the first generated photo to the report.

    Args:
        training: What every training is told besides, such as `seed=1`.
    """
    started = time.perf_counter()
    step(studio, f"root={ROOT}", "cars=18", "test_cars=6", "height=256", "width=384")
    # A split that has a white van in either fold: a network that has never seen one misses it altogether.
    step(folds, *DATA, "folds=group_stratified", f"folds.k={len(FOLDS)}", "folds.seed=3")
    for member in MEMBERS:
        for fold in FOLDS:
            step(train, f"experiment={member}", *DATA, f"fold={fold}", *training)
            for split in ("oof", "test"):
                step(predict, f"name={member}", f"fold={fold}", f"split={split}", "trainer.batch_size=16")
        step(evaluate, f"name={member}")
    step(ensemble, "ensemble=demo", "split=oof")
    step(ensemble, "ensemble=demo")
    healthy = step(doctor, f"submission={SUBMISSION}").ok
    step(score, f"submission={SUBMISSION}", f"truth={ROOT}/test_truth")
    step(report, "ensemble=demo")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nDone in {time.perf_counter() - started:.0f} s; this process took up to {memory:.1f} GiB.")
    if not healthy:
        sys.exit(1)


def main() -> None:
    """Run the demo as a command."""
    run_as_command(demo)


def run_as_command(run: Callable[..., None]) -> None:
    """Run a demo with what the command line says: what the user can mend, and Ctrl-C, end it with a sentence."""
    quiet_console()
    try:
        run(*sys.argv[1:])
    except MaskfoldError as error:
        sys.exit(censored(f"\n{error}"))
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run the same command again to go on from what is finished.")


if __name__ == "__main__":
    main()
