"""Exporting a recogniser that was really trained: its file says what its networks say, and knows what it does not."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from maskfold.config import compose
from maskfold.data.class_table import ClassTable
from maskfold.data.loading import read_image
from maskfold.ensembling.recipe import Recipe
from maskfold.errors import MaskfoldError
from maskfold.export import making
from maskfold.maskers import open_masker
from maskfold.prediction.members import load_network
from maskfold.recognition.answers import Answers, AnswerStore
from maskfold.recognition.framing import Framing
from maskfold.recognition.recognizer import open_recognizer
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.lineage import read_lineage
from maskfold.runs.provenance import read_provenance
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.export import export
from maskfold.storage import FolderStorage

FRAMING = Framing(size=16, resize=18)


def scripted(module, photo, *, fixed, outputs):
    """The file by torch's older exporter, which takes a third of a second; see `maskfold.export.making.program`."""
    import onnx

    content, axes = io.BytesIO(), {name: {0: "photos"} for name in ("photos", *outputs)}
    example = torch.zeros((2, *photo, 3), dtype=torch.uint8)
    options = {"input_names": ["photos"], "output_names": [*outputs], "dynamic_axes": axes}
    torch.onnx.export(module.eval(), (example,), content, dynamo=False, **options)
    return onnx.load_from_string(content.getvalue())


@pytest.fixture
def member(trained_recogniser, monkeypatch):
    monkeypatch.setattr(making, "program", scripted)
    return trained_recogniser


def photos_of(fold: int) -> pd.DataFrame:
    """The photos that a fold is validated on: image_id, path, label."""
    rows = pd.read_csv("photos/labels.csv")
    return rows[("image " + rows["image_id"]).isin(read_lineage(Path(f"experiments/squares/fold{fold}")).held_out)]


def answers_of(fold: int, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """A fold's own logits and embeddings."""
    network = load_network(RunFolder(Path(f"experiments/squares/fold{fold}")).best)
    shown = np.stack([FRAMING.shown(read_image(f"photos/{path}")) for path in rows["path"]])
    with torch.inference_mode():
        return tuple(part.numpy() for part in network.answer(torch.from_numpy(shown).permute(0, 3, 1, 2)))


def predict_out_of_fold(fold: int, *, checkpoint: str | None = None) -> None:
    run = RunFolder(Path(f"experiments/squares/fold{fold}"))
    store, rows = AnswerStore(run.store("oof")), photos_of(fold)
    store.claim({"checkpoint": checkpoint or checkpoint_hash(run.best)})
    store.write(Answers.of(rows["image_id"].tolist(), *answers_of(fold, rows)))


def settings(name: str = "squares_fold0") -> dict:
    return json.loads(Path(f"exports/{name}/recognizer.json").read_text())


def test_an_export_answers_as_its_network_does_and_knows_how_sure_it_is(member):
    predict_out_of_fold(0)
    export(compose("export", ["name=squares", "fold=0", "int8=true", "calibration=16"]))

    folder = Path("exports/squares_fold0")
    recognizer, rows = open_recognizer(folder), photos_of(0)
    logits, embeddings = answers_of(0, rows)
    for look, own, embedding in zip(
        recognizer.look([read_image(f"photos/{path}") for path in rows["path"]]), logits, embeddings, strict=True
    ):
        np.testing.assert_allclose(look.logits, own, atol=1e-4)
        np.testing.assert_allclose(look.embedding, embedding, atol=1e-4)
    known = settings()
    assert known["fitted_on"] == "24 photos out of fold (fold0)"
    assert known["framing"] == {"size": 16, "resize": 18}
    # 95 % of 24 photos pass both thresholds: one may not.
    cosines = recognizer.prototypes.nearest(embeddings)[1]
    limits = known["thresholds"]
    assert ((logits.max(1) >= limits["max_logit"]) & (cosines >= limits["cosine"])).sum() in (23, 24)
    assert known["temperature"] > 0
    assert 0 <= known["margin"] <= 1
    assert known["measured"]["int8"]["photos"] == 12
    assert known["measured"]["int8"]["of"] == "labelled test photos"
    quick = open_recognizer(folder / "model.int8.onnx")
    assert (quick.identity, quick.name) == (recognizer.identity, "squares_fold0")
    assert quick.sha256 != recognizer.sha256
    card = read_provenance(FolderStorage(folder))
    assert card.files.keys() == {path.name for path in folder.iterdir()} - {"provenance.json", "PROVENANCE.md"}
    assert [(one.member, one.fold) for one in card.weights] == [("squares", 0)]
    with safe_open(folder / "model.safetensors", framework="np") as weights:
        assert "squares.fold0.model.head.weight" in weights.keys()  # noqa: SIM118, it is no dict


def test_several_folds_are_the_mean_of_their_probabilities_and_a_retired_product_is_not_answered(member):
    table = Path("data/squares/classes.parquet")
    whole = ClassTable.read(table)
    whole.retired_in("2026-03", [whole.labels[1]]).write(table)
    export(compose("export", ["name=squares", "fold=all"]))

    rows = photos_of(0)
    looks = open_recognizer("exports/squares").look([read_image(f"photos/{path}") for path in rows["path"]])
    shares = []
    for fold in (0, 1):
        logits, _ = answers_of(fold, rows)
        weights = np.exp(logits.astype(np.float64))
        weights[:, 1] = 0
        shares.append(weights / weights.sum(1, keepdims=True))
    np.testing.assert_allclose(np.exp([look.logits for look in looks]), np.mean(shares, axis=0), atol=1e-5)
    assert all(look.logits[1] == -np.inf for look in looks)
    assert looks[0].embedding.shape == (32,)
    assert len(open_recognizer("exports/squares").labels) == 5


def test_what_only_photos_out_of_fold_could_tell_is_not_known_without_them(member, caplog):
    predict_out_of_fold(0, checkpoint="0" * 64)
    export(compose("export", ["name=squares", "fold=0", "prototypes=0"]))

    assert "answers of other weights than" in caplog.text
    assert "make predict EXP=squares SPLIT=oof" in caplog.text
    known = settings()
    assert known["temperature"] is known["margin"] is known["fitted_on"] is None
    assert known["thresholds"] == {"max_logit": None, "cosine": None}
    assert not Path("exports/squares_fold0/prototypes.safetensors").exists()
    (answer,) = open_recognizer("exports/squares_fold0").answer([np.zeros((9, 9, 3), np.uint8)])
    assert (answer.verdict, answer.cosine) == ("known", None)


def test_a_file_that_says_something_else_is_not_written(member, monkeypatch):
    def changed(module, photo, **options):
        head = module.networks[0].model.head
        head.bias.data += 1
        proto = scripted(module, photo, **options)
        head.bias.data -= 1
        return proto

    monkeypatch.setattr(making, "program", changed)
    with pytest.raises(MaskfoldError, match="squares_fold0: the exported file's answers are up to"):
        export(compose("export", ["name=squares", "fold=0"]))
    assert not Path("exports").exists()


@pytest.mark.hostile("wrong input")
def test_networks_of_other_classes_or_sizes_do_not_share_a_file(member):
    run = RunFolder(Path("experiments/squares/fold1"))
    before = run.config.read_text()
    run.config.write_text(before.replace("size: 16", "size: 12"))
    with pytest.raises(MaskfoldError, match=r"fold1 is shown photos at framing\.size=12"):
        export(compose("export", ["name=squares", "fold=all"]))
    run.config.write_text(before)
    (run.path / "classes.parquet").unlink()
    ClassTable(ClassTable.read(Path("data/squares/classes.parquet")).rows[:3]).write(run.path / "classes.parquet")
    with pytest.raises(MaskfoldError, match=r"fold1 was trained on other classes .* \(3 and 6\)"):
        export(compose("export", ["name=squares", "fold=all"]))


@pytest.mark.hostile("wrong input")
def test_a_recogniser_is_asked_for_no_masks(trained_recogniser):
    recipe = Recipe(name="squares", members=[{"experiment": "squares"}])
    with pytest.raises(MaskfoldError, match=r"fold0 recognises products and makes no masks\. Export it"):
        open_masker(exported=None, recipe=recipe)


@pytest.mark.slow
def test_torchs_own_exporter_makes_a_file_for_any_number_of_photos(trained_recogniser):
    export(compose("export", ["name=squares", "fold=all"]))

    recognizer = open_recognizer("exports/squares")
    photos = [read_image(f"photos/{path}") for path in photos_of(1)["path"]]
    assert [len(recognizer.look(photos[:count])) for count in (1, 3, 11)] == [1, 3, 11]
