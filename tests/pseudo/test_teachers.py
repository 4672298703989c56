from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import CONF, build, compose
from maskfold.ensembling.tree import Leaf, leaf_nodes
from maskfold.errors import MaskfoldError
from maskfold.pseudo.teachers import teachers_of_folds
from maskfold.runs.lineage import Lineage, write_lineage


def member(root: Path, name: str, folds: list[tuple[str, str]], *, data: str = "cars", rounds: int = 0) -> Leaf:
    """Make run folders; a fold is what it has seen and what it holds out, one letter a group."""
    stores = []
    for number, (seen, held_out) in enumerate(folds):
        run = root / name / f"fold{number}"
        write_lineage(run, Lineage(data, rounds, tuple(seen), tuple(held_out)))
        stores.append(run / "predictions" / "test")
    return Leaf(name, Fraction(1, 2), tuple(stores))


def test_a_fold_is_taught_by_its_own_networks(tmp_path):
    thirds = [("bc", "a"), ("ac", "b"), ("ab", "c")]
    found = teachers_of_folds([member(tmp_path, "one", thirds), member(tmp_path, "two", thirds)])
    assert [teachers.fold for teachers in found] == [0, 1, 2]
    assert [teachers.names for teachers in found] == [[f"one/fold{k}", f"two/fold{k}"] for k in range(3)]
    assert found[1].lineage == Lineage("cars", 1, ("a", "c"), ("b",))
    assert [leaf.weight for leaf in found[0].leaves] == [Fraction(1, 2)] * 2


def test_on_another_split_whoever_has_not_seen_the_groups_teaches(tmp_path):
    halves = member(tmp_path, "halves", [("cd", "ab"), ("ab", "cd")])
    mixed = member(tmp_path, "mixed", [("c", "abd"), ("cd", "ab"), ("b", "acd")])
    first, second = teachers_of_folds([halves, mixed])
    assert first.names == ["halves/fold0", "mixed/fold0", "mixed/fold1"]
    assert second.names == ["halves/fold1", "mixed/fold2"]
    assert second.lineage.seen == ("a", "b")


@pytest.mark.hostile("leaks")
def test_a_member_that_can_teach_nobody_is_refused(tmp_path):
    halves = member(tmp_path, "halves", [("cd", "ab"), ("ab", "cd")])
    quarters = member(tmp_path, "quarters", [("bcd", "a"), ("acd", "b")])
    with pytest.raises(MaskfoldError, match=r"(?s)fold 0 would leak: no fold of quarters.*has seen 1 groups.*  b\n"):
        teachers_of_folds([halves, quarters])


@pytest.mark.hostile("leaks")
def test_a_leak_through_a_teachers_teacher_is_refused(tmp_path):
    first = member(tmp_path, "first", [("b", "a"), ("a", "b")])
    # Trained on the masks of b alone, but told of a by its own teachers.
    second = member(tmp_path, "second", [("ab", "a"), ("ab", "b")], rounds=1)
    with pytest.raises(MaskfoldError, match="by itself or through teachers of its own"):
        teachers_of_folds([first, second])


def test_the_next_round_is_one_more_than_the_latest_teachers(tmp_path):
    halves = [("b", "a"), ("a", "b")]
    found = teachers_of_folds([member(tmp_path, "one", halves), member(tmp_path, "two", halves, rounds=2)])
    assert [teachers.lineage.round for teachers in found] == [3, 3]


@pytest.mark.hostile("stale maps")
def test_members_of_different_data_are_refused(tmp_path):
    halves = [("b", "a"), ("a", "b")]
    with pytest.raises(MaskfoldError, match=r"(?s)different data:.*one/fold1: cars.*two/fold1: people"):
        teachers_of_folds([member(tmp_path, "one", halves), member(tmp_path, "two", halves, data="people")])


def real_member(root: Path, name: str) -> Leaf:
    """Make the run folders of an experiment on Carvana's 318 cars, by the split that it brings along."""
    split = Path(CONF).parent / compose("train", [f"experiment={name}", "data=carvana"]).split_file
    fold_by_car = pd.read_csv(split, dtype=str).drop_duplicates("group").set_index("group")["fold"]
    folds = [(fold_by_car.index[fold_by_car != fold], fold_by_car.index[fold_by_car == fold]) for fold in "01234"]
    return member(root, name, folds)


def members_of(ensemble: str) -> list[str]:
    recipe = build(compose("ensemble", [f"ensemble={ensemble}"]).ensemble)
    return [node["experiment"] for node in leaf_nodes(recipe.members)]


@pytest.mark.parametrize("ensemble", ["linknet34_seeds", "smp"])
def test_members_on_one_split_teach_every_fold_of_carvana(tmp_path, ensemble):
    names = members_of(ensemble)
    found = teachers_of_folds([real_member(tmp_path, name) for name in names])
    assert [one.names for one in found] == [[f"{name}/fold{fold}" for name in names] for fold in range(5)]


def test_the_winners_whole_tree_of_several_splits_may_not_teach(tmp_path):
    leaves = [real_member(tmp_path, name) for name in members_of("carvana")]
    with pytest.raises(MaskfoldError, match="Pseudo-labels of fold 0 would leak: no fold of linknet34_area05"):
        teachers_of_folds(leaves)
