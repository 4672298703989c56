"""What a run takes over, of what was seen, from the one whose weights it begins with."""

from pathlib import Path

import pytest

from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import Lineage
from maskfold.runs.start import Start, find_start

SEEN = ("content aa", "group car1", "image car1_01")


@pytest.fixture
def start():
    return Start(Path("first/fold0/checkpoints/best.ckpt"), Lineage("cars", 2, SEEN, ("image car2_01",)))


def test_all_that_the_start_has_seen_is_handed_on_whatever_the_data_is_called(start):
    own = Lineage("bikes", 0, ("image bike1",), ("image bike2",), folds=2)
    expected = Lineage("bikes", 2, (*SEEN[:2], "image bike1", SEEN[2]), ("image bike2",), folds=2)
    assert start.handed_on(own) == expected


@pytest.mark.hostile("leaks")
@pytest.mark.parametrize("same", ["group car1", "image car1_01"])
def test_photos_that_were_written_anew_under_another_name_of_the_data_are_refused(start, same):
    own = Lineage("cars_as_png", 0, (), ("content bb", "group car0", same))
    with pytest.raises(MaskfoldError, match=rf"learned from 1 (.|\n)*\n  {same}\n(.|\n)*rename the files"):
        start.handed_on(own)


def test_no_start_is_none():
    assert find_start(None, fold=0) is None
