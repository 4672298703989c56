"""The reference of keys, worked out by hand for a stage and two groups of a `conf/` of our own."""

from pathlib import Path

import pytest

from maskfold.cards.blocks import regenerate
from maskfold.cards.documents import Blocks
from maskfold.cards.reference import keys_reference
from maskfold.command import catalogue
from maskfold.command.catalogue import Stage
from maskfold.command.documents import read_document
from maskfold.config import EXPERIMENTS
from maskfold.schemas import STAGES

STAGE = """\
defaults:
  - base
  - _self_
  - colour: red  # of what is bent
  - ensemble: ???  # what is bent

colour: null
out: ??? # a | b: written to bent/<name>/
force: 3 # newtons
"""
RED = "# Red, as `<name>` says: or (.*). More of it.\nshade: 0.5 # of 1\n"
EXPECTED = """\
## Metal

### maskfold bend

```sh
maskfold bend out=a
```

Bend into bent/&lt;name>/.

| key | default | meaning |
| --- | --- | --- |
| `out` | `???` | a \\| b: written to bent/&lt;name>/ |
| `force` | `3` | newtons |

| group | default | what it chooses |
| --- | --- | --- |
| [`colour=`](#colour) | `red` | of what is bent |
| [`ensemble=`](#ensemble) | `???` | what is bent |

## Groups

### `colour=`

| option | what it is |
| --- | --- |
| `blue` | Blue |
| `red` | Red, as `<name>` says: or (.\\*) |

| option | key | default | meaning |
| --- | --- | --- | --- |
| `red` | `colour.shade` | `0.5` | of 1 |

### `ensemble=`

| option | what it is |
| --- | --- |
| `one` | A tree |"""


@pytest.fixture
def conf(tmp_path) -> Path:
    """A folder with a stage, a group of two options, and a tree of members, whose keys are its own affair."""
    for name, text in {
        "bend": STAGE,
        "colour/red": RED,
        "colour/blue": "# @package _global_\n# Blue.\nsky: 1\n",
        "ensemble/one": "# A tree.\nmembers: 3\n",
    }.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_stage_and_its_groups(conf):
    def options(group):
        return {path.stem: read_document(path) for path in sorted((conf / group).glob("*.yaml"))}

    document = read_document(conf / "bend.yaml")
    stage = Stage("bend", "metal", None, "maskfold bend out=a", "Bend into bent/<name>/.", document)

    assert keys_reference([stage], options) == EXPECTED


def test_the_block_has_every_stage_and_every_group_once():
    render = Blocks(Path("docs/reference/keys.md"), experiments=EXPERIMENTS, network=lambda name: None)
    lines = regenerate("<!-- generated: keys -->\n<!-- end -->\n", render, name="keys.md").splitlines()

    headings = [line for line in lines if line.startswith("### ")]
    stages = [f"### maskfold {name}" for name in STAGES]
    groups = {group for stage in catalogue.stages().values() for group in stage.groups}
    assert sorted(headings) == sorted([*stages, *(f"### `{group}=`" for group in groups)])
    assert "| `overwrite` | `false` | true: remove what an earlier run left here, and begin anew |" in lines
