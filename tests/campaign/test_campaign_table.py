import pandas as pd

from maskfold.campaign.table import scores_so_far


def test_what_a_member_is_worth_is_the_first_score_of_its_task(tmp_path):
    masks, classes, scores = (tmp_path / name for name in ("masks.csv", "classes.csv", "scores.parquet"))
    masks.write_text("fold,images,groups,dice,iou,epochs\n0,2,1,0.5,0.25,3\nall,4,2,0.75,0.5,\n")
    classes.write_text("fold,images,top_1,macro_recall\n0,2,0.5,0.25\nall,4,0.625,0.5\n")
    pd.DataFrame({"image_id": ["a", "b"], "dice": [0.5, 1.0]}).to_parquet(scores)

    results = {"masks": masks, "classes": classes, "later": tmp_path / "none.csv"}
    assert scores_so_far(results, scores) == {
        "masks": "Dice 0.75000",
        "classes": "top 1 0.62500",
        "ensemble": "Dice 0.75000",
    }
    assert scores_so_far({"classes": classes}, tmp_path / "none.parquet") == {"classes": "top 1 0.62500"}
