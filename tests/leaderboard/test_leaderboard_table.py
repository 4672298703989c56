"""The table of submissions: rows appended, filled in and taken away, and a file mended by nobody but its owner."""

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.leaderboard.table import COLUMNS, read_table, recorded, with_scores, without, write_table

NAN = float("nan")
WAITING = {
    "date": "2026-07-28 15:17:26",
    "competition": "carvana",
    "submission": "aaaa",
    "ensemble": "both",
    "members": "linknet34 x5, unet",
    "cv": 0.9971,
    "public": NAN,
    "private": NAN,
    "message": 'soft, "wide"',
}


def listed(tag: str, public: float = NAN, private: float = NAN) -> pd.DataFrame:
    row = {"date": "2026-07-28 15:18:00", "description": f"x [{tag}]", "status": "complete"}
    return pd.DataFrame([row | {"public": public, "private": private}])


def test_it_begins_empty_and_grows_by_a_row_a_submission(tmp_path):
    path = tmp_path / "experiments/leaderboard.csv"

    table = recorded(recorded(read_table(path), WAITING), WAITING | {"submission": "0123", "members": "", "cv": NAN})
    write_table(path, table)

    assert path.read_text() == (
        "date,competition,submission,ensemble,members,cv,public,private,message\n"
        '2026-07-28 15:17:26,carvana,aaaa,both,"linknet34 x5, unet",0.9971,,,"soft, ""wide"""\n'
        '2026-07-28 15:17:26,carvana,0123,both,,,,,"soft, ""wide"""\n'
    )
    pd.testing.assert_frame_equal(read_table(path), table)


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    path = tmp_path / "leaderboard.csv"
    write_table(path, read_table(path))

    assert path.read_text() == ",".join(COLUMNS) + "\n"
    assert recorded(read_table(path), WAITING).to_dict("records")[0]["cv"] == 0.9971


def test_a_row_that_is_there_keeps_what_is_not_known_better():
    table = recorded(read_table_of(WAITING), WAITING | {"cv": NAN, "message": "", "public": 0.9965})

    (row,) = table.to_dict("records")
    assert (row["cv"], row["message"], row["public"]) == (0.9971, 'soft, "wide"', 0.9965)


def test_the_same_file_in_another_competition_is_another_row():
    assert len(recorded(read_table_of(WAITING), WAITING | {"competition": "late"})) == 2


def test_scores_are_filled_in_where_the_hash_and_the_competition_are_the_same():
    rows = [WAITING, WAITING | {"submission": "bbbb"}, WAITING | {"competition": "late"}]

    table = with_scores(read_table_of(*rows), "carvana", listed("aaaa", 0.9965, 0.9963))

    assert table["private"].fillna(-1).tolist() == [0.9963, -1, -1]
    assert table["date"].tolist() == ["2026-07-28 15:18:00", *["2026-07-28 15:17:26"] * 2]
    assert with_scores(table, "carvana", listed("aaaa"))["public"][0] == 0.9965  # a score does not vanish


def test_a_row_is_taken_away():
    rows = [WAITING, WAITING | {"submission": "bbbb"}]

    assert without(read_table_of(*rows), "carvana", "aaaa")["submission"].tolist() == ["bbbb"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("date,submission\n", r"the columns are date,submission, not date,competition"),
        (",".join(COLUMNS) + "\n" + "a,b,c,d,e,high,,,\n", "Unable to parse string 'high'"),
        ("", "No columns to parse"),
        (",".join(COLUMNS) + "\n" + "a," * 20 + "\n", r"leaderboard\.csv: not the table of submissions"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(tmp_path, content, message):
    path = tmp_path / "leaderboard.csv"
    path.write_text(content)

    with pytest.raises(MaskfoldError, match=message):
        read_table(path)


def read_table_of(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COLUMNS)
