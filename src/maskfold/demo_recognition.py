"""Recognition from the first generated photo to a published model, folds side by side: `make demo-recognition`.

Forty products, five of them a month later, and three that nobody has been told of. Every step is a stage that has a
door of its own; run again, it goes on from what is finished. At its end it looks at its own results, and fails where
one is not what it should be.
"""

import json
import sys
import time
from pathlib import Path

import cv2
import pandas as pd

from maskfold.config import EXPERIMENTS, SUBMISSIONS
from maskfold.data.loading import read_image
from maskfold.demo import Steps, run_as_command
from maskfold.recognition.recognizer import UNKNOWN, open_recognizer
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.layout import MemberFolder
from maskfold.side_by_side import run_side_by_side
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.export import export
from maskfold.stages.folds import folds
from maskfold.stages.grow import grow
from maskfold.stages.packages import packages
from maskfold.stages.predict import predict
from maskfold.stages.publish import publish
from maskfold.stages.report import report
from maskfold.terminal import console
from maskfold.termination import listen

MEMBER = "demo_recognition"
MONTHS = ("2026-01", "2026-02")
GROWN = f"{MEMBER}_{MONTHS[1]}"
FOLDS = (0, 1)
ROOT = "data/packages"
PUBLISHED = "exports/published"
DATA = ["data=label_table", f"data.root={ROOT}"]
SUBMISSION = EnsembleFolder(SUBMISSIONS / MEMBER).test.submission
ACCURACY, OLD_KEPT, NEW_KNOWN, REJECTED, ACCEPTED = 0.85, 0.80, 0.70, 0.20, 0.85  # what each result is at least


def demo_recognition(*training: str) -> None:
    """Run every stage, and look at what has come of it.

    Args:
        training: What every training is told besides, such as `seed=1`.
    """
    cv2.setNumThreads(1)  # photos of 64 pixels: threads would wait for one another
    started, step = time.perf_counter(), Steps()
    step(packages, f"root={ROOT}", "photos=50", "test_photos=20", "twins=false")
    step(folds, *DATA, f"data.until={MONTHS[0]}", "folds=by_label", f"folds.k={len(FOLDS)}")
    how = ("64", *DATA, f"data.until={MONTHS[0]}", *training)
    runs = {f"fold {fold}": (MEMBER, str(fold), *how) for fold in FOLDS}
    step.seconds += run_side_by_side("maskfold.demo_member", runs)
    step(evaluate, f"name={MEMBER}")
    step(ensemble, f"ensemble={MEMBER}", "split=oof")
    scores = step(ensemble, f"ensemble={MEMBER}")
    healthy = step(doctor, f"submission={SUBMISSION}").ok
    step(report, f"ensemble={MEMBER}")
    _grow(step, *training)
    step(export, f"name={GROWN}", "fold=0")
    published = step(publish, f"exported=exports/{GROWN}_fold0", f"to={PUBLISHED}")
    results = {"accuracy of the mean of two folds, 35 products": (float(scores["accuracy"].mean()), ACCURACY)}
    results |= growth_results(json.loads((MemberFolder(EXPERIMENTS / GROWN).run(0).path / "growth.json").read_text()))
    results |= _at_the_counter(str(published.address))
    step.show()
    failed = shortfalls(results)
    print(f"\nDone in {time.perf_counter() - started:.0f} s. {EnsembleFolder(SUBMISSIONS / MEMBER).report} shows it.")
    if failed or not healthy:
        sys.exit(1)


def _grow(step: Steps, *training: str) -> None:
    """Let the champion learn the second month's products, behind the gate, and predict with what it has become."""
    short = " ".join(["trainer.max_epochs=4", "optimizer.lr=1.0e-3", *training])
    gate = [f"unknown={ROOT}/unknown", f"registered_model={MEMBER}"]
    step(grow, f"name={MEMBER}", f"month={MONTHS[1]}", "fold=0", "level=finetune", f"train='{short}'", *gate)
    step(predict, f"name={GROWN}", "fold=0", "split=oof", "trainer.batch_size=64")


def growth_results(record: dict) -> dict[str, tuple[float, float]]:
    """Return what growth has come to, by name: the value and the least that it should be.

    Args:
        record: What `growth.json` holds.
    """
    figures = record["figures"]
    return {
        "growth accepted by the gate": (float(record["passed"]), 1.0),
        "old products after growth, macro recall": (figures["old_macro_recall_challenger"], OLD_KEPT),
        "new products after growth, macro recall": (figures["new_macro_recall"], NEW_KNOWN),
    }


def _at_the_counter(published: str) -> dict[str, tuple[float, float]]:
    """Return how many photos of known and of unknown products the published model takes for what they are."""
    recognizer = open_recognizer(f"{published}/model.onnx", accelerator="cpu")
    labels = pd.read_csv(Path(ROOT, "labels.csv"))
    shown = {
        "known": labels[labels["split"] == "test"]["path"][::5],
        "unknown": pd.read_csv(Path(ROOT, "unknown.csv"))["path"],
    }
    refused = {
        kind: sum(
            answer.verdict == UNKNOWN for answer in recognizer.answer([read_image(f"{ROOT}/{path}") for path in paths])
        )
        / len(paths)
        for kind, paths in shown.items()
    }
    return {
        "known products that the published model does not refuse": (1 - refused["known"], ACCEPTED),
        "unknown products that it refuses": (refused["unknown"], REJECTED),
    }


def shortfalls(results: dict[str, tuple[float, float]]) -> list[str]:
    """Print results beside the least that they should be; return the names of those that are less."""
    for name, (value, least) in results.items():
        verdict = "" if value >= least else "  TOO LITTLE"
        console().print(f"{value:6.3f} (at least {least:.2f})  {name}{verdict}", markup=False, highlight=False)
    return [name for name, (value, least) in results.items() if not value >= least]


def main() -> None:
    """Run the demo as a command."""
    run_as_command(demo_recognition)


if __name__ == "__main__":
    listen()  # SIGTERM ends the processes of the folds as well
    main()
