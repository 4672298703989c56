"""Techniques as a configuration names them."""

import pytest

from maskfold.errors import MaskfoldError
from maskfold.techniques.technique import read_techniques


def test_one_that_is_wanted_brings_what_it_is_compared_with():
    nodes = {"a": {"ensemble": ["mean=logit"], "over": "b"}, "b": {"ensemble": []}, "c": {"train": ["x=1"]}, "d": None}

    assert [one.name for one in read_techniques(nodes, ["a"])] == ["b", "a"]
    assert [one.name for one in read_techniques(nodes)] == ["b", "a", "c"]
    assert [one.mean for one in read_techniques(nodes, ["a"])] == ["probability", "logit"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"a": {"train": ["x=1"], "predict": []}}, "techniques.a: one of train, soup, predict, ensemble"),
        ({"a": {"train": "x=1"}}, "with a list of overrides"),
        ({"../a": {"train": []}}, "a name of letters"),
        ({"a": {"ensemble": ["mean=best"]}}, "mean=best is unknown"),
        ({"a": {"train": [], "over": "z"}}, "over=z: There are a"),
        ({"a": {"train": [], "over": "b"}, "b": {"train": [], "over": "a"}}, "a ring, a over b over a"),
    ],
)
@pytest.mark.hostile("wrong input")
def test_what_is_not_well_made_is_refused(nodes, message):
    with pytest.raises(MaskfoldError, match=message):
        read_techniques(nodes)
