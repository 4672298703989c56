import io

import pandas as pd
import pytest

from maskfold.cards.markdown import csv_table, number, table


def test_table():
    assert table({"name": ["a", "b|c"], "n": ["1", ""]}, right=["n"]) == (
        "| name | n |\n| --- | ---: |\n| a | 1 |\n| b\\|c |  |"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0.000"),
        (271.34, "271"),
        (31.25, "31.2"),
        (4.891, "4.89"),
        (-0.0021, "-0.002"),
        (0.35, "0.350"),
        (9999.6, "10000"),
        (12345.6, "12,346"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_significant_digits_and_three_decimals_at_most(value, written):
    assert number(value) == written


def test_any_csv_file():
    file = """member,year,images,seconds,images_per_second,dice,best_dice,gain,accepted,device
linknet34,2017,100064,526.0,3.17,0.757491,0.75951,0.00214,,NVIDIA H200
mean,2026,225,,14.891,0.76,,-0.0003,True,
"""

    written = csv_table(pd.read_csv(io.StringIO(file)))

    assert written.splitlines() == [
        "| member | year | images | seconds | images per second | dice | best dice | gain | accepted | device |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |",
        "| linknet34 | 2017 | 100,064 | 526 | 3.17 | 0.75749 | 0.75951 | 0.00214 |  | NVIDIA H200 |",
        "| mean | 2026 | 225 |  | 14.9 | 0.76000 |  | -0.00030 | yes |  |",
    ]
