"""Champion and previous in a registry of the test's own: what a kill before any write leaves, and who comes second."""

import shutil
from functools import partial

import pytest
from mlflow import MlflowClient

from contenders import WRITES
from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import Lineage, write_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.tracking.registry import CHAMPION, PREVIOUS, Registry


class Killed(BaseException):
    """What nothing catches."""


@pytest.fixture
def registry(tmp_path, empty_database) -> Registry:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    address = f"sqlite:///{tmp_path}/mlflow.db"
    return Registry(tracking_uri=address, artifacts=tmp_path / "artifacts", experiment="maskfold", model="maskfold")


def finished(folder, name) -> RunFolder:
    """Write what a version carries of a run."""
    run = RunFolder(folder / name / "fold0")
    for path in (run.run, run.best):
        files.write_text(path, name)
    files.write_text(run.config, f"{{name: {name}, fold: 0, task: {{}}}}\n")
    write_lineage(run.path, Lineage(name, 0, ("image a",), ()))
    return run


def promote(registry, run):
    """Do what the stage does once a challenger has passed."""
    over = registry.alias(CHAMPION)
    version = registry.register(run)
    registry.tag(version, {"reasons": "a gain", "validation": "passed"})
    registry.promote(version, over=over)


def standing(registry):
    versions = {alias: registry.alias(alias) for alias in (CHAMPION, PREVIOUS)}
    return {alias: version.tags["member"] for alias, version in versions.items() if version}


def killed_at(monkeypatch, write, action) -> bool:
    """Do something that is killed just before its n-th write; return whether it came to that."""
    count = 0

    def dying(real):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count == write:
                raise Killed
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in WRITES:
            patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
        try:
            action()
        except Killed:
            return True
    return False


@pytest.mark.hostile("killed", cases=11)
def test_killed_before_any_write_the_champion_stands_and_the_same_again_completes_it(registry, tmp_path, monkeypatch):
    promote(registry, finished(tmp_path, "net0"))
    for writes in range(1, 12):  # the model, a run, four files, the version, two tags and two aliases
        run = finished(tmp_path, f"net{writes}")
        assert killed_at(monkeypatch, writes, partial(promote, registry, run))
        assert standing(registry)["champion"] == f"net{writes - 1}", f"killed before write {writes}"
        promote(registry, run)
        assert standing(registry) == {"champion": f"net{writes}", "previous": f"net{writes - 1}"}
    assert not killed_at(monkeypatch, 12, partial(promote, registry, finished(tmp_path, "last")))
    assert len(registry.client.search_model_versions("name='maskfold'")) == 1 + 11 + 1


@pytest.mark.hostile("killed", cases=4)
def test_going_back_killed_before_any_write_is_completed_by_the_same_again(registry, tmp_path, monkeypatch):
    promote(registry, finished(tmp_path, "old"))
    promote(registry, finished(tmp_path, "new"))
    writes, now, other = 1, "new", "old"
    while killed_at(monkeypatch, writes, registry.go_back):
        assert standing(registry)["champion"] in (now, other), f"killed before write {writes}"
        registry.go_back()
        assert standing(registry) == {"champion": other, "previous": now}, f"killed before write {writes}"
        writes, now, other = writes + 1, other, now
    assert writes == 1 + 4  # a mark, two aliases, the mark again


@pytest.mark.hostile("killed")
def test_a_promotion_ends_a_way_back_that_was_broken_off(registry, tmp_path, monkeypatch):
    for name in ("old", "new"):
        promote(registry, finished(tmp_path, name))
    assert killed_at(monkeypatch, 3, registry.go_back)  # both aliases stand at the new one
    assert standing(registry) == {"champion": "new", "previous": "new"}

    promote(registry, finished(tmp_path, "newest"))
    assert standing(registry) == {"champion": "newest", "previous": "new"}
    registry.go_back()
    assert standing(registry) == {"champion": "new", "previous": "newest"}


@pytest.mark.hostile("killed")
def test_there_is_no_way_back_from_half_a_promotion(registry, tmp_path, monkeypatch):
    promote(registry, finished(tmp_path, "old"))
    new = finished(tmp_path, "new")
    over, version = registry.alias(CHAMPION), registry.register(new)
    assert killed_at(monkeypatch, 2, lambda: registry.promote(version, over=over))

    with pytest.raises(MaskfoldError, match="for its promotion was broken off: run that command again"):
        registry.go_back()
    assert standing(registry) == {"champion": "old", "previous": "old"}


def test_one_judged_against_a_champion_of_before_is_refused(registry, tmp_path):
    promote(registry, finished(tmp_path, "old"))
    over, version = registry.alias(CHAMPION), registry.register(finished(tmp_path, "new"))
    promote(registry, finished(tmp_path, "other"))

    with pytest.raises(MaskfoldError, match=r"become version 3 \(other/fold0\) in the meantime, and version 2 \(new/"):
        registry.promote(version, over=over)
    assert standing(registry) == {"champion": "other", "previous": "old"}


def test_two_promotions_into_one_database_wait_for_each_other(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKFOLD_LOCK_WAIT", "0")
    with files.locked(tmp_path), pytest.raises(MaskfoldError, match="another run is writing here"):
        promote(registry, finished(tmp_path / "runs", "net"))
    assert registry.alias(CHAMPION) is None


def test_what_is_judged_by_is_kept_with_the_model(registry):
    registry.freeze_judge("a1", anew=False)
    registry.freeze_judge("a1", anew=False)
    with pytest.raises(MaskfoldError, match=r"judged on another judge set \(a1, this one is b2\)"):
        registry.freeze_judge("b2", anew=False)
    registry.freeze_judge("b2", anew=True)
    registry.freeze_judge("b2", anew=False)


@pytest.mark.hostile("replaced files")
@pytest.mark.parametrize("name", ["config.yaml", "checkpoints/best.ckpt"])
def test_files_are_compared_with_their_hashes_on_the_way_back(registry, tmp_path, name):
    run = finished(tmp_path, "net")
    version = registry.register(run)
    fetched = registry.fetch(version, tmp_path / "fetched")
    assert (fetched.best.read_bytes(), fetched.lineage.read_text()) == (b"net", run.lineage.read_text())

    (kept,) = (path for path in (tmp_path / "artifacts").rglob("*") if path.name == name.rpartition("/")[2])
    kept.write_text("other")
    with pytest.raises(MaskfoldError, match=rf"version 1 \(net/fold0\): its {name} is not the file that"):
        registry.fetch(version, tmp_path / "again")


@pytest.mark.hostile("endless and hanging")
def test_a_server_that_is_down_is_an_error_that_names_it(tmp_path):
    there = {"artifacts": tmp_path, "experiment": "maskfold", "model": "maskfold"}
    with pytest.raises(MaskfoldError, match=r"MLflow \(http://127.0.0.1:9\): .*See that it is up"):
        Registry(tracking_uri="http://127.0.0.1:9", **there).alias(CHAMPION)


@pytest.mark.hostile("damaged files", cases=2)
def test_a_run_that_lacks_what_a_version_carries_is_not_registered(registry, tmp_path):
    run = finished(tmp_path, "net")
    run.best.unlink()
    with pytest.raises(MaskfoldError, match=r"net/fold0: checkpoints/best.ckpt missing\. Put it back"):
        registry.register(run)
    run.lineage.unlink()
    with pytest.raises(MaskfoldError, match=r"seen.json: missing, so nobody knows"):
        registry.register(run)
