"""What is written reads back as it was meant, whatever stands in a competition's files."""

from pathlib import Path

import pytest
import yaml

from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import Guess
from maskfold.joining.inference import Understanding
from maskfold.joining.writing import as_yaml, below, common_root, named_from


def written(**guesses):
    findings = Understanding(guesses={key: Guess(value, "somewhere") for key, value in guesses.items()})
    findings.columns = {"img": Guess("{file}", "names"), "on": Guess("{runs}", "runs")}
    findings.rules = {"order": Guess("rows", "masks"), "start": Guess(1, "masks"), "empty": Guess("", "sample")}
    return as_yaml(findings, command="maskfold join")


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "null",
        "yes",
        "1",
        "",
        "-",
        "a: b",
        "# no comment",
        'a "quote"',
        "(.*)_\\d+",
        "{file}",
        "1e3",
        "=",
        None,
        True,
        7,
    ],
)
def test_values_read_back(value):
    tree = yaml.safe_load(written(key=value, classes=[value], masks={"kind": value, "columns": {"id": value}}))

    assert tree["key"] == value
    assert tree["classes"] == [value]
    assert tree["masks"] == {"kind": value, "columns": {"id": value}}


def test_rules_read_back():
    tree = yaml.safe_load(written(name="tgs"))

    assert tree["_target_"] == "maskfold.data.competition.Competition"
    assert tree["submission"] == {
        "columns": {"img": "{file}", "on": "{runs}"},
        "order": "rows",
        "start": 1,
        "empty": "",
    }


def test_every_key_says_where_it_is_from():
    findings = Understanding(
        guesses={"name": Guess("tgs", "the command", "given"), "images": Guess("train", "9 photos")}
    )
    findings.rules = dict.fromkeys(("order", "start", "empty"), Guess(1, "masks"))
    text = as_yaml(findings, command="maskfold join sample=a.csv")

    assert text.startswith("# maskfold join sample=a.csv\n")
    assert "name: tgs # given: the command\n" in text
    assert "images: train # 9 photos\n" in text


@pytest.mark.hostile("names and paths")
def test_nothing_in_a_files_text_becomes_a_key_or_is_replaced():
    findings = Understanding(guesses={"name": Guess("x", "a\nroot: /etc\u2028b: c\rd: e")})
    findings.rules = dict.fromkeys(("order", "start", "empty"), Guess(1, "masks"))
    tree = yaml.safe_load(as_yaml(findings, command="join sample=a\nroot: b"))
    assert tree.keys() == {"_target_", "name", "submission"}

    with pytest.raises(MaskfoldError, match=r"has \$\{ in it"):
        written(name="${oc.env:HOME}")


def test_paths_are_named_from_what_holds_them_all():
    paths = [Path("data/tgs/train/images"), Path("data/tgs/train/masks"), Path("data/tgs/train.csv")]

    assert common_root(paths) == Path("data/tgs")
    assert common_root([Path("images"), Path("test")]) == Path()
    assert common_root([Path("/a/images"), Path("/a/test/b")]) == Path("/a")
    assert named_from(Path("data/tgs"), Path("data/tgs/in/sample.csv")) == "in/sample.csv"
    assert named_from(Path("/a/images"), Path("/a/sample.csv")) == "/a/sample.csv"
    assert below(Path("data/tgs"), {"folder": paths[0], "kind": "pictures"}) == {
        "folder": "train/images",
        "kind": "pictures",
    }
    assert below(Path("/a"), Path("/a/x")) == "x"
    assert below(Path(), Path("images")) == "images"
