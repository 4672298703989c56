import numpy as np
import pandas as pd
import pytest

from maskfold.analysis.charts import as_svg
from maskfold.cards.curve import FOLDS, INK, learning_curve
from maskfold.runs.monitor import Monitor

DICE = Monitor(name="val/dice", mode="max", label="validation Dice")


def log(dice) -> pd.DataFrame:
    epochs = np.arange(len(dice))
    return pd.DataFrame(
        {"epoch": epochs, "val/dice": dice, "val/loss": 2.0 - epochs / 10, "train/loss": 1.5 - epochs / 10}
    )


def test_each_fold_is_drawn_with_its_best_epoch_and_both_losses():
    figure = learning_curve({1: log([0.5, 0.9, 0.8]), 0: log([0.6, 0.7, 0.75])}, DICE)

    dice, loss = figure.axes
    curves = [line for line in dice.lines if len(line.get_xdata()) == 3]
    marks = [line for line in dice.lines if len(line.get_xdata()) == 1]
    assert [line.get_label() for line in curves] == ["fold 0", "fold 1"]
    assert [line.get_color() for line in curves] == list(FOLDS[:2])
    np.testing.assert_allclose(curves[1].get_ydata(), [0.5, 0.1, 0.2])
    assert curves[0].get_xdata().tolist() == [1, 2, 3]  # epochs are counted from 1, as on the console
    assert [line.get_xdata()[0] for line in marks] == [3, 2]
    losses = [line.get_ydata().tolist() for line in loss.lines if len(line.get_xdata()) == 3]
    assert losses == [[2.0, 1.9, 1.8], [1.5, 1.4, 1.3]] * 2
    bottom, top = dice.get_ylim()
    assert bottom > top  # the better Dice above


@pytest.mark.parametrize(
    ("dice", "labels"),
    [
        ([0.3, 0.92, 0.985, 0.9965], ["0.5", "0.8", "0.9", "0.95", "0.98", "0.99", "0.995"]),
        ([0.47, 0.77], ["0.5", "0.6", "0.7"]),
        ([0.99999999, 1.0], []),
    ],
)
def test_errors_are_labelled_with_the_dice_they_stand_for(dice, labels):
    axes = learning_curve({0: log(dice)}, DICE).axes[0]

    assert {tick.get_text() for tick in axes.get_yticklabels()} >= set(labels)


def test_one_epoch_is_enough():
    assert "fold 0" in as_svg(learning_curve({0: log([0.5])}, DICE))


def test_same_numbers_same_bytes_and_no_colour_of_one_ground():
    first, second = (as_svg(learning_curve({fold: log([0.5, 0.9]) for fold in range(7)}, DICE)) for _ in range(2))

    assert first == second
    assert "dc:date" not in first
    assert f"fill: {INK}" in first
    assert "fill: #ffffff" not in first
    assert "<text" in first
    assert "fill: #000000" not in first


def test_what_is_to_be_small_is_drawn_as_it_is_with_the_lowest_marked():
    table = log([0.5, 0.9]).assign(**{"val/error": [0.25, 0.5]})
    axes = learning_curve({0: table}, Monitor(name="val/error", mode="min", label="validation error")).axes[0]
    curve, mark = axes.lines
    assert curve.get_ydata().tolist() == [0.25, 0.5]
    assert mark.get_xdata()[0] == 1
    assert axes.get_title(loc="left") == "Validation error"
    assert axes.get_yscale() == "linear"
