"""Values as Hydra's command line reads them."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from maskfold.winners.commands import hydra_text


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        1e-4,
        "carvana",
        "null",
        r"(.*)_\d+",
        "it's one",
        "a, b: {c}",
        "",
        [1, "x y", None],
        {"_target_": "torch.nn.ReLU", "sizes": [3, {"k": "a/b"}]},
        [],
    ],
)
def test_what_is_written_is_read_back(value):
    (override,) = OverridesParser.create().parse_overrides([f"key={hydra_text(value)}"])
    assert override.value() == value
