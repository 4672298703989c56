"""What faults are planted, and that the page counts them as the table does."""

import re
from pathlib import Path

import pandas as pd
import plant_faults
import pytest
from plant_faults import chosen, possible


def planted(source: str) -> set[str]:
    return {fault.became for fault in possible("masks", "masks/x.py", source)}


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("f(a) if 0 < a < b else c", {"f(a) if (0 <= a < b) else c", "f(a) if (1) < a < b else c"}),
        ("x = a // b - a", {"x = (a // b + a)", "x = (a * b) - a"}),
        ("x = y[0, 2:]", {"x = y[(1), 2:]"}),
        ("if not a and b: f()", {"if (not a or b): f()", "if (a) and b: f()", "if not a and b: pass"}),
        ("x = height, width", {"x = (width), width", "x = height, (height)"}),
        ("x = -1 or 0.5", {"x = (1) or 0.5", "x = -1 or (1.0)", "x = (-1 and 0.5)"}),
        ("[é for é in x if é]", {"[é for é in x if (not é)]"}),
    ],
)
def test_a_fault_is_one_small_change(source, changed):
    assert changed <= planted(source)


@pytest.mark.parametrize(
    "source",
    [
        'raise ValueError(f"{a + 1} is too large")',
        "def f(a: dict[str, 1] = b) -> g[0]: return a",
        "log.info(a + 1)",
        "@part(1)\nclass A:\n    x: B[0]",
        'x = folder / "name" / f"{y + 1}"',
        "x = width",  # nothing here is called height
    ],
)
def test_messages_types_and_log_lines_are_left_alone(source):
    assert planted(source) == set()


def test_the_choice_is_of_every_area_and_does_not_hang_on_what_stands_around():
    code, more = "x = a + 1\ny = b - a", "def f(a):\n    return a < 3\n\n\n"
    before, after = (
        possible("masks", "masks/x.py", source) + possible("engine", "engine/y.py", code)
        for source in (code, more + code)
    )

    first = chosen(before, seed=0, count=4)

    assert sorted(fault.area for fault in first) == ["engine", "engine", "masks", "masks"]
    assert chosen(before, seed=0, count=4) == first
    orders = (
        [fault.became for fault in chosen(all_of, seed=0, count=99) if fault.area == "masks"]
        for all_of in (before, after)
    )
    alone, among_others = orders
    assert [became for became in among_others if became in alone] == alone
    assert len(among_others) > len(alone) == 3


def test_a_fault_is_planted_in_the_copy_until_its_tests_have_run(tmp_path, monkeypatch):
    path = tmp_path / "src/maskfold/masks/rle.py"
    path.parent.mkdir(parents=True)
    path.write_text("x = 1")
    (fault,) = possible("masks", "masks/rle.py", "x = 1")
    monkeypatch.setattr(plant_faults, "failing", lambda copy, tests: (path.read_text(), tests))

    assert plant_faults.plant(tmp_path, fault) == ("x = (2)", ["tests/masks/test_rle.py", "tests/masks"])
    assert path.read_text() == "x = 1"


def test_the_page_counts_the_faults_as_the_table_does():
    root = Path(__file__).parents[2]
    table = pd.read_csv(root / "docs/measured/mutants.csv")
    page = (root / "docs/explanation/measured.md").read_text()

    said = re.search(r"(\d+) faults planted.*?(\d+) change nothing", page, flags=re.DOTALL)

    assert [int(number) for number in said.groups()] == [len(table), table["equivalent"].notna().sum()]
    assert (table["noticed_by"].notna() | table["equivalent"].notna()).all()
