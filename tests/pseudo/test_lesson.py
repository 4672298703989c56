"""Who teaches a fold what about its own photos, and what a run makes of it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.pseudo.lesson import find_lesson
from maskfold.runs.lineage import Lineage, read_lineage, write_lineage

LEVELS = {"oof": 10, "learned": 100}  # of a map; the number of its fold is added


def member(name: str, folds: list[tuple[str, str]], *splits: str, data: str = "cars") -> Leaf:
    """Make run folders with maps: a fold is what it has seen and what it holds out, one letter a photo."""
    stores = []
    for number, (seen, held_out) in enumerate(folds):
        run = Path(name, f"fold{number}")
        write_lineage(run, Lineage(data, 0, *(tuple(f"image {one}" for one in which) for which in (seen, held_out))))
        for split, photos in (("oof", held_out), ("learned", seen)):
            for one in photos if split in splits else ():
                probability = np.full((2, 3), LEVELS[split] + number, np.uint8)
                ProbabilityStore(run / "predictions" / split).write(one, probability)
        stores.append(run / "predictions" / "test")
    return Leaf(name, Fraction(1, 2), tuple(stores))


def lesson(members, learned: str, held_out: str = "", *, fold=0):
    photos = pd.DataFrame({"image_id": [*learned], "group": [*learned], "height": 2, "width": 3})
    sights = (tuple(f"image {one}" for one in which) for which in (learned, held_out))
    student = Lineage("cars", 0, *sights)
    return find_lesson(members, photos, student=student, fold=fold, folder=Path("distilled"))


def taught(one) -> dict[str, int]:
    one.write(jobs=1)
    return {name: int(cv2.imread(str(one.path(name)), cv2.IMREAD_UNCHANGED)[0, 0]) for name in one.image_ids}


HALVES = [("cd", "ab"), ("ab", "cd")]


def test_a_run_on_all_photos_is_taught_by_maps_out_of_fold_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    both = [member("one", HALVES, "oof", "learned"), member("two", [("bcd", "a"), ("acd", "b"), ("ab", "cd")], "oof")]
    whole = lesson(both, "abcd", fold="full")
    assert taught(whole) == {"a": 10, "b": 11, "c": 12, "d": 12}  # (10 + 10) / 2, (10 + 11) / 2 and (11 + 12) / 2 up
    assert whole.handed_on(Lineage("cars", 0, (), ())).round == 1


@pytest.mark.hostile("leaks")
def test_a_fold_is_taught_by_nobody_who_has_seen_what_it_is_validated_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    halves = member("halves", HALVES, "oof", "learned")
    assert taught(lesson([halves], "cd", "ab")) == {"c": 100, "d": 100}  # of fold 0, which has learned from them

    inner = member("inner", [("c", "d"), ("d", "c")], "oof", "learned")  # trained within what the fold learns from
    assert taught(lesson([inner], "cd", "ab")) == {"c": 11, "d": 10}

    with pytest.raises(MaskfoldError, match="Teaching of fold 0 would leak: no fold of thirds may teach it"):
        lesson([member("thirds", [("bcd", "a"), ("acd", "b")], "oof")], "cd", "ab")


def test_maps_that_are_missing_are_named_with_the_command_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    halves = member("halves", HALVES, "oof")
    with pytest.raises(MaskfoldError, match=r"(?s)2 of the photos that fold 1 .*halves.* FOLD=1 SPLIT=learned"):
        lesson([halves], "ab", "cd", fold=1)
    bare = member("bare", HALVES)
    with pytest.raises(MaskfoldError, match=r"(?s)4 of the photos.*EXP=bare FOLD=0 SPLIT=oof"):
        lesson([bare], "abcd", fold="full")
    Path("bare/fold0").rename("bare/full")
    whole = replace(bare, stores=(Path("bare/full/predictions/test"),))
    with pytest.raises(MaskfoldError, match=r"(?s)Run `make train EXP=bare FOLD=all`, then .*FOLD=all SPLIT=oof"):
        lesson([whole], "abcd", fold="full")
    with pytest.raises(MaskfoldError, match=r"(?s)other data than this run, which learns cars.*cats/fold0: cats"):
        lesson([member("cats", HALVES, "oof", data="cats")], "abcd", fold="full")


def test_other_maps_are_another_lesson(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    halves = member("halves", HALVES, "oof")
    before = lesson([halves], "abcd", fold="full").key
    assert lesson([halves], "abcd", fold="full").key == before
    for changed in ({"temperature": 1.5}, {"mean": "logit"}, {"weight": Fraction(1)}):
        assert lesson([replace(halves, **changed)], "abcd", fold="full").key != before
    ProbabilityStore(Path("halves/fold0/predictions/oof")).write("a", np.zeros((2, 3), np.uint8))
    assert lesson([halves], "abcd", fold="full").key != before
    assert read_lineage(Path("halves/fold0")).round == 0
