"""The script of a bundle, piece by piece: what it takes, checks, refuses and writes."""

import gzip
import sys
from pathlib import Path

import pytest

from maskfold.bundle import run

FACTS = {
    "competition": None,
    "test": "test",
    "sample": None,
    "python": ".".join(map(str, sys.version_info[:3])),
    "wheels_python": "3.11",
    "packages": [],
}


def package(name: str, version: str, wheel: str | None = None) -> dict[str, str | None]:
    return {"name": name, "version": version, "wheel": wheel}


def test_options_are_the_scripts_own_or_the_predictions():
    given, overrides = run.options(["photos=/a=b", "trainer.batch_size=8"])

    assert (given, overrides) == ({"photos": "/a=b"}, ["trainer.batch_size=8"])
    for wrong in ("phtos=/a", "photos", "ensemble=other"):
        with pytest.raises(SystemExit, match=f"^{wrong}: no such option"):
            run.options([wrong])


def test_photos_are_where_kaggle_mounts_the_competitions_unless_named(tmp_path, monkeypatch):
    (tmp_path / "salt" / "test").mkdir(parents=True)
    monkeypatch.setattr(run, "MOUNTS", (str(tmp_path / "elsewhere"), str(tmp_path)))

    assert run.photos_folder({**FACTS, "competition": "salt"}, None) == tmp_path / "salt" / "test"
    assert run.photos_folder(FACTS, str(tmp_path)) == tmp_path
    with pytest.raises(SystemExit, match="the data names no competition"):
        run.photos_folder(FACTS, None)
    with pytest.raises(SystemExit, match=r"looked in .*nowhere"):
        run.photos_folder(FACTS, "nowhere")


@pytest.mark.hostile("replaced files")
@pytest.mark.parametrize("content", [b"threshold: 127\n", b"", None])
def test_a_bundle_with_another_file_or_without_one_does_not_run(tmp_path, content):
    path = tmp_path / "ensemble.yaml"
    path.write_bytes(b"threshold: 128\n")
    files = {"ensemble.yaml": {"bytes": 15, "sha256": run.sha256(path)}}
    run.check_files(tmp_path, files)
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(SystemExit, match=r"ensemble\.yaml: missing, or not the file that was bundled"):
        run.check_files(tmp_path, files)


def test_other_versions_are_told_and_a_missing_package_is_refused(capsys):
    run.check_packages({**FACTS, "packages": [package("pytest", pytest.__version__)]}, None)
    assert capsys.readouterr().out == ""
    run.check_packages({**FACTS, "python": "3.5.2", "packages": [package("pytest", "1.0")]}, None)
    assert f"pytest {pytest.__version__} (1.0)" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"Not installed here.*no-such-package==2\.0.*wheels=download"):
        run.check_packages({**FACTS, "packages": [package("no-such-package", "2.0")]}, None)


def test_wheels_are_for_what_is_not_installed(tmp_path):
    here = [package("pytest", "1.0", "wheels/pytest-1.0-py3-none-any.whl"), package("no-such-package", "2.0")]

    assert run.install_wheels(tmp_path, {**FACTS, "packages": here}, tmp_path / "site", every=False) is None


def submission(path: Path, names: str) -> Path:
    path.write_bytes(gzip.compress("\n".join(["id,rle", *(f"{name},1 1" for name in names), ""]).encode()))
    return path


def test_a_submission_is_unpacked_where_it_has_every_id_of_the_sample(tmp_path):
    out, sample = tmp_path / "submission.csv", tmp_path / "sample.csv"
    sample.write_text("id,rle\nb,\na,\n")

    assert run.unpack(submission(tmp_path / "s.csv.gz", "abc"), out, sample, column=0) == 3
    assert out.read_text() == "id,rle\na,1 1\nb,1 1\nc,1 1\n"
    with pytest.raises(SystemExit, match=r"1 ids of .*sample\.csv have no photo, such as a: no submission"):
        run.unpack(submission(tmp_path / "s.csv.gz", "b"), out, sample, column=0)
    assert not out.exists()


def test_the_sample_is_the_one_that_the_data_names_else_the_usual_one(tmp_path):
    photos = tmp_path / "test"
    assert run.sample_beside(photos, FACTS) is None
    (tmp_path / "sample_submission.csv").touch()
    assert run.sample_beside(photos, FACTS) == tmp_path / "sample_submission.csv"
    with pytest.raises(SystemExit, match=r"order\.csv is not there"):
        run.sample_beside(photos, {**FACTS, "sample": "order.csv"})
