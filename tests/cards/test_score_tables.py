import io

import pandas as pd
import pytest

from maskfold.cards.scores import duration, member_table, memory, score_table

RESULTS = """fold,images,groups,dice,iou,best_threshold,best_dice,epochs,seconds,images_per_second,peak_memory_mb,device
0,113,113,0.760503,0.642213,105,0.762781,12,526,3.17,20480,NVIDIA H200
1,112,112,0.754452,0.635536,108,0.756223,12,404,4.89,10240,NVIDIA H200
all,225,225,0.757491,0.638889,106,0.75951,,,,,
"""


@pytest.fixture
def results():
    return pd.read_csv(io.StringIO(RESULTS))


@pytest.mark.parametrize(
    ("seconds", "written"), [(71, "71 s"), (119.4, "119 s"), (120, "2.0 min"), (7199, "120.0 min"), (9000, "2.5 h")]
)
def test_duration(seconds, written):
    assert duration(seconds) == written


def test_memory_of_a_cpu_is_not_said():
    assert [memory(20480), memory(512), memory(0)] == ["20.0 GiB", "0.5 GiB", "-"]


def test_a_row_for_each_fold_and_one_for_all(results):
    assert score_table(results).splitlines() == [
        "| fold | images | Dice | IoU | best threshold | Dice there | epochs | time | images/s | memory | device |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        "| 0 | 113 | 0.76050 | 0.64221 | 105 | 0.76278 | 12 | 8.8 min | 3.17 | 20.0 GiB | NVIDIA H200 |",
        "| 1 | 112 | 0.75445 | 0.63554 | 108 | 0.75622 | 12 | 6.7 min | 4.89 | 10.0 GiB | NVIDIA H200 |",
        "| all | 225 | 0.75749 | 0.63889 | 106 | 0.75951 |  |  |  |  |  |",
    ]


def test_members_side_by_side(results):
    written = member_table(
        {"a": results, "b": None}, parameters={"b": 21_642_401}, links={"a": "a/README.md", "b": "b/README.md"}
    )

    assert written.splitlines() == [
        "| member | parameters | out-of-fold Dice | IoU | images | folds | training time "
        "| images/s | memory | device |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        # 526 s + 404 s; the mean of 3.17 and 4.89
        "| [a](a/README.md) |  | 0.75749 | 0.63889 | 225 | 2 | 15.5 min | 4.03 | 20.0 GiB | NVIDIA H200 |",
        "| [b](b/README.md) | 21,642,401 | not measured |  |  |  |  |  |  |  |",
    ]


def test_members_of_another_task_have_their_own_scores_beside_those_of_masks(results):
    other = results[["fold", "images", "seconds", "images_per_second", "peak_memory_mb", "device"]]
    other.insert(2, "top_1", [0.5, 0.75, 0.625])
    written = member_table({"a": results, "b": other}, parameters={}, links={"a": "a", "b": "b"}).splitlines()
    assert written[0].startswith(
        "| member | parameters | out-of-fold Dice | IoU | out-of-fold top 1 | images | folds | training time |"
    )
    assert written[2].startswith("| [a](a) |  | 0.75749 | 0.63889 |  | 225 | 2 |")
    assert written[3].startswith("| [b](b) |  |  |  | 0.62500 | 225 | 2 |")


def test_a_score_that_is_not_known_by_name_has_its_columns_name(results):
    assert "| 0 | 113 | 0.76050 |" in score_table(results.rename(columns={"dice": "macro_recall"}))
    assert "| macro recall |" in score_table(results.rename(columns={"dice": "macro_recall"}))
