"""YAML read by libyaml is YAML as Python's reader has it."""

from pathlib import Path

import pytest
import yaml

from maskfold.places import CONF
from maskfold.yaml_text import read_yaml


def test_configurations_are_read_as_in_python():
    texts = [path.read_text() for path in sorted(Path(CONF, "experiment").glob("*.yaml"))]
    assert len(texts) > 10
    for text in [*texts, "rate: 1e-3\nfrom: 2026-11-22\nnames: [on, 0o17, ~, 'ü']\n", ""]:
        assert read_yaml(text) == yaml.safe_load(text)
    assert read_yaml(b"a: 1") == {"a": 1}


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("text", ["a: [1", "a: 1\n b: 2", "!!python/object/apply:os.getcwd []"])
def test_what_is_no_plain_yaml_is_refused(text):
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)
