"""What labels, kinds and months may be, and which are one."""

import pandas as pd
import pytest

from maskfold.data.label_text import check_month, checked_labels, look_alikes, tidied
from maskfold.errors import MaskfoldError


def rows(**columns: list) -> pd.DataFrame:
    count = len(columns["label"])
    return pd.DataFrame({"image": [f"{number}.jpg" for number in range(count)], **columns}, dtype="str")


def test_one_name_in_two_forms_of_unicode_is_one_label():
    texts = tidied(pd.Series(["cafe\u0301", "caf\u00e9 ", "  ", None], dtype="str"))
    assert texts[0] == texts[1] == "caf\u00e9"
    assert texts[2:].isna().all()


@pytest.mark.hostile("names and paths")
def test_names_that_no_line_holds_are_refused():
    with pytest.raises(MaskfoldError, match=r"data shop: 1 names in label have a line break .*\n  'a\\nb'"):
        checked_labels(rows(label=["a\nb", "c"]), name="data shop")
    with pytest.raises(MaskfoldError, match="names in coarse"):
        checked_labels(rows(label=["a"], coarse=["x\x00"]), name="data shop")
    assert checked_labels(rows(label=["\u0c15\u0c4d\u200c\u0c37"]), name="")["label"][0]  # Telugu needs the joiner


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("month", ["2026-13", "2026-3", "March", "2026-03-01", "26-03"])
def test_a_month_is_a_month(month):
    assert check_month("2026-12", key="data.until") == "2026-12"
    with pytest.raises(MaskfoldError, match=f"data.until={month}: give a month such as 2026-03"):
        check_month(month, key="data.until")
    with pytest.raises(MaskfoldError, match=f"1 months are none, .*\n  1.jpg: '{month}'\n"):
        checked_labels(rows(label=["a", "b", "c"], month=["2026-01", month, None]), name="data shop")


@pytest.mark.hostile("wrong input")
def test_a_label_of_several_kinds_is_refused():
    several = rows(label=["a", "a", "b", "b"], coarse=["fruit", "food", "food", None])
    with pytest.raises(MaskfoldError, match="1 labels are of several coarse classes:\n  a: food, fruit\n"):
        checked_labels(several, name="data shop")


def test_labels_that_look_alike():
    labels = ["Apple Juice", "apple  juice", "apple\u200bjuice", "applejuice", "\uff21pple juice", "pear"]
    assert look_alikes(labels) == [
        ["Apple Juice", "apple  juice", "\uff21pple juice"],
        ["applejuice", "apple\u200bjuice"],
    ]
