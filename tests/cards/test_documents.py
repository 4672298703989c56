from pathlib import Path

import pytest

from maskfold.cards.blocks import regenerate
from maskfold.cards.documents import Blocks, NetworkFacts, documents, first_card, members, scored_logs
from maskfold.config import CONF, EXPERIMENTS
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import MemberFolder
from maskfold.stages.card import network

ROOT = Path(__file__).parents[2]
NETWORKS = {"one": NetworkFacts(configuration="| part | choice |", parameters=1000)}


def write(path: str, text: str) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return Path(path)


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("experiments/README.md", "")
    write("experiments/one/README.md", "")
    write("experiments/demo_two/README.md", "")
    write(
        "experiments/demo_two/published.csv", "fold,dice,iou,images,seconds,images_per_second,peak_memory_mb,device\n"
    )
    write("experiments/demo_two/fold0/config.yaml", "")
    write("docs/deep/page.md", "")


def blocks(document: str) -> Blocks:
    return Blocks(Path(document), experiments=EXPERIMENTS, network=NETWORKS.get)


def test_members_are_folders_with_a_card(house):
    write("experiments/studies/human/one/README.md", "")
    write("experiments/own/results.csv", "")

    assert members(EXPERIMENTS) == ["demo_two", "one"]


def test_a_members_documents_are_its_card_and_every_table(house):
    assert [str(path) for path in documents(EXPERIMENTS, ["one"])] == [
        "experiments/one/README.md",
        "experiments/README.md",
        "docs/deep/page.md",
    ]


def test_scores_without_results_say_what_to_run_first(house):
    said = blocks("experiments/one/README.md")("scores")

    assert said.startswith("Not measured.")
    for command in ("train EXP=one FOLD=all", "predict EXP=one FOLD=all SPLIT=oof", "evaluate EXP=one", "card EXP=one"):
        assert f"`make {command}`" in said


def test_scores_show_the_curve_that_is_there(house):
    write("experiments/one/results.csv", "of my own\n")
    write("experiments/one/published.csv", "fold,dice\n0,0.5\nall,0.5\n")
    table = "| fold | Dice |\n| --- | ---: |\n| 0 | 0.50000 |\n| all | 0.50000 |"
    assert blocks("experiments/one/README.md")("scores") == table

    write("experiments/one/learning_curve.svg", "")

    assert blocks("experiments/one/README.md")("scores") == f"{table}\n\n![Learning curve of one](learning_curve.svg)"


@pytest.mark.parametrize(
    ("document", "link"),
    [("README.md", "experiments/one/README.md"), ("docs/deep/page.md", "../../experiments/one/README.md")],
)
def test_members_are_linked_from_where_the_table_stands(house, document, link):
    rows = blocks(document)("members except demo_* three").splitlines()

    assert len(rows) == 3
    assert rows[2].startswith(f"| [one]({link}) | 1,000 | not measured |")


def test_any_csv_file_with_the_columns_asked_for(house):
    write("docs/measured/x.csv", "name,n,seconds\na,1,2.5\n")

    whole = blocks("README.md")("table docs/measured/x.csv")
    part = blocks("README.md")("table docs/measured/x.csv seconds,name")

    assert whole == "| name | n | seconds |\n| --- | ---: | ---: |\n| a | 1 | 2.5 |"
    assert part == "| seconds | name |\n| ---: | --- |\n| 2.5 | a |"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("score", "score: no such block. There are: configuration, scores, members"),
        ("members but demo_*", "no such block"),
        ("table", "no such block"),
        ("table a.csv b c", "no such block"),
        ("table docs/nowhere.csv", "docs/nowhere.csv: not a readable CSV file"),
        ("table experiments/README.md", "experiments/README.md: not a readable CSV file"),
        ("table experiments/demo_two/published.csv dcie,fold", "no column dcie. There are fold, dice"),
        ("configuration", r"conf/experiment/other.yaml does not exist. Take this block out"),
    ],
)
def test_what_cannot_be_written_is_refused(house, what, said):
    with pytest.raises(MaskfoldError, match=said):
        blocks("experiments/other/README.md")(what)


def test_the_first_card_says_what_the_overlay_says():
    overlay = "# @package _global_\n# make train EXP=one FOLD=0\n# An idea,\n# said in two lines.\nname: one # no\n"

    assert first_card("one", overlay) == (
        "# one\n\n`make train EXP=one FOLD=0`\n\nAn idea,\nsaid in two lines.\n\n"
        "<!-- generated: configuration -->\n<!-- end -->\n\n<!-- generated: scores -->\n<!-- end -->\n"
    )
    assert first_card("two", None) == "# two\n\n<!-- generated: scores -->\n<!-- end -->\n"


def test_logs_are_those_of_the_scored_folds_and_all_of_them(house):
    assert scored_logs(MemberFolder(EXPERIMENTS / "one")) == {}
    write("experiments/one/results.csv", "fold,dice\n0,0.5\n2,0.5\nall,0.5\n")
    for fold in (0, 1):
        write(f"experiments/one/fold{fold}/metrics.csv", f"epoch\n{fold}\n")
    assert scored_logs(MemberFolder(EXPERIMENTS / "one")) == {}

    write("experiments/one/fold2/metrics.csv", "epoch\n2\n")

    assert {fold: log["epoch"].tolist() for fold, log in scored_logs(MemberFolder(EXPERIMENTS / "one")).items()} == {
        0: [0],
        2: [2],
    }


def test_every_experiment_has_a_card():
    cards = {path.parent.name for path in (ROOT / EXPERIMENTS).glob("*/README.md")}

    assert {path.stem for path in Path(CONF, "experiment").glob("*.yaml")} <= cards


def test_every_committed_block_is_what_make_card_writes(monkeypatch):
    monkeypatch.chdir(ROOT)
    stale = []
    for document in documents(EXPERIMENTS, members(EXPERIMENTS)):
        render = Blocks(document, experiments=EXPERIMENTS, network=network)
        if regenerate(document.read_text(), render, name=str(document)) != document.read_text():
            stale.append(str(document))

    assert not stale, f"run `make card`: {', '.join(stale)}"
