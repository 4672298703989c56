"""The error analysis, executed on a tiny ensemble; and the executed copy that is kept."""

import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hydra.errors import ConfigCompositionException

from maskfold.config import compose
from maskfold.data.loading import read_mask
from maskfold.places import NOTEBOOK
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.notebook import notebook

ENSEMBLE = [
    "ensemble=linknet34",
    "ensemble.name=pair",
    "ensemble.members=[{experiment: tiny},{maps: 'theirs/{split}'}]",
]
SECTIONS = [
    "Cross-validation",
    "How the images' scores are spread",
    "The worst images",
    "The test images the ensemble is most unsure of",
    "Does unconfidence know where the errors are?",
    "By group, view, metadata and mask area",
    "Where on the object errors lie",
    "Do the members agree?",
    "Suspected label errors",
]


def outputs(document: nbformat.NotebookNode) -> list[dict]:
    """Return what every cell displayed, by MIME type; fail on what was printed instead, warnings above all."""
    found = [output for cell in document.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in found} == {"display_data"}, found
    return [output.data for output in found]


@pytest.fixture
def pair(trained):
    """An ensemble of a trained member and of maps that tell the truth, but for one image."""
    masks = Path("photos/train_masks")
    for split in ("oof", "test"):
        for store in Path("experiments/tiny").glob(f"fold*/predictions/{split}"):
            for image_id in ProbabilityStore(store).paths():
                probability = ProbabilityStore(store).read(image_id)
                if (masks / f"{image_id}_mask.png").exists():
                    truth = read_mask(masks / f"{image_id}_mask.png")
                    probability = np.where(truth, 250, 5).astype(np.uint8)
                ProbabilityStore(Path("theirs") / split).write(image_id, probability)
    spoilt = sorted(path.name.removesuffix("_mask.png") for path in masks.iterdir())[0]
    shutil.copy(sorted(masks.iterdir())[-1], masks / f"{spoilt}_mask.png")
    planted = {"image_id": [spoilt], "group": [spoilt[:-3]], "kind": ["wrong_mask"], "split": ["train"]}
    pd.DataFrame(planted).assign(note="of another car").to_csv("photos/planted.csv", index=False)
    evaluate(compose("evaluate", ["name=tiny"]))
    for split in ("oof", "test"):
        ensemble(compose("ensemble", [*ENSEMBLE, f"split={split}", "jobs=1"]))
    return spoilt


def test_it_runs_from_top_to_bottom_on_a_tiny_ensemble(pair):
    Path("data/tiny/clusters.csv").write_text(f"image_id,cluster\n{pair},light vans\n")
    path = notebook(compose("notebook", [*ENSEMBLE, "images=2"], choices=True))

    document = nbformat.read(path, as_version=4)
    shown = outputs(document)
    said = " ".join(data.get("text/markdown", data.get("text/html", "")) for data in shown)
    assert path == Path("submissions/pair/error_analysis.ipynb")
    assert "**pair** on tiny: 12 photos of 6 groups." in said
    assert pair in said
    assert "planted: wrong mask, of another car" in said
    assert "<td>wrong mask</td>" in said
    assert "<td>theirs/{split}</td>" in said
    assert sum("image/jpeg" in data for data in shown) == 3 * 2
    assert said.count("<td>light vans</td>") == 2
    assert "<td>without a cluster</td>" in said
    assert sum("image/png" in data for data in shown) == 12


def test_an_unknown_ensemble_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigCompositionException, match=r"Could not find 'ensemble/nobody'(?s:.*)demo"):
        compose("notebook", ["ensemble=nobody"])


def test_the_kept_copy_is_whole_small_and_of_no_particular_machine():
    document = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(document)
    code = [cell for cell in document.cells if cell.cell_type == "code"]
    headings = [cell.source.splitlines()[0] for cell in document.cells if cell.cell_type == "markdown"]

    shown = outputs(document)

    assert headings == ["# Error analysis", *(f"## {section}" for section in SECTIONS)]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.outputs for cell in code[1:])
    assert NOTEBOOK.stat().st_size < 1.5e6
    texts = [text for data in shown for kind, text in data.items() if not kind.startswith("image/")]
    assert not re.search(r"/(home|root|tmp|work|usr)/|Traceback|Warning", "\n".join(texts))
    assert "**demo** on demo: 288 photos of 18 groups." in texts
