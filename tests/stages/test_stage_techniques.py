"""The stage that measures techniques, on ten tiny cars."""

from pathlib import Path

import cv2
import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.predict import predict
from maskfold.stages.soup import soup
from maskfold.stages.techniques import techniques
from maskfold.stages.train import train
from maskfold.techniques import runner
from maskfold.techniques.runner import TechniqueJob

SHORT = "scale=smoke trainer.max_epochs=2 keep_best=2 trainer.accelerator=cpu geometry.height=32 geometry.width=48 "
SHORT += "model.widths=[4,4,4,4,4]"
ASKED = ["data=carvana", "data.name=tiny", "data.root=photos", "base=demo_unet", "seeds=1", "jobs=1"]
ASKED += ["predict='trainer.accelerator=cpu'", "only=[mixup,soup,one_view,drop_path,logit]"]
FOLDER = Path("experiments/techniques/tiny")


def test_base_and_techniques_become_a_table_and_nothing_is_done_twice(trained, monkeypatch, undrawn):
    jobs: list[TechniqueJob] = []

    def here(job: TechniqueJob) -> bool:
        jobs.append(job)
        {"train": train, "soup": soup, "predict": predict}[job.stage](compose(job.stage, [*job.overrides]))
        return True

    monkeypatch.setattr(runner, "run_stage", here)
    table = techniques(compose("techniques", [*ASKED, f"train='{SHORT}'"], choices=True))

    # Two folds: base and mixup trained and predicted, the soup made and predicted, and the base in one view.
    assert len(jobs) == 14
    assert {*table["technique"]} == {"base", "mixup", "soup", "one_view"}
    scores = pd.read_csv(FOLDER / "table.csv").set_index("technique")
    assert scores.loc["mixup", "gain"] == pytest.approx(scores.loc["mixup", "dice"] - scores.loc["base", "dice"])
    assert (FOLDER / "mixup_0/fold1/finished").exists()
    costs = scores["training_seconds"]
    assert costs["soup"] >= costs["base"]  # it took the base's training first
    assert len(pd.read_csv(FOLDER / "smaller.csv")) == 2
    assert cv2.imread(str(FOLDER / "samples.jpg")).shape[0] == 2 * (133 + 4)  # 48 pixels wide became 200
    page = (FOLDER / "README.md").read_text()
    assert "- drop_path is left out: the base has no key 'model.drop_path_rate'." in page
    assert "- logit is left out: one seed has nothing to average." in page

    again = techniques(compose("techniques", [*ASKED, f"train='{SHORT}'"], choices=True))
    assert len(jobs) == 14
    pd.testing.assert_frame_equal(again, table)
    with pytest.raises(MaskfoldError, match=r"base_0/fold0 was trained with another configuration:\n.*deep"):
        techniques(compose("techniques", [*ASKED, f"train='{SHORT} deep=1'"], choices=True))
    other = "techniques.soup.soup=['batches=7']"
    with pytest.raises(MaskfoldError, match=r"soup_0/fold0 was trained with another configuration:\n.*batches"):
        techniques(compose("techniques", [*ASKED, f"train='{SHORT}'", other], choices=True))


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (["base=demo_unet"], "data.name: studio in training, carvana in scoring"),
        (["data=studio", "base=demo_unet", "train='data.metric=iou'"], "data.metric: iou in training, dice in scoring"),
    ],
)
def test_what_is_scored_is_what_the_base_is_trained_on(asked, line):
    with pytest.raises(MaskfoldError, match=r"base=demo_unet is trained on other data than those") as refused:
        techniques(compose("techniques", asked, choices=True))
    assert line in str(refused.value)
