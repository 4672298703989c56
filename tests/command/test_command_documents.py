"""Reading the files of `conf/` as text, held against what a YAML parser reads."""

from pathlib import Path

import pytest
import yaml

from maskfold.command.documents import Choice, Key, read_document
from maskfold.places import CONF

FILE = """\
# @package _global_
# make train EXP=one FOLD=0
# What it is: one.
defaults:
  - base
  - override /model: unet   # the network
  - data@other: null
  - _self_

# a remark
name: one        # the folder
colour: "a # b"  # a value in quotes
pattern: (.*)_#1
count:           # of all
  cars: 3 # with doors
  vans:
    white: 2
phases:
  - {epochs: 9, rate: 1.0e-3}
  - repeat: 2
    phases:
      - {epochs: 1}
model:
  _target_: package.Net
  widths: [8, 16]
"""


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        elif not key.startswith("_"):
            yield f"{prefix}{key}", value


def test_a_file_by_hand(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(FILE)

    document = read_document(path)

    assert document.heading == ("make train EXP=one FOLD=0", "What it is: one.")
    assert document.overlay
    assert document.parents == ("base", "_self_")
    assert document.choices == (
        Choice("model", "unet", "the network", override=True),
        Choice("data", "null", "", override=False),
    )
    assert document.keys == (
        Key("name", "one", "the folder"),
        Key("colour", '"a # b"', "a value in quotes"),
        Key("pattern", "(.*)_#1", ""),
        Key("count.cars", "3", "with doors"),
        Key("count.vans.white", "2", ""),
        Key("phases", "[...]", ""),
        Key("model.widths", "[8, 16]", ""),
    )


@pytest.mark.parametrize("path", sorted(Path(CONF).rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_every_file_has_the_keys_and_values_that_yaml_finds(path):
    tree = yaml.safe_load(path.read_text()) or {}
    tree.pop("defaults", None)

    keys = read_document(path).keys

    assert [key.name for key in keys] == [name for name, _ in flat(tree)]
    for key, (_, value) in zip(keys, flat(tree), strict=True):
        assert key.default == "[...]" or yaml.safe_load(key.default) == value
