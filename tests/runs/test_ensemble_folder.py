from pathlib import Path

from maskfold.runs.ensemble_folder import EnsembleFolder, ensemble_of, result_of, submitted_ensembles


def test_the_names_of_what_lies_there():
    folder = EnsembleFolder(Path("submissions/carvana"))
    names = {
        "submission.csv.gz": folder.test.submission,
        "scores.parquet": folder.test.scores,
        "manifest.json": folder.test.manifest,
        "parts": folder.test.parts,
        "oof/submission.csv.gz": folder.oof.submission,
        "oof/scores.parquet": folder.oof.scores,
        "oof/manifest.json": folder.oof.manifest,
        "fused": folder.fused,
        "fused_0a1b2c3d": folder.fused_part("0a1b2c3d"),
        "blend.json": folder.blend,
        "report.html": folder.report,
        "campaign": folder.logs,
    }
    assert all(str(path) == f"submissions/carvana/{name}" for name, path in names.items())


def test_each_split_has_a_result_and_the_way_back():
    folder = EnsembleFolder(Path("submissions/carvana"))
    assert (folder.result("test"), folder.result("oof")) == (folder.test, folder.oof)
    assert result_of(folder.oof.submission).manifest == folder.oof.manifest
    assert ensemble_of(folder.test.submission).name == folder.name == "carvana"


def test_ensembles_with_a_submission_come_in_order(tmp_path):
    for name in ("b/submission.csv.gz", "a/submission.csv.gz", "c/oof/submission.csv.gz"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    assert [folder.name for folder in submitted_ensembles(tmp_path)] == ["a", "b"]
    assert submitted_ensembles(tmp_path / "none") == []
