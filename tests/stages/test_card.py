"""The stage that writes cards, on a member that was really trained."""

import logging
import sys
from pathlib import Path

import pytest

from maskfold import entry
from maskfold.config import compose
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.stages.card import card, network
from maskfold.stages.evaluate import evaluate

TABLES = "# Members\n\n<!-- generated: members -->\n<!-- end -->\n"


@pytest.fixture
def evaluated(trained) -> None:
    """The member `tiny` with its scores, and documents with a table of members."""
    evaluate(compose("evaluate", ["name=tiny", "jobs=1"]))
    for document in ("README.md", "experiments/README.md"):
        Path(document).write_text(TABLES)


def run(*overrides: str) -> list[str]:
    return [str(path) for path in card(compose("card", list(overrides)))]


def test_a_member_under_a_name_of_its_own(evaluated):
    changed = run("name=tiny", "publish=true")

    written = Path("experiments/tiny/README.md").read_text()
    assert written.startswith("# tiny\n\n<!-- generated: scores -->\n| fold | images | Dice |")
    assert "![Learning curve of tiny](learning_curve.svg)" in written
    assert "validation" in Path("experiments/tiny/learning_curve.svg").read_text()
    assert "[tiny](experiments/tiny/README.md)" in Path("README.md").read_text()
    assert "[tiny](tiny/README.md)" in Path("experiments/README.md").read_text()
    assert set(changed) == {
        "experiments/tiny/README.md",
        "experiments/tiny/learning_curve.svg",
        "experiments/tiny/published.csv",
        "experiments/tiny/local.md",
        "experiments/tiny/local.svg",
        "experiments/local.md",
        "README.md",
        "experiments/README.md",
    }
    assert run("name=tiny") == run() == []


def test_prose_stays_and_scores_follow_results(evaluated):
    run("name=tiny", "publish=true")
    path, results = Path("experiments/tiny/README.md"), Path("experiments/tiny/results.csv")
    path.write_text(f"{path.read_text()}\nA thought.\n")
    rows = results.read_text().splitlines()
    cells = rows[-1].split(",")
    cells[rows[0].split(",").index("dice")] = "0.123456"
    results.write_text("\n".join([*rows[:-1], ",".join(cells), ""]))

    published = {str(path), "experiments/tiny/published.csv", "README.md", "experiments/README.md"}
    own = {"experiments/tiny/local.md", "experiments/local.md"}
    assert set(run("name=tiny", "publish=true")) == published | own

    assert path.read_text().endswith("\nA thought.\n")
    assert "| all | 12 | 0.12346 |" in path.read_text()


@pytest.mark.hostile("leaks")
def test_scores_of_one_s_own_stay_out_of_what_is_committed(evaluated):
    """The weekend's `linknet34`, trained on photos of one's own: its committed card is about other photos."""
    Path("experiments/tiny").rename("experiments/linknet34")
    committed = Path("experiments/linknet34/README.md")
    committed.write_text("# linknet34\n\n<!-- generated: scores -->\n<!-- end -->\n")

    for overrides in (["name=linknet34"], []):
        run(*overrides)
        for path in (committed, Path("README.md"), Path("experiments/README.md")):
            assert "0." not in path.read_text()
            assert "ot measured" in path.read_text()

    own = Path("experiments/linknet34/local.md").read_text()
    assert "| all | 12 | 0." in own
    assert "21,642,401 parameters" in own
    assert "![Learning curve of linknet34](local.svg)" in own
    assert "[linknet34](linknet34/local.md) | 21,642,401 | 0." in Path("experiments/local.md").read_text()
    with pytest.raises(MaskfoldError, match="publish=true: name the member"):
        run("publish=true")


def test_an_experiment_that_was_not_measured(evaluated, caplog):
    with caplog.at_level(logging.INFO):
        run("name=linknet34_concat")

    written = Path("experiments/linknet34_concat/README.md").read_text()
    assert "`make train EXP=linknet34_concat FOLD=0`" in written
    assert "skips joined by concatenation" in written
    assert "with `skip: concat`, 21,814,881 parameters" in written
    assert "18 epochs, rate 1e-4 to 1e-5" in written
    assert "Not measured." in written
    assert "| 21,814,881 | not measured |" in Path("README.md").read_text()
    assert "linknet34_concat: Not measured. `make train EXP=linknet34_concat FOLD=all`" in caplog.text


def test_a_curve_stays_where_the_logs_are_gone(evaluated):
    run()
    curve = Path("experiments/tiny/local.svg").read_bytes()
    Path("experiments/tiny/fold1/metrics.csv").unlink()

    assert run() == []

    assert Path("experiments/tiny/local.svg").read_bytes() == curve


def test_an_unknown_member_is_refused_with_those_that_there_are(evaluated):
    run("name=linknet34_concat")
    with pytest.raises(
        MaskfoldError, match=r"nope: there is neither conf/experiment/nope.yaml .* Members: linknet34_concat\."
    ):
        run("name=nope")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("linknet34", 21_642_401), ("ternausnet11", 22_927_393), ("unet_scratch", 91_238_817), ("unet_vgg11", 33_554_753)],
)
def test_parameters_of_the_winners_networks(name, parameters):
    assert network(name).parameters == parameters


def test_as_a_command(tmp_path, monkeypatch):
    """Hydra is running then, and composes the experiment all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(entry, "quiet_console", lambda: None)
    monkeypatch.setattr(sys, "argv", ["card", "name=linknet34_seed88"])
    network.cache_clear()

    entry_point(card)()

    assert "21,642,401 parameters" in Path("experiments/linknet34_seed88/README.md").read_text()
