from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from maskfold.runs.layout import MemberFolder, fold_of, measured_folders, member_folders
from maskfold.runs.run_folder import RunFolder, run_of

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=12)


def test_the_names_of_what_lies_there():
    member = MemberFolder(Path("experiments/linknet34"))
    run = member.run(2)
    assert str(member.results) == "experiments/linknet34/results.csv"
    assert str(member.scores) == "experiments/linknet34/scores.parquet"
    assert str(member.card) == "experiments/linknet34/README.md"
    assert str(run.best) == "experiments/linknet34/fold2/checkpoints/best.ckpt"
    assert str(run.checkpoint("snapshot0")) == "experiments/linknet34/fold2/checkpoints/snapshot0.ckpt"
    assert str(run.store("oof")) == "experiments/linknet34/fold2/predictions/oof"
    assert str(run.finished) == "experiments/linknet34/fold2/finished"


@settings(deadline=None)  # a busy machine takes its time
@given(NAMES, st.integers(0, 99), NAMES)
def test_from_a_store_back_to_its_run_and_its_member(name, fold, store):
    member = MemberFolder(Path("experiments") / name)
    run = run_of(member.run(fold).store(store))
    assert run.path == member.run(fold).path
    assert fold_of(run) == fold
    assert member.holds(run)
    assert not MemberFolder(Path("experiments/another one")).holds(run)


def test_folds_are_counted_not_spelled(tmp_path):
    for name in ("fold10", "fold2", "fold0", "folds", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "fold2/config.yaml").write_text("")
    member = MemberFolder(tmp_path)
    assert [fold_of(run) for run in member.runs()] == [0, 2, 10]
    assert [fold_of(run) for run in member.begun()] == [2]


def test_a_member_has_a_card_and_one_of_one_s_own_results(tmp_path):
    for name in ("b/README.md", "a/results.csv", "c/fold0/config.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    (tmp_path / "README.md").write_text("")
    assert [folder.name for folder in member_folders(tmp_path)] == ["b"]
    assert [folder.name for folder in measured_folders(tmp_path)] == ["a"]


def test_maps_from_other_code_have_no_run(tmp_path):
    run = run_of(tmp_path / "mate/maps/test")
    assert isinstance(run, RunFolder)
    assert not run.config.exists()
