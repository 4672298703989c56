"""Stages that run no network never load torch; what only some runs need loads when it is used."""

import json
import subprocess
import sys

# The stages in an order in which each finds what it needs, after a member has been trained and predicted.
RUN_AFTER_TRAINING = """
import importlib, json, sys

from maskfold.config import build, compose

NAMES = ("doctor", "ensemble", "evaluate", "report", "blend", "pick", "pseudo", "folds", "studio", "packages")
HEAVY = ("torch", "lightning", "torchmetrics", "albumentations", "imgaug", "mlflow", "wandb")
USED_LATER = ("matplotlib", "scipy.optimize")

def loaded(names):
    return [name for name in names if name in sys.modules]

imported = {}
for name in NAMES:
    importlib.import_module(f"maskfold.stages.{name}")
    imported[name] = loaded(HEAVY + USED_LATER)

def run(name, *overrides):
    stage = getattr(sys.modules[f"maskfold.stages.{name}"], name)
    result = stage(compose(name, list(overrides)))
    ran[name] = loaded(HEAVY)
    return result

DATA = ["data=carvana", "data.name=again", "data.root=photos"]
MEMBERS = ["ensemble=linknet34", "ensemble.members=[{experiment: tiny}]"]
ran = {}
run("studio", "root=cars", "cars=1", "test_cars=0", "height=32", "width=48", "jobs=1")
run("packages", "root=packages", "products=1", "photos=1", "unknown=0", "size=32", "jobs=1")
run("folds", *DATA, "folds.k=2")
run("evaluate", "name=tiny", "jobs=1")
for split in ("test", "oof"):
    run("ensemble", *MEMBERS, f"split={split}", "jobs=1")
assert run("doctor", "submission=submissions/linknet34/submission.csv.gz").ok
run("blend", *MEMBERS, "method=nnls", "k=2", "jobs=1")
run("pseudo", *MEMBERS, "empty=true", "jobs=1")
run("report", *MEMBERS, "jobs=1")
run("ensemble", *MEMBERS, "ensemble.name=second", "ensemble.threshold=100", "jobs=1")
run("ensemble", *MEMBERS, "ensemble.name=second", "ensemble.threshold=100", "split=oof", "jobs=1")
run("pick")
build(compose("train", []).schedule)
ran["schedule"] = loaded(HEAVY)
print(json.dumps({"imported": imported, "ran": ran}))
"""
STAGES = {"doctor", "ensemble", "evaluate", "report", "blend", "pick", "pseudo", "folds", "studio", "packages"}


def test_stages_without_a_network_never_load_torch(trained):
    run = subprocess.run([sys.executable, "-c", RUN_AFTER_TRAINING], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    answer = json.loads(run.stdout.splitlines()[-1])

    assert answer["imported"] == {stage: [] for stage in STAGES}
    assert answer["ran"] == {stage: [] for stage in STAGES | {"schedule"}}
