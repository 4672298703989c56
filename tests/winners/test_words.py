"""How documents of winners say how a part was built."""

import pytest

from maskfold.winners.words import bullets, markdown_table, spoken_part


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (None, "none"),
        (True, "yes"),
        (0.0001, "0.0001"),
        ([], "none"),
        ({"_target_": "a.b.Adam", "_partial_": True}, "Adam"),
        ({"_target_": "a.Pad", "height": 64, "fill": None}, "Pad (height 64, fill none)"),
        ({"_target_": "a.Sum", "terms": [{"_target_": "a.BCE"}, {"_target_": "a.Dice"}]}, "Sum (terms BCE; Dice)"),
        ({"_target_": "nn.Sequential", "_args_": [{"_target_": "nn.ReLU"}]}, "Sequential (ReLU)"),
        ([{"epochs": 12, "rate": 1e-4}], "epochs 12, rate 0.0001"),
    ],
)
def test_a_part_is_its_name_and_its_plain_arguments(node, text):
    assert spoken_part(node) == text


def test_cells_with_bars_stay_cells():
    assert markdown_table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |"
    assert bullets({"a": 1, "b": "c"}) == "- **a**: 1\n- **b**: c"
